"""What must hold of a plan node."""

from harness.workflow.checking.model_checks import IsBound
from harness.workflow.checking.problems import Problems
from harness.workflow.checking.registry import Registry
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_kinds import PlanNode


def check_plan(
    loaded: LoadedWorkflow, name: str, node: PlanNode, *, registry: Registry, is_bound: IsBound, problems: Problems
) -> None:
    """Note what is wrong with one."""
