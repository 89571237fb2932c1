"""What goes over the wire and comes back, before any dialect has read it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One HTTP request: `body` is the exact bytes that are sent, so that their length bounds the input tokens.

    Headers hold keys, so they are not shown.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class WireResponse:
    """One whole HTTP answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
