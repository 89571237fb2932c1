"""Fallbacks that lead back to where they began: a model that failed would be asked again. Pure."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

# The models that answer after each one.
Fallbacks = Mapping[str, Iterable[str]]

_MOST = 20


def fallback_cycles(fallbacks: Fallbacks) -> Iterator[tuple[str, ...]]:
    """Cycles, each as its chain from a model back to that model; no two share the step that closes them.

    The first twenty; who mends those is shown the rest.
    """
    left = {name: list(others) for name, others in fallbacks.items()}
    for _ in range(_MOST):
        cycle = _a_cycle(left)
        if cycle is None:
            return
        yield cycle
        left[cycle[-2]].remove(cycle[-1])


def chain_between(fallbacks: Fallbacks, first: str, last: str) -> tuple[str, ...] | None:
    """The shortest way from one model over fallbacks to another; None where there is none."""
    came_from: dict[str, str | None] = {first: None}
    waiting = deque([first])
    while waiting:
        here = waiting.popleft()
        if here == last:
            return _chain(came_from, here)
        for name in fallbacks.get(here, ()):
            if name not in came_from:
                came_from[name] = here
                waiting.append(name)
    return None


def _chain(came_from: Mapping[str, str | None], last: str) -> tuple[str, ...]:
    chain = [last]
    while (before := came_from[chain[-1]]) is not None:
        chain.append(before)
    return tuple(reversed(chain))


def _a_cycle(fallbacks: Fallbacks) -> tuple[str, ...] | None:
    """One, from the member that comes first among the models."""
    try:
        TopologicalSorter(fallbacks).prepare()
    except CycleError as error:
        # Each is a fallback of the next; the last is the first again.
        *around, _ = reversed(error.args[1])
        start = next(place for name in fallbacks for place, member in enumerate(around) if member == name)
        return (*around[start:], *around[:start], around[start])
    return None
