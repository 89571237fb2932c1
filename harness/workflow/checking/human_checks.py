"""What must hold of a human node."""

from harness.workflow.checking.problems import Problems
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_kinds import HumanNode


def check_human(loaded: LoadedWorkflow, name: str, node: HumanNode, problems: Problems) -> None:
    """Note what is wrong with one."""
