"""Port: how endpoints are opened."""

from dataclasses import dataclass
from typing import Protocol

from harness.dialects.dialect import Dialect, EmbeddingDialect, WireTarget
from harness.dialects.request_signer import RequestSigner
from harness.dialects.transport import Transport
from harness.dialects.wire import WireRequest
from harness.routing.decision import Target


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach an endpoint now.

    Args:
        embedding: its wire's way to embed; None where that has none.
        signer: None where the key is a header that the dialect writes.
    """

    dialect: Dialect
    transport: Transport
    target: WireTarget
    embedding: EmbeddingDialect | None = None
    signer: RequestSigner | None = None

    async def signed(self, request: WireRequest) -> WireRequest:
        """The request as it leaves.

        Raises:
            KeyRefused: there are no credentials to sign it with.
        """
        return request if self.signer is None else await self.signer.signed(request)


class Connections(Protocol):
    """Opens endpoints; a local model's server is started here."""

    async def open(self, target: Target) -> Connection:
        """A connection to the endpoint of a target.

        Raises:
            KeyRefused: it needs a key and none is set.
            Unreachable: a local server could not be started.
        """
        ...
