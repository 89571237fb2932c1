"""How a provider's support calls one exchange: the id in an answer's headers."""

from collections.abc import Mapping

_HEADERS = ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid", "mistral-correlation-id")


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """The id that the headers give, whatever the provider calls it; names are lower case."""
    return next((headers[name] for name in _HEADERS if headers.get(name)), None)
