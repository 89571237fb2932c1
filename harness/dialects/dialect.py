"""Port: one vendor's wire, in and out, without any I/O.

A dialect is pure: requests to bytes, bytes to replies. It counts usage in our arithmetic (`harness.models.usage`)
and turns error answers into one of `ProviderError`'s classes, once, here. Transports carry the bytes.
"""

from typing import Protocol

from harness.dialects.wire import WireRequest, WireResponse
from harness.exceptions import ProviderError
from harness.models.catalogue import Endpoint, Model
from harness.models.messages import ModelReply, ModelRequest, StreamEvent


class StreamDecoder(Protocol):
    """Reads one streamed answer; keeps torn pieces until they are whole."""

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """Events that this chunk completes, in order; the last of a stream is `ReplyEnd`.

        Raises:
            ProviderError: the stream carries an error event.
        """
        ...

    def end(self) -> list[StreamEvent]:
        """What is left when the connection closed in order.

        Raises:
            Broken: the stream stopped before its end was said.
        """
        ...


class Dialect(Protocol):
    """One wire."""

    def encode(
        self,
        request: ModelRequest,
        model: Model,
        endpoint: Endpoint,
        *,
        base_url: str,
        api_key: str | None,
        stream: bool,
    ) -> WireRequest:
        """The request as bytes for this endpoint.

        Args:
            base_url: where the endpoint is served now (a local server's address is known only once it runs).
        """
        ...

    def decode(self, response: WireResponse, endpoint_name: str) -> ModelReply:
        """The reply of a 2xx answer.

        Raises:
            Broken: it cannot be read.
        """
        ...

    def stream_decoder(self, endpoint_name: str, headers: dict[str, str]) -> StreamDecoder:
        """A decoder for one streamed answer."""
        ...

    def error(self, response: WireResponse, endpoint_name: str) -> ProviderError:
        """What a non-2xx answer means; never raises."""
        ...
