"""Which values a node reads: dotted names of state keys and of the item, as its file and its templates say them."""

from collections.abc import Iterable, Iterator

from harness.json_values import Json
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_kinds import (
    AgentNode,
    BranchNode,
    CodeNode,
    HumanNode,
    ModelNode,
    PlanNode,
    RecallNode,
    RememberNode,
    ToolNode,
    WorkflowNode,
)
from harness.workflow.prompts import variables


def read_names(loaded: LoadedWorkflow, name: str) -> tuple[str, ...]:
    """The dotted names whose values go into what a node does, in the order they are said; a list and its item too."""
    node = loaded.spec.work[name]
    named = names_of_visit(loaded, name)
    if isinstance(node, BranchNode) or node.for_each is None:
        return named
    return tuple(dict.fromkeys([*named, node.for_each]))


def names_of_visit(loaded: LoadedWorkflow, name: str) -> tuple[str, ...]:
    """The same for one item: without the list that it is of, unless the node reads that too."""
    node = loaded.spec.work[name]
    return () if isinstance(node, BranchNode) else tuple(dict.fromkeys(_of_kind(loaded, node)))


def _of_kind(
    loaded: LoadedWorkflow,
    node: ModelNode | AgentNode | PlanNode | ToolNode | CodeNode | HumanNode | RecallNode | RememberNode | WorkflowNode,
) -> Iterator[str]:
    match node:
        case ModelNode() | AgentNode():
            yield from _of_templates(loaded, (node.prompt, node.system))
        case PlanNode():
            yield from _of_templates(loaded, (node.prompt, node.system))
            yield from node.passes
        case HumanNode():
            yield from _of_templates(loaded, (node.question,))
            yield from node.shows
        case ToolNode():
            yield from argument_names(node.arguments.values())
        case CodeNode():
            yield from loaded.spec.state if node.whole_state else argument_names(node.arguments.values())
        case WorkflowNode():
            yield from argument_names(node.inputs.values())
        case RecallNode():
            yield node.query
        case RememberNode():
            yield node.source
    if isinstance(node, RecallNode | RememberNode):
        yield from argument_names([node.scope.session])


def _of_templates(loaded: LoadedWorkflow, named: Iterable[str | None]) -> Iterator[str]:
    for file in named:
        if file is not None:
            yield from (each.name for each in variables(loaded.files[file], name=file))


def argument_names(arguments: Iterable[Json]) -> Iterator[str]:
    """The names that arguments point at by `{from: name}`."""
    for argument in arguments:
        if isinstance(argument, dict) and argument.keys() == {"from"} and isinstance(argument["from"], str):
            yield argument["from"]
