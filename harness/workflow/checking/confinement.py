"""Whether some step joins text from outside, private data and an effect outside the house, with nobody between.

A model that obeys every instruction it reads must get nowhere. So the rules of `origins.py` are followed over the
file: what each key can carry, whatever way a run takes. A step that could send private data at a stranger's word is
refused, unless a person approves the call, a `human` node on every way to it shows what it sends, or what reaches it
can only be numbers, ids and fixed words.
"""

from collections.abc import Iterable, Mapping

from harness.exceptions import SpecificationInvalid
from harness.json_values import JsonObject
from harness.tools.declarations import ToolDeclaration
from harness.tools.tool import Approval
from harness.workflow.checking.problems import Problems
from harness.workflow.checking.registry import Registry
from harness.workflow.graph import Graph, graph_of
from harness.workflow.loading import KeyPath, LoadedWorkflow
from harness.workflow.node_files import output_schema
from harness.workflow.node_kinds import (
    AgentNode,
    BranchNode,
    HumanNode,
    ModelNode,
    PlanNode,
    ToolNode,
    WorkflowNode,
    WorkNode,
)
from harness.workflow.origins import (
    CLEAN,
    Origin,
    input_origins,
    is_typed,
    origin_of_output,
    origin_of_read,
    origin_of_tool,
    schema_at,
)
from harness.workflow.reads import argument_names, read_names

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
        self._schemas = {name: _schema(loaded, name) for name in loaded.spec.work}
        self.origins = input_origins(loaded.spec)
        for key, origin in inputs.items():
            self.origins[key] = self.origins.get(key, CLEAN).joined(origin)
        self._settle()

    def check(self, problems: Problems) -> None:
        for name, node in self._spec.work.items():
            if isinstance(node, BranchNode):
                continue
            before = self._seen_before(name)
            if isinstance(node, ToolNode):
                self._check_tool_node(name, node, before, problems)
            elif isinstance(node, AgentNode | PlanNode):
                self._check_tools(name, node, before, problems)
            elif isinstance(node, WorkflowNode):
                self._check_child(node, before, problems)

    def _settle(self) -> None:
        """Follow what every node makes of what it reads until nothing changes; labels only ever grow."""
        changed = True
        while changed:
            changed = False
            for name, node in self._spec.work.items():
                made = self._carried(name, node, self.origins)
                for key in self._spec.outputs(name):
                    declared = self._spec.state.get(key)
                    out = origin_of_output(node, made, schema=self._schemas[name], key=declared)
                    joined = self.origins.get(key, CLEAN).joined(out)
                    changed = changed or joined != self.origins.get(key)
                    self.origins[key] = joined

    def _carried(self, name: str, node: WorkNode, origins: Mapping[str, Origin]) -> Origin:
        read = origin_of_read(self._reads[name], origins, node)
        if isinstance(node, WorkflowNode):
            return read.joined(*self._of_child(node, origins))
        return read.joined(*(_result_of(each) for each in self._declared(_named_tools(node).values())))

    def _of_child(self, node: WorkflowNode, origins: Mapping[str, Origin]) -> Iterable[Origin]:
        child = self._child(node)
        if child is None:
            return [Origin(untrusted=True, trust="document", sources=(node.workflow,))]
        found = output_origins(child, self._registry, self._given(node, origins))
        return [found.get(key, CLEAN) for key in (node.outputs or found)]

    def _child(self, node: WorkflowNode) -> LoadedWorkflow | None:
        known = node.workflow in self._loaded.workflows
        return self._loaded.step_workflow(node.workflow) if known else None

    def _given(self, node: WorkflowNode, origins: Mapping[str, Origin]) -> dict[str, Origin]:
        return {
            key: origin_of_read(tuple(argument_names([argument])), origins, node)
            for key, argument in node.inputs.items()
        }

    def _declared(self, names: Iterable[str]) -> list[ToolDeclaration]:
        return [found for found in map(self._registry.tool, names) if found is not None]

    def _check_tool_node(self, name: str, node: ToolNode, before: Mapping[str, Origin], problems: Problems) -> None:
        declared = self._registry.tool(node.tool)
        if declared is None or not _leaves(declared):
            return
        read = [
            each for argument in node.arguments.values() for each in argument_names([argument]) if not self._typed(each)
        ]
        carried = origin_of_read(tuple(read), before, node)
        if carried.confined:
            problems.add(("nodes", name, "tool"), _words(node.tool, carried))

    def _check_tools(
        self, name: str, node: AgentNode | PlanNode, before: Mapping[str, Origin], problems: Problems
    ) -> None:
        carried = self._carried(name, node, before)
        if node.documents:
            carried = carried.joined(Origin(untrusted=True, trust="document", sources=node.documents))
        for path, tool in _named_tools(node).items():
            declared = self._registry.tool(tool)
            if carried.confined and declared is not None and _leaves(declared):
                problems.add(("nodes", name, *path), _words(tool, carried))

    def _check_child(self, node: WorkflowNode, before: Mapping[str, Origin], problems: Problems) -> None:
        child = self._child(node)
        if child is None:
            return
        inner = Problems(child)
        check_confinement(child, self._registry, inner, inputs=self._given(node, before))
        problems.add_lines(inner.sorted())

    def _typed(self, name: str) -> bool:
        """Whether a dotted name leads to what can only be numbers, ids and fixed words."""
        head, _, rest = name.partition(".")
        writers = [writer for writer in self._spec.work if head in self._spec.outputs(writer)]
        schemas = [self._schemas[writer] for writer in writers]
        if not schemas or any(schema is None for schema in schemas):
            return False
        found = [schema_at(schema, rest) for schema in schemas if schema is not None]
        return all(each is not None and is_typed(each) for each in found)

    def _seen_before(self, name: str) -> Mapping[str, Origin]:
        """What the keys carry when a run comes to a node; what a person saw and nobody wrote since carries nothing."""
        graph = graph_of(self._spec)
        seen: set[str] = set()
        for human, node in self._spec.work.items():
            if not isinstance(node, HumanNode) or human == name or name in _reached(graph.starts, graph, {human}):
                continue
            after = _reached(graph.successors(human), graph, set())
            again = name in _reached(graph.successors(name), graph, set())
            written_after = {key for later in after if later != name or again for key in self._spec.outputs(later)}
            seen.update(key for key in node.shows if key not in written_after)
        return {key: CLEAN if key in seen else origin for key, origin in self.origins.items()}


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


def _schema(loaded: LoadedWorkflow, name: str) -> JsonObject | None:
    node = loaded.spec.work[name]
    if not isinstance(node, ModelNode | AgentNode):
        return None
    try:
        return output_schema(loaded, name, node)
    except SpecificationInvalid:
        return None  # it is told elsewhere


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
