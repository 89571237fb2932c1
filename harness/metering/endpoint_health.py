"""Remembers circuits, and says which failures open which.

An endpoint that cannot be reached has a circuit of its own; what fails while it answers (it is overloaded, its answers
break off) may be one model's, so that each model has one at each of its endpoints, and another model there can stand
in for it. Only in this process: one that starts tries everything anew, and another's bad luck with its network closes
nothing here. After a crash nothing has to be mended.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.exceptions import Broken, CircuitOpen, Overloaded, ProviderError, Unreachable
from harness.routing.circuit_breaker import BreakerPolicy, Circuit
from harness.routing.decision import Target

# Endpoint, its address and a model's wire name there. By the address too: an endpoint that was bound anew under its old
# name is another one. An empty name stands for the endpoint itself.
_Key = tuple[str, str | None, str]


class EndpointHealth:
    """The circuits of this process.

    Args:
        monotonic: seconds.
    """

    def __init__(self, monotonic: Callable[[], float], policy: BreakerPolicy | None = None) -> None:
        self._monotonic = monotonic
        self._policy = policy or BreakerPolicy()
        self._circuits: dict[_Key, Circuit] = {}

    def lets_pass(self, target: Target) -> bool:
        """Whether a call would pass."""
        return all(self._of(key).lets_pass(self._monotonic()) for key in _keys(target))

    def require_closed(self, target: Target) -> None:
        """Go on where a call would pass.

        Raises:
            CircuitOpen: it would not.
        """
        now = self._monotonic()
        for key in _keys(target):
            circuit = self._of(key)
            if not circuit.lets_pass(now):
                raise _open(target, key, circuit.seconds_closed_off(now))

    @contextmanager
    def passage(self, target: Target) -> Generator["Passage"]:
        """Let a call pass; if nobody tells the passage how it ended, nothing is learned.

        Raises:
            CircuitOpen: it may not.
        """
        self.require_closed(target)
        now = self._monotonic()
        entered = {key: self._of(key).entered(now) for key in _keys(target)}
        self._circuits |= entered
        passage = Passage(target)
        try:
            yield passage
        finally:
            now = self._monotonic()
            for key, at_entry in entered.items():
                self._circuits[key] = _after(self._of(key), at_entry.period, passage.failed_of(key), now)

    def _of(self, key: _Key) -> Circuit:
        return self._circuits.get(key) or Circuit(self._policy)


@dataclass(slots=True)
class Passage:
    """One call that was let through; told at most once how it ended.

    Args:
        error: by which it ended.
    """

    target: Target
    was_answered: bool = False
    error: ProviderError | None = None

    def answered(self) -> None:
        """It was."""
        self.was_answered = True

    def failed(self, error: ProviderError, *, answering: bool) -> None:
        """By this error; `answering` where a model had begun to answer, which no dead one does."""
        self.error = error
        self.was_answered = answering or not isinstance(error, Unreachable | Overloaded | Broken)

    def failed_of(self, key: _Key) -> bool | None:
        """Whether this speaks against what a circuit stands for; None where it says nothing of it."""
        if self.was_answered:
            return False
        if self.error is None:
            return None
        if isinstance(self.error, Unreachable):
            return True if not key[2] else None
        # An endpoint that says it is overloaded is there; of a connection that broke nobody knows whose fault it was.
        return True if key[2] else False if isinstance(self.error, Overloaded) else None


def _keys(target: Target) -> tuple[_Key, _Key]:
    place = (target.endpoint_name, target.endpoint.base_url)
    return (*place, ""), (*place, target.model.wire_name)


def _after(circuit: Circuit, period: int, failed: bool | None, now: float) -> Circuit:
    if failed is None:
        return circuit.abandoned(period)
    return circuit.failed(period, now) if failed else circuit.succeeded(period, now)


def _open(target: Target, key: _Key, seconds: float) -> CircuitOpen:
    what = f"{target.model_name!r} there" if key[2] else "it"
    until = f"tried again in {seconds:.1f} s" if seconds else "one call is trying it now"
    words = f"nothing was sent, because {what} failed again and again: {until}"
    return CircuitOpen(target.endpoint_name, words, retry_after_seconds=max(seconds, 1.0))
