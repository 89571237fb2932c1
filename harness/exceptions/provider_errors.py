"""What an endpoint answered instead of a reply, or that it did not answer."""

from harness.exceptions.root import HarnessError


class ProviderError(HarnessError):
    """What an endpoint answered instead of a reply, or that it did not answer.

    Args:
        endpoint: the catalogue's name of the endpoint.
        status: HTTP status; None where no answer came.
        retry_after_seconds: what the server asked for.
        maybe_billed: the provider may have charged for it, so its hold is settled as an estimate, not freed.
    """

    maybe_billed = False

    def __init__(
        self,
        endpoint: str,
        message: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(endpoint, message)
        self.endpoint = endpoint
        self.message = message
        self.status = status
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds

    def __reduce__(self) -> tuple[object, ...]:
        return (self.__class__, self.args, self.__dict__)

    def __str__(self) -> str:
        status = f" (HTTP {self.status})" if self.status else ""
        request = f" [request {self.request_id}]" if self.request_id else ""
        return f"endpoint {self.endpoint!r}{status}: {self.message}{request}"


class RateLimited(ProviderError):
    """Too many requests or tokens for now."""

    retryable = True


class QuotaSpent(ProviderError):
    """The account has no money or quota left; waiting does not mend it."""


class Overloaded(ProviderError):
    """The provider failed on its side."""

    retryable = True


class CircuitOpen(Overloaded):
    """The endpoint failed so often that it is left alone for a while; nothing was sent."""


class Unreachable(ProviderError):
    """No connection could be made; nothing was billed."""

    retryable = True


class DeadlinePassed(ProviderError):
    """The call's time was up before it could be sent; nothing was sent."""

    retryable = True


class Broken(ProviderError):
    """An answer that cannot be read, or that ended before its end; it may have been billed."""

    retryable = True
    maybe_billed = True


class ContextTooLong(ProviderError):
    """The prompt does not fit the model's context."""


class Refused(ProviderError):
    """The provider's policy declined to answer."""


class KeyRefused(ProviderError):
    """The key is missing or not accepted."""


class RequestRefused(ProviderError):
    """The provider does not accept the request as it is."""
