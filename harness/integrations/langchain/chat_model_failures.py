"""What a chat model's package raises, as the answer it came from, or as one of our errors."""

import json
from collections.abc import Iterator, Mapping
from typing import cast

from harness.dialects.provider_errors import error_of_response
from harness.dialects.wire import WireResponse
from harness.exceptions import Broken, HarnessError, ProviderError, Unreachable


def failed_answer(error: Exception, endpoint_name: str) -> WireResponse:
    """The HTTP answer that an exception tells of, so that its class is decided where every vendor's is.

    Raises:
        HarnessError: it is one already.
        Unreachable: nobody was there to be asked.
        Broken: it tells of no answer; nobody knows whether it was billed.
    """
    if isinstance(error, HarnessError):
        raise error
    status = _status(error)
    if status is not None:
        return WireResponse(status, _headers(error), _body(error, status))
    # Shown as every provider's words are: one line, bounded, without keys.
    words = json.dumps({"error": {"message": f"{type(error).__name__}: {error}"}}).encode()
    message = error_of_response(endpoint_name, WireResponse(500, {}, words)).message
    refused = any(isinstance(each, ConnectionRefusedError) for each in _causes(error))
    kind: type[ProviderError] = Unreachable if refused else Broken
    raise kind(endpoint_name, message) from error


def _status(error: Exception) -> int | None:
    """The HTTP status, wherever the vendors' packages keep it (openai, anthropic; google; botocore)."""
    response: object = getattr(error, "response", None)
    places: list[object] = [getattr(error, "status_code", None), getattr(response, "status_code", None)]
    if isinstance(response, Mapping):
        metadata = cast("Mapping[str, object]", response).get("ResponseMetadata")
        if isinstance(metadata, Mapping):
            places.append(cast("Mapping[str, object]", metadata).get("HTTPStatusCode"))
    places.append(getattr(error, "code", None))
    known = (each for each in places if isinstance(each, int) and not isinstance(each, bool))
    return next((each for each in known if 400 <= each <= 599), None)  # noqa: PLR2004 - HTTP's own numbers


def _headers(error: Exception) -> dict[str, str]:
    headers: object = getattr(getattr(error, "response", None), "headers", None)
    if not isinstance(headers, Mapping):
        return {}
    return {str(name).lower(): str(value) for name, value in cast("Mapping[object, object]", headers).items()}


def _body(error: Exception, status: int) -> bytes:
    """The vendor's envelope where the exception kept it, else its words."""
    kept: object = getattr(error, "body", None)
    envelope: object = {"message": str(error), "code": status}
    if isinstance(kept, Mapping):
        said = cast("Mapping[str, object]", kept)
        envelope = said.get("error") if isinstance(said.get("error"), Mapping) else {"message": str(error), **said}
        envelope = {**cast("Mapping[str, object]", envelope), "status_code": status}
    return json.dumps({"error": envelope}, default=str).encode()


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
