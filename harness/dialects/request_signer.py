"""Port: signs a request after its dialect has encoded it, for providers whose key is not a header that stays the same.

AWS signs the bytes themselves; Google's access tokens last an hour.
"""

from typing import Protocol

from harness.dialects.wire import WireRequest


class RequestSigner(Protocol):
    """Credentials of one endpoint."""

    @property
    def account(self) -> str:
        """What tells these credentials from others, for the stamp of opaque parts; gives nothing away."""
        ...

    async def signed(self, request: WireRequest) -> WireRequest:
        """The request with the headers that prove who sends it; its bytes stay as they are.

        Raises:
            KeyRefused: there are no credentials, or they cannot be renewed; the message says what was looked for.
        """
        ...
