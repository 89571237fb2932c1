"""A checked workflow as a LangGraph graph. One of the few modules that import langgraph.

Nodes become `NodeRunner`s, state keys become channels with their reducers, edges become edges: plain ones, ones that
wait for each other where parallel branches meet, and routers where conditions or bounded loops decide.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypedDict

from langgraph.channels import UntrackedValue
from langgraph.graph import END as GRAPH_END
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime

from harness.exceptions import ExpressionFailed, NodeFailed
from harness.json_values import Json, JsonObject
from harness.workflow.dominators import BEGIN
from harness.workflow.expressions import holds, json_equal
from harness.workflow.graph import ways_from
from harness.workflow.joins import Sources, waiting_sources
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.nodes.node_runner import NodeRunner
from harness.workflow.nodes.node_services import RunContext
from harness.workflow.origin_marks import marks_taken_in
from harness.workflow.origins import ORIGINS
from harness.workflow.spec import END, Condition, Edge, Reducer, StateKeySpec, WorkflowSpec
from harness.workflow.state_values import VISITS, counts_visits

# A channel that nothing writes. With each node that ends, LangGraph looks through all channels for one that is left
# out of checkpoints; where a thousand nodes run side by side, that took a third of a step until it found one at once.
_FOUND_FIRST = "_found_first"


def compile_graph(loaded: LoadedWorkflow, *, checkpointer: Any) -> Any:
    """The graph of a checked workflow, for any number of runs; each is one thread, and brings a `RunContext`."""
    spec = loaded.spec
    graph: StateGraph[Any, RunContext] = StateGraph(_state_type(spec), context_schema=RunContext)
    for name in spec.nodes:
        node: Any = _node(NodeRunner(loaded, name))
        graph.add_node(name, node)
    meetings = waiting_sources(spec)
    for start in spec.start:
        if not _waited_for(BEGIN, start, meetings):
            graph.add_edge(START, start)
    for target, groups in meetings.items():
        for group in groups:
            graph.add_edge(sorted(group - {BEGIN}), target)
    ways = ways_from(spec)
    for source in spec.nodes:
        _add_edges(graph, spec, source, ways.get(source, ()), meetings)
    return graph.compile(checkpointer=checkpointer)


def _node(runner: NodeRunner) -> Callable[..., Any]:
    async def run(state: Mapping[str, Any], runtime: Runtime[RunContext]) -> JsonObject:
        return await runner.run(state, runtime.context)

    return run


def _add_edges(
    graph: "StateGraph[Any, RunContext]",
    spec: WorkflowSpec,
    source: str,
    edges: Sequence[Edge],
    meetings: Mapping[str, tuple[Sources, ...]],
) -> None:
    if not edges:
        graph.add_edge(source, GRAPH_END)
    elif edges[0].when is None:
        for target in edges[0].target:
            if not _waited_for(source, target, meetings):
                graph.add_edge(source, _name(target))
    else:
        targets = {_name(target) for edge in edges for target in edge.target}
        graph.add_conditional_edges(source, _router(spec, source, edges), sorted({*targets, GRAPH_END}))


def _waited_for(source: str, target: str, meetings: Mapping[str, tuple[Sources, ...]]) -> bool:
    """Whether a target waits for this source and others together."""
    return any(source in group for group in meetings.get(target, ()))


def _router(spec: WorkflowSpec, source: str, edges: Sequence[Edge]) -> Callable[..., Any]:
    """The first edge that holds; one whose target has had all its visits gives way to a later one.

    Where there is no other, it is taken all the same, and its target says that its visits are used up. A condition
    that fails is its node's failure, and is held back until what runs beside it is done, as any failure is.
    """

    async def route(state: Mapping[str, Any], runtime: Runtime[RunContext]) -> list[str]:
        try:
            taken = _taken(spec, edges, state)
        except ExpressionFailed as error:
            await runtime.context.under_way.done()
            raise NodeFailed(runtime.context.run.run_id, source, f"where to go on: {error}") from error
        return [_name(target) for target in taken.target] if taken else [GRAPH_END]

    return route


def _taken(spec: WorkflowSpec, edges: Sequence[Edge], state: Mapping[str, Any]) -> Edge | None:
    used_up: Edge | None = None
    for edge in edges:
        if not _holds(edge.when, state):
            continue
        if not any(_used_up(spec, target, state) for target in edge.target):
            return edge
        used_up = used_up or edge
    return used_up


def _holds(when: Condition | str | None, state: Mapping[str, Any]) -> bool:
    if isinstance(when, Condition):
        return json_equal(state.get(when.key), when.equals)
    return when is None or holds(when, state)


def _used_up(spec: WorkflowSpec, target: str, state: Mapping[str, Any]) -> bool:
    most = spec.nodes[target].max_visits if target in spec.nodes else None
    return most is not None and state[VISITS].get(target, 0) >= most


def _name(target: str) -> str:
    return GRAPH_END if target == END else target


def _state_type(spec: WorkflowSpec) -> Any:
    """The channels: the workflow's keys, the visits where they count, and where values came from.

    The last is empty where nothing is carried; a workflow's inputs may bring something in all the same.
    """
    keys: dict[str, Any] = {_FOUND_FIRST: Annotated[Any, UntrackedValue]}
    keys |= {key: _channel(each) for key, each in spec.state.items()}
    if counts_visits(spec):
        keys[VISITS] = Annotated[dict[str, int], _count_up]
    keys[ORIGINS] = Annotated[Any, marks_taken_in(spec)]
    return TypedDict(f"State_{spec.workflow}", keys)  # pyright: ignore[reportArgumentType]


def _channel(spec: StateKeySpec) -> Any:
    reducers: dict[Reducer, Callable[[Any, Any], Any]] = {
        Reducer.APPEND: _joined,
        Reducer.MERGE: _merged,
        Reducer.ADD: _added,
        Reducer.LAST: _last,
    }
    return Any if spec.reducer is None else Annotated[Any, reducers[spec.reducer]]


def _joined(before: list[Json] | None, after: list[Json] | None) -> list[Json]:
    return [*(before or []), *(after or [])]


def _merged(before: dict[str, Json] | None, after: dict[str, Json] | None) -> dict[str, Json]:
    return {**(before or {}), **(after or {})}


def _added(before: float | None, after: float | None) -> float:
    return (before or 0) + (after or 0)


def _last(_before: Json, after: Json) -> Json:
    return after


def _count_up(before: dict[str, int] | None, after: dict[str, int] | None) -> dict[str, int]:
    counted = dict(before or {})
    for name, visits in (after or {}).items():
        counted[name] = counted.get(name, 0) + visits
    return counted
