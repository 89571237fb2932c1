"""What must hold of the state and of every node; what is special to a kind is in that kind's module."""

from typing import Any

from harness.workflow.checking.agent_checks import check_agent
from harness.workflow.checking.attempt_checks import check_attempts
from harness.workflow.checking.branch_checks import check_branch
from harness.workflow.checking.callable_checks import check_callable
from harness.workflow.checking.expression_checks import check_conditions
from harness.workflow.checking.human_checks import check_human
from harness.workflow.checking.memory_checks import check_memory
from harness.workflow.checking.model_checks import IsBound, check_model
from harness.workflow.checking.plan_checks import check_plan
from harness.workflow.checking.problems import Problems
from harness.workflow.checking.references import check_key, check_output_type, check_path
from harness.workflow.checking.registry import Registry
from harness.workflow.checking.sub_workflow_checks import check_sub_workflow
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_kinds import (
    AgentNode,
    BranchNode,
    CodeNode,
    HumanNode,
    MapNode,
    ModelNode,
    PlanNode,
    RecallNode,
    RememberNode,
    ToolNode,
    WorkflowNode,
    WorkNode,
)
from harness.workflow.node_options import OnItemError
from harness.workflow.spec import ValueType, WorkflowSpec
from harness.workflow.value_types import fits, reducer_fits, reducer_types, type_of

# What a map says of its items, and the node within it may not.
_OF_MAP = frozenset(MapNode.model_fields) - {"kind", "description", "over", "node"} | {"for_each"}


def check_state(spec: WorkflowSpec, problems: Problems) -> None:
    """Note what is wrong with the declarations of the state, the inputs and the conditions of edges."""
    for key, declared in spec.state.items():
        if declared.reducer and not reducer_fits(declared.reducer, declared.type):
            reason = (
                f"{declared.reducer.value!r} joins {reducer_types(declared.reducer)}, but {key!r} is {declared.type}"
            )
            problems.add(("state", key, "reducer"), reason)
        if declared.default is not None and not fits(type_of(declared.default), declared.type):
            problems.add(("state", key, "default"), f"is {type_of(declared.default)}, but {key!r} is {declared.type}")
    for place, key in enumerate(spec.inputs):
        check_key(spec, key, ("inputs", place), problems)
        if key in spec.inputs[:place]:
            problems.add(("inputs", place), f"{key!r} stands twice")
    if spec.outcome is not None:
        check_path(spec, spec.outcome, ("outcome",), problems)
    check_conditions(spec, problems)


def check_node(loaded: LoadedWorkflow, name: str, *, registry: Registry, is_bound: IsBound, problems: Problems) -> None:
    """Note what is wrong with one node."""
    spec, node = loaded.spec, loaded.spec.work[name]
    if isinstance(node, BranchNode):
        check_branch(spec, name, node, problems)
        return
    path = ("nodes", name)
    _check_item(spec, name, node, problems)
    _check_skipped_items(spec, name, node, problems)
    for key in spec.outputs(name):
        if key != node.errors:
            check_key(spec, key, (*path, "output"), problems)
    if node.for_each is not None and isinstance(node.output, tuple):
        problems.add((*path, "output"), "the list that `for_each` makes goes to one state key: name one")
    elif node.for_each is not None and isinstance(node.output, str):
        check_output_type(spec, node.output, ("array",), (*path, "output"), "`for_each` makes it a list", problems)
    check_attempts(loaded, name, node, registry=registry, is_bound=is_bound, problems=problems)
    _check_kind(loaded, name, node, registry, is_bound, problems)


def _check_kind(
    loaded: LoadedWorkflow, name: str, node: WorkNode, registry: Registry, is_bound: IsBound, problems: Problems
) -> None:
    spec = loaded.spec
    if isinstance(node, ModelNode):
        check_model(loaded, name, node, is_bound, problems)
    elif isinstance(node, AgentNode):
        check_agent(loaded, name, node, registry=registry, is_bound=is_bound, problems=problems)
    elif isinstance(node, PlanNode):
        check_plan(loaded, name, node, registry=registry, is_bound=is_bound, problems=problems)
    elif isinstance(node, HumanNode):
        check_human(loaded, name, node, problems)
    elif isinstance(node, WorkflowNode):
        check_sub_workflow(loaded, name, node, registry, problems)
    elif isinstance(node, RecallNode | RememberNode):
        check_memory(spec, name, node, problems)
    elif isinstance(node, ToolNode | CodeNode):
        check_callable(spec, name, node, registry, problems)


def _check_item(spec: WorkflowSpec, name: str, node: Any, problems: Problems) -> None:
    path, as_written = ("nodes", name), spec.nodes[name]
    said = as_written.model_fields_set
    if isinstance(as_written, MapNode):
        for key in sorted(as_written.node.model_fields_set & _OF_MAP):
            problems.add((*path, "node", key), f"`{key}` is the map's to say: write it beside `over`, or remove it")
    if node.for_each is None:
        if node.task is not None:
            problems.add((*path, "task"), "names a field of the item, but there is none: add `for_each`")
        if "item" in said:
            problems.add((*path, "item"), "there is no item without `for_each`: add that, or remove this")
        return
    if check_key(spec, node.for_each, (*path, "for_each"), problems):
        declared = spec.state[node.for_each].type
        if declared not in (ValueType.ARRAY, ValueType.ANY):
            problems.add((*path, "for_each"), f"goes through an array, but {node.for_each!r} is {declared}")
    if node.item in spec.state:
        key = "item" if "item" in said else "for_each"
        problems.add((*path, key), f"the item {node.item!r} would hide the state key of that name: set another `item`")


def _check_skipped_items(spec: WorkflowSpec, name: str, node: Any, problems: Problems) -> None:
    """What becomes of items that fail: skipped where the node goes through a list, listed in an array."""
    path = ("nodes", name)
    skips = node.on_item_error is OnItemError.SKIP
    if skips and node.for_each is None:
        problems.add((*path, "on_item_error"), "there are no items without `for_each`: give a `fallback` instead")
    if node.errors is None:
        return
    if not skips:
        problems.add((*path, "errors"), "lists the items that are skipped, and none is: add `on_item_error: skip`")
    if check_key(spec, node.errors, (*path, "errors"), problems):
        why = "the skipped items are a list"
        check_output_type(spec, node.errors, ("array",), (*path, "errors"), why, problems)
    if spec.outputs(name).count(node.errors) > 1:
        problems.add((*path, "errors"), f"{node.errors!r} is the node's `output` too: name another state key")
