"""The JSON object that a 2xx answer must be."""

from collections.abc import Mapping

from harness.dialects.request_ids import request_id_of
from harness.dialects.wire_json import parse_object
from harness.exceptions import Broken
from harness.json_values import JsonObject


def object_of_body(body: bytes, headers: Mapping[str, str], endpoint_name: str) -> JsonObject:
    """The object; what the body was is not said, because errors are kept where people's text is not.

    Raises:
        Broken: it is not a JSON object.
    """
    try:
        return parse_object(body)
    except ValueError as error:
        message = f"the answer cannot be read ({error}; {len(body)} bytes of {headers.get('content-type', 'no type')})"
        raise Broken(endpoint_name, message, request_id=request_id_of(headers)) from error
