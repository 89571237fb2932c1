"""What must hold between the nodes and edges of a workflow: names, reach, bounds of loops, parallel writes."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from harness.names import nearest_names
from harness.tools.tool import Approval
from harness.workflow.checking.problems import Problems
from harness.workflow.checking.registry import Registry
from harness.workflow.graph import Graph, graph_of
from harness.workflow.joins import uncertain_meetings
from harness.workflow.loading import KeyPath, LoadedWorkflow
from harness.workflow.loops import cycles_without
from harness.workflow.node_kinds import AgentNode, BranchNode, HumanNode, PlanNode, ToolNode, WorkflowNode, WorkNode
from harness.workflow.parallel import Pair, parallel_pairs
from harness.workflow.spec import END, Reducer, ValueType, WorkflowSpec
from harness.workflow.value_types import reducer_fits


def check_graph(loaded: LoadedWorkflow, registry: Registry, problems: Problems) -> None:
    """Note what is wrong with the graph."""
    spec = loaded.spec
    if END in spec.nodes:
        problems.add(("nodes", END), f"{END!r} is where a run ends and cannot name a node: rename it")
    _check_targets(spec, ("start",), spec.start, problems)
    for place, edge in enumerate(spec.edges):
        if edge.source not in spec.nodes:
            problems.add(("edges", place, "from"), unknown("node", edge.source, spec.nodes))
        _check_targets(spec, ("edges", place, "to"), edge.target, problems)
    _check_dead_edges(spec, problems)
    graph = graph_of(spec)
    for name in spec.nodes:
        if name not in graph.reachable and name not in (END, spec.on_error):
            problems.add(("nodes", name), "no edge leads here from a start: add one, or remove the node")
    _check_on_error(loaded, registry, problems)
    _check_loops(spec, graph, problems)
    _check_parallel_writes(spec, graph, problems)
    for meeting, name in uncertain_meetings(spec):
        reason = f"branches that meet at {meeting!r} must all come there: {name!r} may take another way"
        problems.add(("nodes", name), f"{reason}; use `when` on a node instead")


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Words for a name that does not exist."""
    names = sorted(known)
    near = nearest_names(name, names)
    hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(names[:8])}" if names else "there is none"
    return f"no {kind} {name!r}; {hint}"


def _check_targets(spec: WorkflowSpec, path: KeyPath, targets: Sequence[str], problems: Problems) -> None:
    """The targets of a fan-out: each exists, and stands once."""
    for place, name in enumerate(targets):
        if name == END and path == ("start",):
            problems.add((*path, place), f"{END!r} is where a run ends: name the node it starts with")
        elif name != END and name not in spec.nodes:
            problems.add((*path, place), unknown("node", name, [*spec.nodes, END]))
        if name in targets[:place]:
            problems.add((*path, place), f"{name!r} stands twice: a node runs once in a fan-out")
    if END in targets and len(targets) > 1 and path != ("start",):
        problems.add((*path, targets.index(END)), f"{END!r} stands beside other targets: leave it out")


def _check_on_error(loaded: LoadedWorkflow, registry: Registry, problems: Problems) -> None:
    """The node that runs when the run has failed stands apart, and is told what happened."""
    spec = loaded.spec
    name = spec.on_error
    if name is None:
        return
    if name not in spec.nodes:
        problems.add(("on_error",), unknown("node", name, spec.nodes))
        return
    node = spec.work[name]
    if isinstance(node, BranchNode):
        problems.add(("on_error",), f"{name!r} is a branch and does nothing: name a node that does")
    else:
        waits = waits_for_person(loaded, node, registry)
        if waits is not None:
            problems.add(("on_error",), f"{name!r} {waits}, and a run that failed cannot: name another node")
    alone = "runs when the run has failed and nowhere else"
    if name in spec.start:
        problems.add(("start", spec.start.index(name)), f"{name!r} is `on_error`: it {alone}")
    for path, leads in _leads(spec):
        if name in leads:
            problems.add(path, f"{name!r} is `on_error`: it {alone}; remove this edge")
    if "error" not in spec.state:
        problems.add(
            ("on_error",), "finds what happened in the state key `error`: add `error: {type: object}` to `state`"
        )
    elif spec.state["error"].type not in (ValueType.OBJECT, ValueType.ANY):
        problems.add(
            ("state", "error", "type"), f"holds what happened when the run has failed: an object, for {name!r}"
        )


def waits_for_person(  # noqa: PLR0911 - one a kind
    loaded: LoadedWorkflow, node: WorkNode, registry: Registry
) -> str | None:
    """In words, why a node may have to wait for a person, as far as is declared; None where it never does."""
    match node:
        case HumanNode():
            return "waits for a person"
        case PlanNode() if node.approval:
            return "waits for a person, who approves its plan"
        case WorkflowNode():
            return _step_that_waits(loaded, node.workflow, registry)
        case PlanNode():
            tools = tuple(each.tool for each in node.workers.values() if each.tool is not None)
            workflows = [each.workflow for each in node.workers.values() if each.workflow is not None]
            steps = (_step_that_waits(loaded, each, registry) for each in workflows)
            return _approved(tools, registry) or next((each for each in steps if each is not None), None)
        case ToolNode():
            return _approved((node.tool,), registry)
        case AgentNode():
            return _approved(node.tools, registry)
        case _:
            return None


def _step_that_waits(loaded: LoadedWorkflow, workflow: str, registry: Registry) -> str | None:
    if workflow not in loaded.workflows:
        return None  # that it is not there is said elsewhere
    step = loaded.step_workflow(workflow)
    for name, node in step.spec.work.items():
        waits = waits_for_person(step, node, registry)
        if waits is not None:
            return f"runs the workflow {workflow!r}, whose {name!r} {waits}"
    return None


def _approved(tools: Iterable[str], registry: Registry) -> str | None:
    for tool in tools:
        declared = registry.tool(tool)
        if declared is not None and declared.approval is Approval.ALWAYS:
            return f"waits for a person, who approves each call of {tool!r}"
    return None


def _leads(spec: WorkflowSpec) -> Iterator[tuple[KeyPath, tuple[str, ...]]]:
    """Every edge and every case by its place, with the names that it leads from and to."""
    for place, edge in enumerate(spec.edges):
        yield ("edges", place), (edge.source, *edge.target)
    for name, node in spec.work.items():
        if isinstance(node, BranchNode):
            for place, case in enumerate(node.cases):
                yield ("nodes", name, "cases", place, "to"), (case.to,)


def _check_dead_edges(spec: WorkflowSpec, problems: Problems) -> None:
    always: dict[str, int] = {}
    for place, edge in enumerate(spec.edges):
        if edge.source in always:
            first = f"edges[{always[edge.source]}] always holds and is taken first"
            problems.add(("edges", place), f"never taken: {first}; to run both, give that one several targets in `to`")
        elif edge.when is None:
            always[edge.source] = place


def _check_loops(spec: WorkflowSpec, graph: Graph, problems: Problems) -> None:
    bounded = {name for name, node in spec.work.items() if node.max_visits is not None}
    for loop in cycles_without(graph, bounded):
        way = " -> ".join([*loop, loop[0]])
        problems.add(("nodes", loop[0]), f"the loop {way} has no bound: set `max_visits` on one of its nodes")


def _check_parallel_writes(spec: WorkflowSpec, graph: Graph, problems: Problems) -> None:
    writers: dict[str, list[str]] = {}
    for name in spec.nodes:
        for key in spec.outputs(name):
            writers.setdefault(key, []).append(name)
    unjoined = {
        key: names
        for key, names in writers.items()
        if len(names) > 1 and key in spec.state and spec.state[key].reducer is None
    }
    pairs = parallel_pairs(graph) if unjoined else frozenset[Pair]()
    for key, names in unjoined.items():
        for first, second in combinations(names, 2):
            if frozenset((first, second)) in pairs:
                fitting = ", ".join(each for each in Reducer if reducer_fits(each, spec.state[key].type))
                reason = f"{key!r} is written by {first!r} too, which can run at the same time: give it a `reducer`"
                problems.add(("nodes", second, "output"), f"{reason} in `state` ({fitting})")
