"""A code node: a registered callable over the state; in a LangGraph node's shape where it says `whole_state`."""

from harness.json_values import Json
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_kinds import CodeNode
from harness.workflow.nodes.callable_node import call_on_state, call_registered
from harness.workflow.nodes.node_services import Visit


class CodeNodeRunner:
    """Runs one code node."""

    def __init__(self, loaded: LoadedWorkflow, node: CodeNode) -> None:
        self.node = node
        self._keys = tuple(loaded.spec.state)

    async def run(self, visit: Visit) -> Json:
        """The callable's result as plain JSON.

        Raises:
            NameUnknown, CallableRefused: it is not there, or cannot be called so.
            Exception: whatever it raises.
        """
        function = visit.services.resolve(self.node.code)
        if self.node.whole_state:
            return await call_on_state(self.node.code, function, visit.values, visit.context())
        return await call_registered(self.node.code, function, self.node.arguments, visit.values, visit.context())
