"""How often each node of a workflow can run."""

from collections.abc import Mapping

from harness.workflow.graph import closure, graph_of
from harness.workflow.loops import knots
from harness.workflow.spec import WorkflowSpec


def most_visits(spec: WorkflowSpec) -> Mapping[str, int]:
    """How often each node that can be reached runs at most.

    A node runs once unless a loop leads to it; then its own `max_visits` bounds it, else those of its loop, and where
    branches run beside each other only the run's `limits.steps` does, because a step visits a node once.
    """
    graph = graph_of(spec)
    rounds = {node: turns for knot in knots(graph) for turns in [_rounds(spec, knot)] for node in knot}
    after_loops = closure(rounds.keys() & graph.reachable, graph.successors)
    branching = len(graph.starts) > 1 or any(len(targets) > 1 for each in graph.choices.values() for targets in each)

    def most(node: str) -> int:
        own = spec.nodes[node].max_visits
        if own is not None:
            return own
        if node not in after_loops:
            return 1
        if branching:
            return spec.limits.steps
        # One thread of execution leaves a loop once.
        return rounds.get(node, 1)

    visits = {node: min(most(node), spec.limits.steps) for node in graph.reachable}
    # It runs once, when the run has failed.
    return visits if spec.on_error is None else {spec.on_error: 1} | visits


def _rounds(spec: WorkflowSpec, knot: frozenset[str]) -> int:
    """How often a node of a knot of loops can run: between two visits every way round passes a bounded one of them."""
    return 1 + sum(spec.nodes[each].max_visits or 0 for each in knot)
