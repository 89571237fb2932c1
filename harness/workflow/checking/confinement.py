"""Whether some step joins text from outside, private data and an effect outside the house, with nobody between.

A model that obeys every instruction it reads must get nowhere. So the rules of `origins.py` are followed over the
file: what each key can carry, whatever way a run takes. A step that could send private data at a stranger's word is
refused, unless a person approves the call, a `human` node on every way to it shows what it sends, or what reaches it
can only be numbers, ids and fixed words.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from harness.tools.declarations import ToolDeclaration
from harness.tools.tool import Approval
from harness.workflow.checking.problems import Problems
from harness.workflow.checking.registry import Registry
from harness.workflow.graph import Graph, graph_of
from harness.workflow.loading import KeyPath, LoadedWorkflow
from harness.workflow.node_kinds import (
    AgentNode,
    HumanNode,
    ModelNode,
    OnExpiry,
    PlanNode,
    ToolNode,
    WorkflowNode,
    WorkNode,
)
from harness.workflow.origins import (
    CLEAN,
    Origin,
    input_origins,
    is_approval,
    origin_of_output,
    origin_of_read,
    origin_of_tool,
)
from harness.workflow.parallel import parallel_pairs
from harness.workflow.reads import argument_names, read_names
from harness.workflow.typed_names import origin_of_call, schema_of_answer, typed_arguments

_ERROR = "error"  # the state key in which the `on_error` node finds what happened
_REMEDY = (
    "put a `human` node before it that shows what it sends, set `approval: always` on the tool, "
    "or pass only numbers, ids and fixed words"
)


def check_confinement(
    loaded: LoadedWorkflow, registry: Registry, problems: Problems, *, inputs: Mapping[str, Origin] | None = None
) -> None:
    """Note the steps that could carry private data out at a stranger's word.

    Args:
        inputs: what the inputs carry, where another workflow gives them.
    """
    _Confinement(loaded, registry, inputs or {}).check(problems)


def output_origins(
    loaded: LoadedWorkflow, registry: Registry, inputs: Mapping[str, Origin] | None = None
) -> Mapping[str, Origin]:
    """What each state key can carry in the end."""
    return _Confinement(loaded, registry, inputs or {}).origins


class _Confinement:
    def __init__(self, loaded: LoadedWorkflow, registry: Registry, inputs: Mapping[str, Origin]) -> None:
        self._loaded = loaded
        self._spec = loaded.spec
        self._registry = registry
        self._reads = {name: read_names(loaded, name) for name in loaded.spec.work}
        self._schemas = {name: schema_of_answer(loaded, name) for name in loaded.spec.work}
        self._pairs: frozenset[frozenset[str]] | None = None
        self._graph = graph_of(loaded.spec)
        self.origins = input_origins(loaded.spec)
        for key, origin in inputs.items():
            self.origins[key] = self.origins.get(key, CLEAN).joined(origin)
        self._settle()

    def check(self, problems: Problems) -> None:
        for name, node in self._spec.work.items():
            if not isinstance(node, ToolNode | AgentNode | PlanNode | WorkflowNode):
                continue  # it reaches nobody
            before = self._seen_before(name)
            if isinstance(node, ToolNode):
                self._check_tool_node(name, node, before, problems)
            elif isinstance(node, AgentNode | PlanNode):
                self._check_tools(name, node, before, problems)
            for workflow, given in self._steps(name, node, before):
                self._check_child(workflow, given, problems)

    def _settle(self) -> None:
        """Follow what every node makes of what it reads until nothing changes; labels only ever grow."""
        changed = True
        while changed:
            before = dict(self.origins)
            for name, node in self._spec.work.items():
                made = self._carried(name, node, self.origins)
                if self._spec.on_error is not None:
                    # What a node failed with may be in anybody's words, and tell of all that it had.
                    self._join(_ERROR, made.joined(Origin(untrusted=True, trust="inferred")))
                for key in self._spec.outputs(name):
                    declared = self._spec.state.get(key)
                    self._join(key, origin_of_output(node, key, made, schema=self._schemas[name], declared=declared))
            changed = before != self.origins

    def _join(self, key: str, origin: Origin) -> None:
        self.origins[key] = self.origins.get(key, CLEAN).joined(origin)

    def _carried(self, name: str, node: WorkNode, origins: Mapping[str, Origin]) -> Origin:
        """What a node can have in hand: what it reads, and what its tools and workflows bring in, one after the other."""
        carried = origin_of_read(self._reads[name], origins, node)
        if isinstance(node, ModelNode | AgentNode | PlanNode) and node.documents:
            carried = carried.joined(Origin(untrusted=True, trust="document", sources=node.documents))
        carried = carried.joined(*(_result_of(each) for each in self._declared(_named_tools(node).values())))
        before = None
        while before != carried:
            before = carried
            for workflow, given in self._steps(name, node, origins, carried):
                carried = carried.joined(*self._of_child(workflow, _outputs_of(node, workflow), given))
        return carried

    def _steps(
        self, name: str, node: WorkNode, origins: Mapping[str, Origin], carried: Origin | None = None
    ) -> list[tuple[str, dict[str, Origin]]]:
        """The workflows that a node runs, each with what its inputs can carry.

        Args:
            carried: what the node has in hand, where that is known by now: a plan may give it to any of its workers.
        """
        if isinstance(node, WorkflowNode):
            given = {
                key: origin_of_read(tuple(argument_names([argument])), origins, node)
                for key, argument in node.inputs.items()
            }
            return [(node.workflow, given)]
        if not isinstance(node, PlanNode):
            return []
        named = list(dict.fromkeys(each.workflow for each in node.workers.values() if each.workflow is not None))
        if named and carried is None:
            carried = self._carried(name, node, origins)
        children = [(each, self._child(each)) for each in named]
        return [
            (each, dict.fromkeys(child.spec.inputs if child is not None else (), carried or CLEAN))
            for each, child in children
        ]

    def _of_child(self, workflow: str, outputs: tuple[str, ...], given: Mapping[str, Origin]) -> Iterable[Origin]:
        child = self._child(workflow)
        if child is None:
            return [Origin(untrusted=True, private=True, trust="inferred", sources=(workflow,))]
        found = output_origins(child, self._registry, given)
        return [found.get(key, CLEAN) for key in (outputs or found)]

    def _child(self, workflow: str) -> LoadedWorkflow | None:
        return self._loaded.step_workflow(workflow) if workflow in self._loaded.workflows else None

    def _declared(self, names: Iterable[str]) -> list[ToolDeclaration]:
        return [found for found in map(self._registry.tool, names) if found is not None]

    def _check_tool_node(self, name: str, node: ToolNode, before: Mapping[str, Origin], problems: Problems) -> None:
        declared = self._registry.tool(node.tool)
        if declared is None or not _leaves(declared):
            return
        carried = origin_of_call(node, typed_arguments(self._loaded, node), before)
        if carried.confined:
            problems.add(("nodes", name, "tool"), _words(node.tool, carried))

    def _check_tools(
        self, name: str, node: AgentNode | PlanNode, before: Mapping[str, Origin], problems: Problems
    ) -> None:
        carried = self._carried(name, node, before)
        for path, tool in _named_tools(node).items():
            declared = self._registry.tool(tool)
            if carried.confined and declared is not None and _leaves(declared):
                problems.add(("nodes", name, *path), _words(tool, carried))

    def _check_child(self, workflow: str, given: Mapping[str, Origin], problems: Problems) -> None:
        child = self._child(workflow)
        if child is None:
            return
        inner = Problems(child)
        check_confinement(child, self._registry, inner, inputs=given)
        problems.add_lines(inner.sorted())

    def _seen_before(self, name: str) -> Mapping[str, Origin]:
        """What the keys carry when a run comes to a node.

        What a person saw and nobody wrote since, nor could write beside it, carries no instruction of a stranger's.
        """
        graph = self._graph
        if name not in graph.reachable:
            return self.origins  # `on_error`: a run comes to it from anywhere
        again = name in _reached(graph.successors(name), graph, set())
        seen: set[str] = set()
        for human, node in self._spec.work.items():
            if not isinstance(node, HumanNode) or not _asks_surely(node) or human == name:
                continue
            if name in _reached(graph.starts, graph, {human}):
                continue
            after = _reached(graph.successors(human), graph, set())
            beside = {each for pair in self._parallel(graph) if human in pair for each in pair} - {human}
            later = (after | beside) - (set() if again else {name})
            written = {key for each in later for key in self._spec.outputs(each)}
            seen.update(key for key in node.shows if key not in written)
        return {
            key: replace(origin, untrusted=False) if key in seen else origin for key, origin in self.origins.items()
        }

    def _parallel(self, graph: Graph) -> frozenset[frozenset[str]]:
        if self._pairs is None:
            self._pairs = parallel_pairs(graph)
        return self._pairs


def _asks_surely(node: HumanNode) -> bool:
    """Whether a person has seen what it shows wherever a run went on from it with a yes."""
    by_default = node.on_expiry is OnExpiry.DEFAULT and is_approval(node.default)
    return node.when is None and node.for_each is None and not by_default


def _outputs_of(node: WorkNode, workflow: str) -> tuple[str, ...]:
    """The keys of another workflow that a node takes; none where it takes all."""
    if isinstance(node, WorkflowNode):
        return node.outputs
    named = (
        [each.outputs for each in node.workers.values() if each.workflow == workflow]
        if isinstance(node, PlanNode)
        else []
    )
    return () if not all(named) else tuple(key for outputs in named for key in outputs)


def _named_tools(node: WorkNode) -> Mapping[KeyPath, str]:
    """The tools that a node may call, by the key that names each."""
    match node:
        case ToolNode():
            return {("tool",): node.tool}
        case AgentNode():
            return {("tools", place): tool for place, tool in enumerate(node.tools)}
        case PlanNode():
            workers = node.workers.items()
            return {("workers", name, "tool"): each.tool for name, each in workers if each.tool is not None}
        case _:
            return {}


def _leaves(tool: ToolDeclaration) -> bool:
    """Whether a call can carry something out of the house with nobody looking."""
    return (tool.outward or tool.effect) and tool.approval is not Approval.ALWAYS


def _result_of(tool: ToolDeclaration) -> Origin:
    return origin_of_tool(tool.name, trusted=tool.trusted, private=tool.private)


def _words(tool: str, carried: Origin) -> str:
    made_of = ", ".join(carried.sources)
    return (
        f"{tool!r} could carry private data out of the house at the word of a text from outside "
        f"(what reaches it is made of {made_of}): {_REMEDY}"
    )


def _reached(starts: Iterable[str], graph: Graph, without: Iterable[str]) -> frozenset[str]:
    """The nodes that can be come to from others, without passing some."""
    avoided = set(without)
    seen = set(starts) - avoided
    waiting = list(seen)
    while waiting:
        fresh = graph.successors(waiting.pop()) - seen - avoided
        seen |= fresh
        waiting += fresh
    return frozenset(seen)
