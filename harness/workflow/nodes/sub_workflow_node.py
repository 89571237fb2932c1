"""A workflow node: another workflow of the project, run as a step; how it is advanced is left to the engine."""

from harness.exceptions import NodeFailed
from harness.json_values import Json, JsonObject
from harness.workflow.node_kinds import WorkflowNode
from harness.workflow.nodes.node_services import Visit
from harness.workflow.state_values import argument_value


class SubWorkflowNodeRunner:
    """Runs one workflow node."""

    def __init__(self, node: WorkflowNode) -> None:
        self.node = node

    async def run(self, visit: Visit) -> Json:
        """The other workflow's state at its end: the keys of `outputs`, or all of them.

        Raises:
            NodeFailed: it ended without one of them, or failed.
            HarnessError: what it waits for, and what else it failed with.
        """
        inputs: JsonObject = {key: argument_value(each, visit.values) for key, each in self.node.inputs.items()}
        state = await visit.services.children.run(
            self.node.workflow,
            inputs,
            node=visit.node,
            path=visit.path,
            task_id=visit.task_id,
            carried=visit.carried,
        )
        missing = [key for key in self.node.outputs if key not in state]
        if missing:
            reason = f"workflow {self.node.workflow!r} ended without {', '.join(missing)}"
            raise NodeFailed(visit.run.run_id, visit.node, reason)
        return {key: state[key] for key in self.node.outputs} if self.node.outputs else state
