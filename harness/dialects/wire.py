"""What goes over the wire and comes back, before any dialect has read it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One HTTP request: `body` is the exact bytes that are sent, so that their length bounds the input tokens."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class WireResponse:
    """One whole HTTP answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
