"""The graph of a workflow as sets of names: who leads to whom, and what can be reached.

What runs in parallel is left to `parallel.py`, loops to `loops.py`, meetings to `joins.py`; places and words of
problems to `checking/`.
"""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property

from harness.workflow.spec import END, Edge, WorkflowSpec


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
        return self._successors.get(node, frozenset())

    @cached_property
    def reachable(self) -> frozenset[str]:
        """The nodes that a run can come to."""
        return closure(self.starts, self.successors)

    @cached_property
    def sources(self) -> Mapping[str, AbstractSet[str]]:
        """For each node that can be reached, those from which an edge leads to it."""
        sources: dict[str, set[str]] = {node: set() for node in self.reachable}
        for node in self.reachable:
            for target in self.successors(node):
                sources[target].add(node)
        return sources

    @cached_property
    def forward(self) -> tuple[str, ...]:
        """The nodes that can be reached, each before those it leads to, loops left aside (reverse postorder)."""
        finished: dict[str, None] = {}
        entered: set[str] = set()
        waiting = sorted(self.starts)
        while waiting:
            node = waiting[-1]
            if node in entered:
                finished.setdefault(waiting.pop())
            else:
                entered.add(node)
                waiting += sorted(self.successors(node) - entered)
        return tuple(reversed(finished))

    @cached_property
    def _successors(self) -> Mapping[str, frozenset[str]]:
        return {node: frozenset[str]().union(*targets) for node, targets in self.choices.items()}


def graph_of(spec: WorkflowSpec) -> Graph:
    """The graph of a specification; names that are no node, and edges never taken, are left out.

    Edges of one node are read from the top, so that none after the first without a condition is ever taken.
    """
    choices: dict[str, list[frozenset[str]]] = {name: [] for name in spec.nodes}
    settled: set[str] = set()
    for edge in spec.ways:
        if edge.source in choices and edge.source not in settled:
            choices[edge.source].append(frozenset(name for name in edge.target if name in spec.nodes and name != END))
            if edge.when is None:
                settled.add(edge.source)
    starts = frozenset(name for name in spec.start if name in spec.nodes)
    return Graph(starts, {name: tuple(targets) for name, targets in choices.items()})


def ways_from(spec: WorkflowSpec) -> Mapping[str, tuple[Edge, ...]]:
    """The edges of each node that has some, read from the top."""
    found: dict[str, list[Edge]] = {}
    for edge in spec.ways:
        found.setdefault(edge.source, []).append(edge)
    return {name: tuple(edges) for name, edges in found.items()}


def closure(starts: Iterable[str], successors: Callable[[str], AbstractSet[str]]) -> frozenset[str]:
    """Everything that some names lead to, step by step, themselves among it."""
    seen = set(starts)
    waiting = list(seen)
    while waiting:
        fresh = successors(waiting.pop()) - seen
        seen |= fresh
        waiting.extend(fresh)
    return frozenset(seen)
