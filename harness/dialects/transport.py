"""Port: carries a request to an endpoint and brings back what it answers.

A transport knows nothing of dialects and money. It turns its library's errors into ours: `Unreachable` when no
connection was made (nothing can have been billed), `Broken` when one broke or timed out after the request had left
(it may have been billed). It never retries: each send has its own hold.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from harness.dialects.wire import WireRequest, WireResponse


class WireStream(Protocol):
    """An answer that is still arriving."""

    @property
    def status(self) -> int:
        """HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, cut anywhere.

        Raises:
            Broken: it ended before its end.
        """
        ...

    async def response(self) -> WireResponse:
        """The whole answer, for one that is an error."""
        ...


class Transport(Protocol):
    """Sends requests of one endpoint."""

    async def send(self, request: WireRequest) -> WireResponse:
        """Send and wait for the whole answer, whatever its status.

        Raises:
            Unreachable: no connection.
            Broken: the connection broke or timed out after the request left.
        """
        ...

    def stream(self, request: WireRequest) -> AbstractAsyncContextManager[WireStream]:
        """Send and read the answer as it arrives; leaving the context closes the connection.

        Raises:
            As `send`.
        """
        ...

    async def close(self) -> None:
        """Release connections; idempotent."""
        ...
