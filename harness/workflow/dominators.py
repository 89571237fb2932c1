"""Which nodes every way to a node passes: its dominators."""

from collections.abc import Mapping

from harness.workflow.graph import Graph

# The start of a run, before the nodes it begins with; no node has an empty name.
BEGIN = ""


class Dominators:
    """The dominators of every node that can be reached, as a tree below `BEGIN`.

    Source: Cooper, Harvey and Kennedy, "A simple, fast dominance algorithm", 2001.
    """

    def __init__(self, graph: Graph) -> None:
        self._last = _last_passed(graph)
        self._first, self._end = _spans(self._last)

    def last_before(self, node: str) -> str:
        """The last node before this one that every way to it passes; `BEGIN` where there is none."""
        return self._last[node]

    def dominates(self, one: str, other: str) -> bool:
        """Whether every way to the other passes the one; a node passes itself."""
        return self._first[one] <= self._first[other] < self._end[one]


def _last_passed(graph: Graph) -> dict[str, str]:
    place = {node: number for number, node in enumerate((BEGIN, *graph.forward))}
    last: dict[str, str] = {BEGIN: BEGIN}

    def common(one: str, other: str) -> str:
        """The last that the known ways to both pass."""
        while one != other:
            if place[one] > place[other]:
                one = last[one]
            else:
                other = last[other]
        return one

    changed = True
    while changed:
        changed = False
        for node in graph.forward:
            came = [BEGIN] if node in graph.starts else []
            came += [source for source in graph.sources[node] if source in last]
            passed = came[0]
            for source in came[1:]:
                passed = common(passed, source)
            if last.get(node) != passed:
                last[node] = passed
                changed = True
    return last


def _spans(last: Mapping[str, str]) -> tuple[dict[str, int], dict[str, int]]:
    """For each node its number in a walk through the tree, and the number after all below it."""
    below: dict[str, list[str]] = {node: [] for node in last}
    for node, above in last.items():
        if node != BEGIN:
            below[above].append(node)
    first: dict[str, int] = {}
    end: dict[str, int] = {}
    waiting = [BEGIN]
    while waiting:
        node = waiting[-1]
        if node in first:
            end[waiting.pop()] = len(first)
        else:
            first[node] = len(first)
            waiting += below[node]
    return first, end
