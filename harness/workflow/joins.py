"""Where parallel branches meet: which edges wait for each other.

LangGraph runs a node once for each arrival in another step; our rule is that a node where branches meet waits for
all of them. That can be promised where every branch is sure to arrive; where one may take another way, the check
refuses the graph and says what to do instead.
"""

from collections.abc import Mapping

from harness.workflow.parallel import Graph, graph_of
from harness.workflow.spec import WorkflowSpec


def waiting_sources(spec: WorkflowSpec) -> Mapping[str, frozenset[str]]:
    """For each node where parallel branches meet, the sources that it waits for together."""
    graph = graph_of(spec)
    meetings: dict[str, frozenset[str]] = {}
    for target in graph.reachable:
        sources = frozenset(node for node in graph.reachable if target in graph.successors(node))
        together = frozenset(each for each in sources if _parallel_to_any(graph, each, sources))
        if together:
            meetings[target] = together
    return meetings


def uncertain_meetings(spec: WorkflowSpec) -> list[tuple[str, str]]:
    """Meetings that cannot be promised: (the node where branches meet, a node on a branch that may not come there)."""
    graph = graph_of(spec)
    found: list[tuple[str, str]] = []
    for target, sources in sorted(waiting_sources(spec).items()):
        on_branches = {
            node
            for node in graph.reachable
            if _parallel_to_any(graph, node, sources - {node}) and (node in sources or _leads_to(graph, node, sources))
        }
        found += [(target, node) for node in sorted(on_branches) if any(e.when for e in spec.edges if e.source == node)]
    return found


def _parallel_to_any(graph: Graph, node: str, others: frozenset[str]) -> bool:
    return any(frozenset({node, other}) in graph.parallel_pairs for other in others if other != node)


def _leads_to(graph: Graph, node: str, targets: frozenset[str]) -> bool:
    waiting, seen = [node], {node}
    while waiting:
        following = graph.successors(waiting.pop()) - seen
        if following & targets:
            return True
        seen |= following
        waiting += following
    return False
