"""Port: one vendor's wire, in and out, without any I/O.

A dialect is pure: requests to bytes, bytes to replies. It counts usage in our arithmetic (`harness.models.usage`)
and turns error answers into one of `ProviderError`'s classes, once, here. Transports carry the bytes.

What it is given to encode has passed `harness.dialects.swap.swap`: every opaque part is of the target's own origin, and the
conversation keeps the `WireRules` that the dialect states.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

from harness.dialects.wire import WireRequest, WireResponse
from harness.dialects.wire_rules import WireRules
from harness.exceptions import ProviderError
from harness.models.catalogue import Endpoint, Model
from harness.models.embeddings import EmbeddingReply, EmbeddingRequest
from harness.models.messages import ModelReply, ModelRequest, Origin, StreamEvent


@dataclass(frozen=True, slots=True)
class WireTarget:
    """Where a request goes, as its dialect needs to know it.

    Args:
        base_url: where the endpoint is served now (a local server's address is known only once it runs).
        api_key: goes into a header; None where there is none, or where a `RequestSigner` brings it.
        origin: the stamp of what comes back, and of the opaque parts that may be sent.
    """

    model: Model
    endpoint: Endpoint
    base_url: str
    api_key: SecretStr | None
    origin: Origin


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

    def rules(self, model: Model, endpoint: Endpoint) -> WireRules:
        """What this endpoint accepts of a conversation.

        Raises:
            ConfigurationInvalid: the endpoint has a quirk that this dialect does not know.
        """
        ...

    def encode(self, request: ModelRequest, target: WireTarget, *, stream: bool) -> WireRequest:
        """The request as bytes for this endpoint.

        Raises:
            ConfigurationInvalid: as `rules`.
            KeyRefused: the key holds characters that no HTTP header can.
        """
        ...

    def decode(self, response: WireResponse, origin: Origin) -> ModelReply:
        """The reply of a 2xx answer; what is opaque in it is stamped with `origin`.

        Raises:
            Broken: it cannot be read.
            ProviderError: it is an error in spite of its status.
        """
        ...

    def stream_decoder(self, origin: Origin, headers: Mapping[str, str]) -> StreamDecoder:
        """A decoder for one streamed answer; header names are lower case."""
        ...

    def error(self, response: WireResponse, endpoint_name: str) -> ProviderError:
        """What a non-2xx answer means; never raises."""
        ...


class EmbeddingDialect(Protocol):
    """One wire's way to embed texts."""

    def texts_at_once(self, model: Model, endpoint: Endpoint | None = None) -> int:
        """How many texts one request may hold at most; without an endpoint what the vendor's own takes."""
        ...

    def encode_texts(self, request: EmbeddingRequest, target: WireTarget) -> WireRequest:
        """The request as bytes.

        Raises:
            ConfigurationInvalid, KeyRefused: as `Dialect.encode`.
        """
        ...

    def decode_vectors(self, response: WireResponse, origin: Origin, *, texts: int) -> EmbeddingReply:
        """The vectors of a 2xx answer, as many as texts were sent, in their order.

        Raises:
            Broken: it cannot be read, or holds another number of vectors or of several widths.
        """
        ...

    def error(self, response: WireResponse, endpoint_name: str) -> ProviderError:
        """What a non-2xx answer means; never raises."""
        ...
