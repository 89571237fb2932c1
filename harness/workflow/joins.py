"""Where branches meet: which sources a node waits for together.

LangGraph runs a node once for each arrival in another step; our rule is that a node where branches meet waits for
all that come to it in one round. That can be promised where, however conditions fall, the same sources always come
together; where one of them may come without the others the check refuses the graph and says what to do instead.

The start of a run, `BEGIN`, is a source like others. A round is followed from the last node that every way to the
meeting passes, or from the meeting itself where a loop leads back to it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from harness.workflow.dominators import BEGIN, Dominators
from harness.workflow.graph import Graph, graph_of, ways_from
from harness.workflow.parallel import Pair, parallel_pairs
from harness.workflow.spec import Edge, WorkflowSpec

Sources = frozenset[str]

# Ways that conditions can fall within one round, each followed; a meeting with more is refused.
_MOST_WAYS = 5_000
_MOST_COMPARED = 300


@dataclass(frozen=True, slots=True)
class _Way:
    """One way that a round can go: what each node with conditions chose, and the sources that came."""

    chosen: Mapping[str, int]
    came: Sources


def waiting_sources(spec: WorkflowSpec) -> Mapping[str, tuple[Sources, ...]]:
    """For each node where branches meet, the groups of sources that it waits for together; `BEGIN` may be one."""
    joins = _Joins(spec)
    found = {target: joins.groups(target) for target in sorted(joins.graph.reachable)}
    return {target: groups for target, groups in found.items() if groups}


def uncertain_meetings(spec: WorkflowSpec) -> list[tuple[str, str]]:
    """Meetings that cannot be promised: (the node where branches meet, a node that can lead past it)."""
    joins = _Joins(spec)
    return [(target, name) for target in sorted(joins.graph.reachable) for name in sorted(joins.uncertain(target))]


class _Joins:
    def __init__(self, spec: WorkflowSpec) -> None:
        self.graph: Graph = graph_of(spec)
        ways = ways_from(spec)
        self._choices = {name: _choices(self.graph, ways.get(name, ()), name) for name in self.graph.reachable}
        self._choices[BEGIN] = (self.graph.starts,)
        self._ways: dict[str, tuple[_Way, ...]] = {}

    def groups(self, target: str) -> tuple[Sources, ...]:
        together = {way.came for way in self._ways_to(target) if len(way.came) > 1}
        return tuple(sorted(together, key=sorted))

    def uncertain(self, target: str) -> set[str]:
        """Nodes whose conditions decide whether all of a group come to the target."""
        ways = self._ways_to(target)
        if len(ways) >= _MOST_WAYS:
            return {target}
        found = _deciding(ways, target)
        groups = self.groups(target)
        # What a condition leads to comes by itself: it cannot be waited for.
        found |= {source for group in groups for source in group if len(self._choices[source]) > 1}
        found |= {min(pair) for pair in self._sources_apart(target, groups)}
        return found

    def _sources_apart(self, target: str, groups: tuple[Sources, ...]) -> Iterator[Sources]:
        """Sources that can be there at the same time, but come together in no round."""
        for pair in map(frozenset, combinations(sorted(self._sources[target]), 2)):
            if not any(pair <= group for group in groups) and pair in self._parallel:
                yield pair

    def _ways_to(self, target: str) -> tuple[_Way, ...]:
        if target not in self._ways and len(self._sources[target]) < 2:  # noqa: PLR2004 - nobody to wait for
            self._ways[target] = ()
        if target not in self._ways:
            origins = (self._dominators.last_before(target), target)
            self._ways[target] = tuple(way for origin in origins for way in self._followed(origin, target))
        return self._ways[target]

    def _followed(self, origin: str, target: str) -> Iterator[_Way]:
        """Every way from an origin; each node is passed once, because the rounds of a loop within are one."""
        waiting: list[tuple[frozenset[str], tuple[str, ...], dict[str, int], Sources]] = [
            (frozenset({origin}), (origin,), {}, frozenset())
        ]
        for _ in range(_MOST_WAYS):
            if not waiting:
                return
            seen, standing, chosen, came = waiting.pop()
            while standing:
                node, *others = standing
                choices = self._choices[node]
                for place, choice in reversed(list(enumerate(choices))):
                    fresh = sorted(choice - seen - {target})
                    after = (
                        seen | choice,
                        (*others, *fresh),
                        chosen | {node: place} if len(choices) > 1 else chosen,
                        came | {node} if target in choice else came,
                    )
                    if place:
                        waiting.append(after)
                    else:
                        seen, standing, chosen, came = after
            yield _Way(chosen, came)

    @cached_property
    def _sources(self) -> Mapping[str, set[str]]:
        """For each node, where it is come to from; `BEGIN` for one that a run starts with."""
        sources: dict[str, set[str]] = {name: set() for name in self.graph.reachable}
        for name in (*self.graph.reachable, BEGIN):
            for target in frozenset[str]().union(*self._choices[name]):
                sources[target].add(name)
        return sources

    @cached_property
    def _dominators(self) -> Dominators:
        return Dominators(self.graph)

    @cached_property
    def _parallel(self) -> frozenset[Pair]:
        return parallel_pairs(self.graph)


def _deciding(ways: Sequence[_Way], target: str) -> set[str]:
    """Nodes by whose choice alone some of the sources come without the others."""
    came = {way.came for way in ways}
    if not any(one & other for one, other in combinations(came, 2)):
        return set()
    found: set[str] = set()
    for one, other in combinations(ways[:_MOST_COMPARED], 2):
        if one.came != other.came and one.came & other.came:
            parted = {name for name in one.chosen.keys() & other.chosen if one.chosen[name] != other.chosen[name]}
            found |= parted if len(parted) == 1 else set()
    # A loop that comes back to fewer branches than met at first has nobody who chooses but the meeting itself.
    return found or {target}


def _choices(graph: Graph, ways: Sequence[Edge], name: str) -> tuple[frozenset[str], ...]:
    """The target sets of a node's edges, one of which is taken; none, where no condition holds, ends the branch."""
    ends = all(edge.when is not None for edge in ways)
    return (*graph.choices[name], frozenset()) if ends else graph.choices[name]
