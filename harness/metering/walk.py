"""What one call has met on its way through its targets: failures, endpoints that are out of it, time and waits."""

from dataclasses import dataclass, field

from harness.exceptions import CircuitOpen, KeyRefused, PriceUnknown, ProviderError, QuotaSpent, Unreachable
from harness.metering.deadline import Deadline
from harness.routing.decision import Target

# After one of these no other model at the same endpoint would fare better.
_OF_THE_WHOLE_ENDPOINT = (Unreachable, KeyRefused, QuotaSpent)


@dataclass(slots=True)
class Walk:
    """One call's way.

    Args:
        failures: in their order.
        passed_over: who was not asked, and why.
        waited_seconds: below rate limits and between tries.
    """

    deadline: Deadline
    failures: list[ProviderError] = field(default_factory=list[ProviderError])
    waited_seconds: float = 0.0
    _tried: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    _out: set[str] = field(default_factory=set[str])
    passed_over: list[str] = field(default_factory=list[str])
    _unpriced: list[PriceUnknown] = field(default_factory=list[PriceUnknown])

    def passes_over(self, target: Target) -> bool:
        """Whether a target is not asked: it was already, its endpoint is out of it, or the deadline has passed."""
        place = (target.endpoint_name, target.model.wire_name)
        if place in self._tried:
            return True
        self._tried.add(place)
        late = bool(self.failures) and self.deadline.left_seconds() <= 0
        if late or target.endpoint_name in self._out:
            why = f"the call's deadline of {self.deadline.seconds:g} s has passed" if late else "its endpoint failed"
            self._pass_over(target, why)
            return True
        return False

    def note(self, target: Target, error: ProviderError) -> None:
        """A target failed."""
        self.failures.append(error)
        if isinstance(error, _OF_THE_WHOLE_ENDPOINT):
            self._out.add(target.endpoint_name)

    def note_unpriced(self, target: Target, error: PriceUnknown) -> None:
        """A target has no price, so that it is not asked; another may be."""
        self._unpriced.append(error)
        self._pass_over(target, f"no price is known for it; it would stand in {error.overrides_file}")

    def failure(self) -> ProviderError | PriceUnknown:
        """What the call ends with: the last failure, with the others and who was not asked in its notes.

        Where nobody could be asked for want of a price, the first of whom that is true says so.
        """
        if not self.failures:
            assert self._unpriced, "a decision has at least one target, and the first is never passed over"
            return self._unpriced[0]
        last = self.failures[-1]
        closed = [error for error in self.failures if isinstance(error, CircuitOpen)]
        if len(closed) == len(self.failures) > 1:
            return _all_closed(closed)
        for earlier in self.failures[:-1]:
            last.add_note(f"before it: {earlier}")
        for words in self.passed_over:
            last.add_note(words)
        if self.deadline.left_seconds() <= 0 and self.passed_over:
            say_more(last, f"nobody else was asked after the call's deadline of {self.deadline.seconds:g} s")
        return last

    def _pass_over(self, target: Target, why: str) -> None:
        self.passed_over.append(f"{target.model_name!r} at {target.endpoint_name!r} was not asked: {why}")


def say_more(error: ProviderError, words: str) -> None:
    """Add to what an error says."""
    error.message = f"{error.message}; {words}"
    error.args = (error.endpoint, error.message)


def _all_closed(closed: list[CircuitOpen]) -> CircuitOpen:
    """Nobody was asked: whose circuits are open, and when the first of them may be tried."""
    waits = [error.retry_after_seconds or 0.0 for error in closed]
    others = "; ".join(f"{error.endpoint!r}: {error.message}" for error in closed[1:])
    return CircuitOpen(closed[0].endpoint, f"{closed[0].message}; {others}", retry_after_seconds=min(waits))
