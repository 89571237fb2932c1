"""What must hold of an agent node."""

from harness.workflow.checking.model_checks import IsBound
from harness.workflow.checking.problems import Problems
from harness.workflow.checking.registry import Registry
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_kinds import AgentNode


def check_agent(
    loaded: LoadedWorkflow, name: str, node: AgentNode, *, registry: Registry, is_bound: IsBound, problems: Problems
) -> None:
    """Note what is wrong with one."""
