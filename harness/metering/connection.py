"""Port: how endpoints are opened."""

from dataclasses import dataclass
from typing import Protocol

from harness.dialects.dialect import Dialect, EmbeddingDialect, WireTarget
from harness.dialects.request_signer import RequestSigner
from harness.dialects.transport import Transport
from harness.dialects.wire import WireRequest
from harness.routing.decision import Target

_CREDENTIAL_HEADERS = frozenset({"authorization", "x-api-key", "api-key", "x-goog-api-key", "x-amz-security-token"})
_TOKEN_SCHEMES = frozenset({"bearer", "basic"})


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

    def secrets(self, request: WireRequest) -> tuple[str, ...]:
        """What of a request proves who sends it, and must stand in no message."""
        key = self.target.api_key
        found = [key.get_secret_value().strip()] if key is not None else []
        for name, value in request.headers.items():
            if name.lower() in _CREDENTIAL_HEADERS:
                scheme, _, rest = value.partition(" ")
                # What AWS's header holds is a signature of this one request, and names.
                found += [rest] if scheme.lower() in _TOKEN_SCHEMES else [value] if not rest else []
        return tuple(dict.fromkeys(each for each in found if each))


class Connections(Protocol):
    """Opens endpoints; a local model's server is started here."""

    async def open(self, target: Target) -> Connection:
        """A connection to the endpoint of a target.

        Raises:
            KeyRefused: it needs a key and none is set.
            Unreachable: a local server could not be started.
        """
        ...
