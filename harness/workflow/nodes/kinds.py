"""Which module runs which kind of node: one line a kind."""

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
    WorkNode,
)
from harness.workflow.nodes.agent.node import AgentNodeRunner
from harness.workflow.nodes.code_node import CodeNodeRunner
from harness.workflow.nodes.human_node import HumanNodeRunner
from harness.workflow.nodes.memory_nodes import RecallNodeRunner, RememberNodeRunner
from harness.workflow.nodes.model_node import ModelNodeRunner
from harness.workflow.nodes.node_services import KindRunner
from harness.workflow.nodes.plan.node import PlanNodeRunner
from harness.workflow.nodes.sub_workflow_node import SubWorkflowNodeRunner
from harness.workflow.nodes.tool_node import ToolNodeRunner


def kind_runner(loaded: LoadedWorkflow, name: str, node: WorkNode) -> KindRunner:  # noqa: PLR0911 - one a kind
    """What runs a node; `node` may differ from the workflow's own by its role."""
    match node:
        case ModelNode():
            return ModelNodeRunner(loaded, name, node)
        case AgentNode():
            return AgentNodeRunner(loaded, name, node)
        case PlanNode():
            return PlanNodeRunner(loaded, name, node)
        case ToolNode():
            return ToolNodeRunner(node)
        case CodeNode():
            return CodeNodeRunner(node)
        case HumanNode():
            return HumanNodeRunner(loaded, name, node)
        case RecallNode():
            return RecallNodeRunner(node)
        case RememberNode():
            return RememberNodeRunner(name, node)
        case BranchNode():
            raise AssertionError("a branch is edges and runs nothing")
        case _:
            return SubWorkflowNodeRunner(node)
