"""Which failures of a send are repeated at the same target, after how long, and until when.

Only a failure that is surely not billed is repeated inside a call, so that repeating never costs and the worst case of
a workflow stays what it was without it. Every other failure goes on to the next target or to whoever asked.
"""

from dataclasses import dataclass
from random import Random

from harness.exceptions import CircuitOpen, Overloaded, ProviderError, RateLimited, Unreachable

_REPEATED = (RateLimited, Overloaded, Unreachable)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long one call is tried.

    Args:
        attempts: sends a target at most, the first one too.
        deadline_seconds: how long the whole call may take: its queueing, its sends, its waits.
        backoff_seconds: the longest wait after the first failure; it doubles with each.
        longest_backoff_seconds: where the doubling ends.
        longest_asked_seconds: a server that asks for more patience than this is left to the next target, and calls of
            all processes leave it alone for no longer; above two minutes, for two minutes.
    """

    attempts: int = 3
    deadline_seconds: float = 1800.0
    backoff_seconds: float = 0.5
    longest_backoff_seconds: float = 20.0
    longest_asked_seconds: float = 120.0

    def repeats(self, error: ProviderError) -> bool:
        """Whether the same request may be sent again to the same target."""
        return isinstance(error, _REPEATED) and not isinstance(error, CircuitOpen) and not error.maybe_billed

    def wait_seconds(self, failed: int, error: ProviderError, chance: Random) -> float | None:
        """How long to wait after so many failed sends; None to try this target no more.

        What the server asked for is kept in full, and the jitter comes on top, so that those who were told the same
        do not come back together. Without its word the wait is anything up to the backoff.

        Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ (full jitter)
        """
        asked = error.retry_after_seconds or 0.0
        if not self.repeats(error) or failed >= self.attempts or asked > self.longest_asked_seconds:
            return None
        longest = min(self.backoff_seconds * 2 ** (failed - 1), self.longest_backoff_seconds)
        return asked + chance.random() * longest
