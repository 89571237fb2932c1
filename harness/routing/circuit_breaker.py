"""When an endpoint that keeps failing is left alone for a while, and how it is tried again: a pure state machine.

Closed, every call passes. After failures in a row that are also half of what was heard lately it is open, and no call
passes. When that time is over it is half open: one call at a time passes as a probe. Its success closes the circuit;
its failure opens it again, for twice as long.

What a failure is, and remembering a circuit an endpoint, is left to `harness.metering.endpoint_health`.
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class CircuitState(StrEnum):
    """Whether calls pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a circuit opens and how long it stays so.

    Args:
        failures: so many in a row open it, if they are at least half of the last `remembered` outcomes.
        forgotten_after_seconds: an older outcome says nothing any more.
        open_seconds: how long it is open the first time.
        longest_open_seconds: where the doubling ends.
    """

    failures: int = 5
    remembered: int = 20
    forgotten_after_seconds: float = 60.0
    open_seconds: float = 5.0
    longest_open_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one call."""

    failed: bool
    at: float


@dataclass(frozen=True, slots=True)
class Circuit:
    """One endpoint's; times are seconds of one monotonic clock.

    Args:
        opened: how often it opened since it was last closed by a probe.
        period: counts the changes of state; an outcome of a call that was let through in another one is not heard.
        probing: a probe is under way.
    """

    policy: BreakerPolicy = BreakerPolicy()
    outcomes: tuple[Outcome, ...] = ()
    opened: int = 0
    open_until: float | None = None
    period: int = 0
    probing: bool = False

    def state(self, now: float) -> CircuitState:
        """Whether calls pass now."""
        if self.open_until is None:
            return CircuitState.CLOSED
        return CircuitState.OPEN if now < self.open_until else CircuitState.HALF_OPEN

    def lets_pass(self, now: float) -> bool:
        """Whether the next call passes."""
        state = self.state(now)
        return state is CircuitState.CLOSED or (state is CircuitState.HALF_OPEN and not self.probing)

    def seconds_closed_off(self, now: float) -> float:
        """How long no call passes; of a probe under way nobody knows, so zero."""
        return 0.0 if self.open_until is None else max(self.open_until - now, 0.0)

    def entered(self, now: float) -> "Circuit":
        """With one more call let through, which must pass."""
        assert self.lets_pass(now)
        return replace(self, probing=True) if self.state(now) is CircuitState.HALF_OPEN else self

    def succeeded(self, period: int, now: float) -> "Circuit":
        """A call that was let through in this period was answered."""
        if period != self.period:
            return self
        if self.open_until is not None:
            return Circuit(self.policy, period=self.period + 1)
        return replace(self, outcomes=self._with(Outcome(failed=False, at=now)))

    def failed(self, period: int, now: float) -> "Circuit":
        """A call that was let through in this period failed by the endpoint's own making."""
        if period != self.period:
            return self
        outcomes = self._with(Outcome(failed=True, at=now))
        if self.open_until is None and not self._is_enough(outcomes):
            return replace(self, outcomes=outcomes)
        seconds = min(self.policy.open_seconds * 2**self.opened, self.policy.longest_open_seconds)
        return Circuit(self.policy, opened=self.opened + 1, open_until=now + seconds, period=self.period + 1)

    def abandoned(self, period: int) -> "Circuit":
        """A call that was let through in this period ended without a word of the endpoint: another may probe."""
        return replace(self, probing=False) if period == self.period else self

    def _with(self, outcome: Outcome) -> tuple[Outcome, ...]:
        since = outcome.at - self.policy.forgotten_after_seconds
        return (*(each for each in self.outcomes if each.at > since), outcome)[-self.policy.remembered :]

    def _is_enough(self, outcomes: tuple[Outcome, ...]) -> bool:
        last = outcomes[-self.policy.failures :]
        in_a_row = len(last) == self.policy.failures and all(each.failed for each in last)
        return in_a_row and 2 * sum(each.failed for each in outcomes) >= len(outcomes)
