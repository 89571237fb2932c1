"""Loops of a graph: the knots that nodes form by leading back to each other, and those that nothing bounds."""

from collections.abc import Collection
from collections.abc import Set as AbstractSet

from harness.workflow.graph import Graph


def knots(graph: Graph, without: AbstractSet[str] = frozenset()) -> list[frozenset[str]]:
    """The sets of nodes that lead to each other, a node that leads to itself among them; as they come in the file.

    Args:
        without: nodes that are taken out first.

    Source: Tarjan, "Depth-first search and linear graph algorithms", 1972, with a stack of its own, because a chain
    may be longer than Python's.
    """
    search = _Search(graph, without)
    for node in graph.choices:
        if node not in without and node not in search.number:
            search.from_node(node)
    place = {node: number for number, node in enumerate(graph.choices)}
    return sorted(search.found, key=lambda knot: min(place[node] for node in knot))


def cycles_without(graph: Graph, bounded: AbstractSet[str]) -> list[list[str]]:
    """Loops that pass none of the `bounded` nodes: a shortest one for each knot of such loops, from its first node on."""
    found: list[list[str]] = []
    for knot in knots(graph, bounded):
        first = next(node for node in graph.choices if node in knot)
        found.append(_shortest_loop(graph, first, knot))
    return found


class _Search:
    """One search through a graph, depth first."""

    def __init__(self, graph: Graph, without: AbstractSet[str]) -> None:
        self._graph = graph
        self._without = without
        self.number: dict[str, int] = {}
        self._lowest: dict[str, int] = {}
        self._open: dict[str, None] = {}
        self.found: list[frozenset[str]] = []

    def from_node(self, start: str) -> None:
        standing = [(start, self._enter(start))]
        while standing:
            node, ahead = standing[-1]
            if ahead:
                target = ahead.pop()
                if target not in self.number:
                    standing.append((target, self._enter(target)))
                elif target in self._open:
                    self._lowest[node] = min(self._lowest[node], self.number[target])
                continue
            standing.pop()
            self._leave(node)
            if standing:
                above = standing[-1][0]
                self._lowest[above] = min(self._lowest[above], self._lowest[node])

    def _enter(self, node: str) -> list[str]:
        self.number[node] = self._lowest[node] = len(self.number)
        self._open[node] = None
        return sorted(self._graph.successors(node) - self._without)

    def _leave(self, node: str) -> None:
        """Where nothing behind a node leads to before it, what is still open behind it is one knot."""
        if self._lowest[node] != self.number[node]:
            return
        knot: list[str] = []
        while not knot or knot[-1] != node:
            knot.append(self._open.popitem()[0])
        if len(knot) > 1 or node in self._graph.successors(node):
            self.found.append(frozenset(knot))


def _shortest_loop(graph: Graph, start: str, knot: Collection[str]) -> list[str]:
    """The shortest way within a knot from a node back to it."""
    came_from: dict[str, str] = {}
    waiting = [start]
    for node in waiting:  # grows while it is read: a breadth-first search
        targets = graph.successors(node)
        if start in targets:
            return [*reversed(_way(came_from, node))]
        for target in sorted(targets):
            if target in knot and target not in came_from:
                came_from[target] = node
                waiting.append(target)
    raise AssertionError("every node of a knot leads back to itself")


def _way(came_from: dict[str, str], node: str) -> list[str]:
    way = [node]
    while way[-1] in came_from:
        way.append(came_from[way[-1]])
    return way
