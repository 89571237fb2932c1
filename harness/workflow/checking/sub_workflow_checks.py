"""What must hold of a node that runs another workflow."""

from harness.workflow.checking.problems import Problems
from harness.workflow.checking.registry import Registry
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_kinds import WorkflowNode


def check_sub_workflow(
    loaded: LoadedWorkflow, name: str, node: WorkflowNode, registry: Registry, problems: Problems
) -> None:
    """Note what is wrong with one."""
