"""Which nodes of a graph can run at the same time.

How two nodes of one run are ordered, in the words used here:

- A *fan-out* is several starts, or an edge with several targets. Its targets run at the same time.
- A node where branches meet waits for the branches that still lead to it; they go on as one.
- A node *precedes* another when a path leads from it to the other and none leads back. Edges that close a loop (to a
  node that every way to them passes) are no part of such a path: they lead to the loop's next round.
- A branch that goes back to before its fan-out while the other does not starts a round beside it.

Where branches meet, and whether they are sure to, is left to `joins.py`.
"""

from collections.abc import Iterable, Iterator
from itertools import permutations

from harness.workflow.dominators import Dominators
from harness.workflow.graph import Graph, closure

Pair = frozenset[str]


def parallel_pairs(graph: Graph) -> frozenset[Pair]:
    """Every two nodes that can run at the same time, or without one having to wait for the other."""
    return _Ordering(graph).parallel()


class _Ordering:
    """Follows every two branches of every fan-out step by step, until they meet or end."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._dominators = Dominators(graph)
        self._ahead: dict[str, frozenset[str]] = {}
        self._loops: dict[str, frozenset[str]] = {}
        self._found: set[Pair] = set()
        self._beside: set[tuple[str, str]] = set()
        self._seen: set[tuple[str, str, bool]] = set()
        self._waiting: list[tuple[str, str, bool]] = []

    def parallel(self) -> frozenset[Pair]:
        for one, other in _ordered_pairs(self._graph.starts):
            self._put(one, other)
        for node in self._graph.reachable:
            for targets in self._graph.choices.get(node, ()):
                for one, other in _ordered_pairs(targets):
                    self._arrive(node, one, other)
        while self._waiting:
            self._advance(*self._waiting.pop())
        self._spread_rounds()
        return frozenset(self._found)

    def _put(self, one: str, other: str, *, held: bool = False) -> None:
        """Note that two branches stand at two nodes; `held`: the first is at a loop's start and waits for the other."""
        if (one, other, held) not in self._seen:
            self._seen.add((one, other, held))
            self._waiting.append((one, other, held))

    def _arrive(self, source: str, target: str, other: str) -> None:
        """One branch goes from a node to the next while another branch stands at `other`."""
        if target == other:
            return  # they go on as one
        if not (self._dominators.dominates(target, source) and self._dominators.dominates(target, other)):
            self._put(target, other)  # forward, or back in a loop that is within this branch
        elif other in self._loop(target):
            self._put(target, other, held=True)
        else:
            self._beside.add((target, other))

    def _advance(self, one: str, other: str, held: bool) -> None:
        if held:
            self._advance_other(one, other)
            return
        if self._precedes(other, one):
            # `one` waits; where it is `other` that waits, the pair is noted the other way round as well.
            self._put(other, one)
            return
        if not self._precedes(one, other):
            self._found.add(frozenset((one, other)))
            self._put(other, one)
        for target in self._graph.successors(one):
            self._arrive(one, target, other)

    def _advance_other(self, start: str, other: str) -> None:
        """A branch that is back at a loop's start waits for another until that one comes too or leaves the loop."""
        for target in self._graph.successors(other) - {start}:
            if target in self._loop(start):
                self._put(start, target, held=True)
            else:
                self._beside.add((start, target))

    def _precedes(self, one: str, other: str) -> bool:
        return other in self._ahead_of(one) and one not in self._ahead_of(other)

    def _ahead_of(self, node: str) -> frozenset[str]:
        """The nodes that a path without closed loops leads to; found when asked for, most graphs ask for few."""
        if node not in self._ahead:
            forward = closure({node}, self._ahead_directly)
            self._ahead[node] = forward - {node}
        return self._ahead[node]

    def _ahead_directly(self, node: str) -> frozenset[str]:
        """The nodes right after that no closed loop leads to."""
        return frozenset(each for each in self._graph.successors(node) if not self._dominators.dominates(each, node))

    def _spread_rounds(self) -> None:
        """Two rounds beside each other are ordered by nothing."""
        for one, other in self._beside:
            for left in closure({one}, self._graph.successors):
                for right in closure({other}, self._graph.successors) - {left}:
                    self._found.add(frozenset((left, right)))

    def _loop(self, start: str) -> frozenset[str]:
        """The nodes of the loops that begin at a node: those that come back to it without passing it before."""
        if start not in self._loops:
            self._loops[start] = closure(
                {each for each in self._graph.reachable if self._closes(each, start)},
                lambda node: frozenset[str]() if node == start else self._graph.sources[node],
            ) | {start}
        return self._loops[start]

    def _closes(self, source: str, start: str) -> bool:
        return start in self._graph.successors(source) and self._dominators.dominates(start, source)


def _ordered_pairs(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    return permutations(sorted(names), 2)
