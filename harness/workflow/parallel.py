"""The graph of a workflow as sets of names: what can be reached, which loops have no bound, what runs in parallel.

How two nodes of one run are ordered, in the words used here:

- A *fan-out* is several starts, or an edge with several targets. Its targets run at the same time.
- A node where branches meet waits for the branches that still lead to it; they go on as one.
- A node *precedes* another when a path leads from it to the other and none leads back. Edges that close a loop (to a
  node that every way to them passes) are no part of such a path: they lead to the loop's next round.
- A branch that goes back to before its fan-out while the other does not starts a round beside it.

What is pure about it is that values come in and values go out; places and words are left to `checks.py`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

from harness.workflow.spec import END, WorkflowSpec

Pair = frozenset[str]


@dataclass(frozen=True)
class Graph:
    """Nodes with their fan-outs.

    Args:
        starts: the nodes that begin.
        choices: for each node the target sets of its edges, one of which is taken; targets that end are left out.
    """

    starts: frozenset[str]
    choices: Mapping[str, tuple[frozenset[str], ...]]

    def successors(self, node: str) -> frozenset[str]:
        """The nodes that may come right after."""
        return frozenset[str]().union(*self.choices.get(node, ()))

    @cached_property
    def reachable(self) -> frozenset[str]:
        """The nodes that a run can come to."""
        return _closure(self.starts, self.successors)

    @cached_property
    def parallel_pairs(self) -> frozenset[Pair]:
        """Every two nodes that can run at the same time, or without one having to wait for the other."""
        return _Ordering(self).parallel()


def graph_of(spec: WorkflowSpec) -> Graph:
    """The graph of a specification; names that are no node, and edges never taken, are left out.

    Edges of one node are read from the top, so that none after the first without a condition is ever taken.
    """
    choices: dict[str, list[frozenset[str]]] = {name: [] for name in spec.nodes}
    settled: set[str] = set()
    for edge in spec.ways:
        if edge.source in choices and edge.source not in settled:
            choices[edge.source].append(frozenset(edge.target) & spec.nodes.keys() - {END})
            if edge.when is None:
                settled.add(edge.source)
    starts = frozenset(spec.start) & spec.nodes.keys()
    return Graph(starts, {name: tuple(targets) for name, targets in choices.items()})


def cycles_without(graph: Graph, bounded: AbstractSet[str]) -> list[list[str]]:
    """Loops that pass none of the `bounded` nodes: one for each knot of such loops, from its first node on."""
    found: list[list[str]] = []
    seen: set[str] = set()
    for start in graph.choices:
        if start in bounded or start in seen:
            continue
        loop = _shortest_loop(graph, start, bounded)
        if loop:
            found.append(loop)
            ahead = _closure({start}, lambda node: graph.successors(node) - bounded)
            seen |= {each for each in ahead if start in _closure({each}, lambda node: graph.successors(node) - bounded)}
    return found


def _shortest_loop(graph: Graph, start: str, bounded: AbstractSet[str]) -> list[str]:
    paths: list[list[str]] = [[start]]
    visited: set[str] = set()
    for path in paths:  # grows while it is read: a breadth-first search
        for target in sorted(graph.successors(path[-1]) - bounded):
            if target == start:
                return path
            if target not in visited:
                visited.add(target)
                paths.append([*path, target])
    return []


def _closure(starts: Iterable[str], successors: Callable[[str], AbstractSet[str]]) -> frozenset[str]:
    seen = set(starts)
    waiting = list(seen)
    while waiting:
        fresh = successors(waiting.pop()) - seen
        seen |= fresh
        waiting.extend(fresh)
    return frozenset(seen)


class _Ordering:
    """Follows every two branches of every fan-out step by step, until they meet or end."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._dominators = _dominators(graph)
        self._ahead: dict[str, frozenset[str]] = {}
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
        if target not in self._dominators[source] or target not in self._dominators[other]:
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
            forward = _closure({node}, lambda each: self._graph.successors(each) - self._dominators[each])
            self._ahead[node] = forward - {node}
        return self._ahead[node]

    def _spread_rounds(self) -> None:
        """Two rounds beside each other are ordered by nothing."""
        for one, other in self._beside:
            for left in _closure({one}, self._graph.successors):
                for right in _closure({other}, self._graph.successors) - {left}:
                    self._found.add(frozenset((left, right)))

    def _loop(self, start: str) -> frozenset[str]:
        """The nodes of the loops that begin at a node: those that come back to it without passing it before."""
        if start not in self._loops:
            self._loops[start] = _closure(
                {each for each in self._graph.reachable if self._closes(each, start)},
                lambda node: frozenset[str]() if node == start else self._sources[node],
            ) | {start}
        return self._loops[start]

    def _closes(self, source: str, start: str) -> bool:
        return start in self._graph.successors(source) and start in self._dominators[source]

    @cached_property
    def _loops(self) -> dict[str, frozenset[str]]:
        return {}

    @cached_property
    def _sources(self) -> dict[str, set[str]]:
        return _sources(self._graph)


def _ordered_pairs(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    return permutations(sorted(names), 2)


def _sources(graph: Graph) -> dict[str, set[str]]:
    """For each node that can be reached, those from which an edge leads to it."""
    sources: dict[str, set[str]] = {node: set() for node in graph.reachable}
    for node in graph.reachable:
        for target in graph.successors(node):
            sources[target].add(node)
    return sources


def _forward(graph: Graph) -> list[str]:
    """The nodes that can be reached, each before those it leads to, loops left aside (reverse postorder)."""
    finished: dict[str, None] = {}
    entered: set[str] = set()
    waiting = sorted(graph.starts)
    while waiting:
        node = waiting[-1]
        fresh = [] if node in entered else sorted(graph.successors(node) - entered)
        entered.add(node)
        if fresh:
            waiting += fresh
        else:
            finished.setdefault(waiting.pop())
    return [*reversed(finished)]


def _dominators(graph: Graph) -> dict[str, frozenset[str]]:
    """For each node that can be reached, the nodes that every way to it passes, itself among them.

    Source: Allen and Cocke, "Graph-theoretic constructs for program control flow analysis", 1972.
    """
    sources = _sources(graph)
    dominators = {node: frozenset({node}) if node in graph.starts else graph.reachable for node in graph.reachable}
    order = [node for node in _forward(graph) if node not in graph.starts]
    changed = True
    while changed:
        changed = False
        for node in order:
            passed = graph.reachable.intersection(*(dominators[source] for source in sources[node])) | {node}
            if passed != dominators[node]:
                dominators[node] = passed
                changed = True
    return dominators
