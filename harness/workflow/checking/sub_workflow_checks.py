"""What must hold of a node that runs another workflow."""

from harness.json_values import Json
from harness.workflow.checking.graph_checks import unknown
from harness.workflow.checking.problems import Problems
from harness.workflow.checking.references import check_output_type, check_reference
from harness.workflow.checking.registry import Registry
from harness.workflow.loading import KeyPath, LoadedWorkflow
from harness.workflow.node_kinds import WorkflowNode
from harness.workflow.spec import StateKeySpec, WorkflowSpec
from harness.workflow.value_types import fits, type_of


def check_sub_workflow(
    loaded: LoadedWorkflow, name: str, node: WorkflowNode, registry: Registry, problems: Problems
) -> None:
    """Note what is wrong with one."""
    path: KeyPath = ("nodes", name)
    for key, value in node.inputs.items():
        _check_pointer(loaded.spec, node, value, (*path, "inputs", key), problems)
    if node.output is not None and node.for_each is None:
        check_output_type(loaded.spec, node.output, ("object",), (*path, "output"), "a workflow's state", problems)
    step = loaded.workflows.get(node.workflow)
    if step is None:
        problems.add((*path, "workflow"), _not_there(node.workflow, registry))
        return
    for key, value in node.inputs.items():
        if key not in step.spec.inputs:
            reason = f"{unknown('input', key, step.spec.inputs)} (of workflow {node.workflow!r})"
            problems.add((*path, "inputs", key), reason)
        elif key in step.spec.state:
            _check_type(loaded.spec, node, value, step.spec.state[key], (*path, "inputs", key), problems)
    for place, key in enumerate(node.outputs):
        if key not in step.spec.state:
            reason = f"{unknown('state key', key, step.spec.state)} (of workflow {node.workflow!r})"
            problems.add((*path, "outputs", place), reason)


def _not_there(name: str, registry: Registry) -> str:
    if name in registry.workflows:
        return f"workflow {name!r} is registered, but was not loaded with this one: name it in the same harness.yaml"
    return f"{unknown('workflow', name, registry.workflows)} (workflows are registered in harness.yaml)"


def _check_pointer(spec: WorkflowSpec, node: WorkflowNode, value: Json, path: KeyPath, problems: Problems) -> None:
    if not isinstance(value, dict) or value.keys() != {"from"}:
        return
    if isinstance(value["from"], str):
        check_reference(spec, node, value["from"], (*path, "from"), problems)
    else:
        problems.add((*path, "from"), "names a state key or a field of the item: write it as text")


def _check_type(
    spec: WorkflowSpec, node: WorkflowNode, value: Json, wanted: StateKeySpec, path: KeyPath, problems: Problems
) -> None:
    """Note an input that can never fit the other workflow's key; what a field or an item holds is not declared."""
    found: str = type_of(value)
    if isinstance(value, dict) and value.keys() == {"from"}:
        key = value["from"]
        if not isinstance(key, str) or key not in spec.state or (node.for_each is not None and key == node.item):
            return
        found = spec.state[key].type
    if found not in ("null", "any") and not fits(found, wanted.type):
        problems.add(path, f"workflow {node.workflow!r} takes {wanted.type} here, this is {found}")
