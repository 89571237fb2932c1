"""A code node: a registered callable over the state; in a LangGraph node's shape where it says `whole_state`."""

from harness.json_values import Json
from harness.workflow.node_kinds import CodeNode
from harness.workflow.nodes.callable_node import call_on_state, call_registered, state_update
from harness.workflow.nodes.node_services import SeveralKeys, Visit


class CodeNodeRunner:
    """Runs one code node."""

    def __init__(self, node: CodeNode) -> None:
        self.node = node
        self._writes = _written(node)

    async def run(self, visit: Visit) -> Json | SeveralKeys:
        """The callable's result as plain JSON; of a LangGraph node its update of the keys that the node writes.

        Raises:
            NameUnknown, CallableRefused: it is not there, cannot be called so, or returns what the node does not write.
            Exception: whatever it raises.
        """
        node, services = self.node, visit.services
        function = services.resolve(node.code)
        if not node.whole_state:
            context = visit.context()
            return await call_registered(node.code, function, node.arguments, visit.values, context, services.redactor)
        returned = await call_on_state(node.code, function, visit.values, visit.context(), services.redactor)
        if node.for_each is not None:
            return returned  # the list of what it returns for each item is what is written
        return SeveralKeys(state_update(node.code, returned, self._writes))


def _written(node: CodeNode) -> tuple[str, ...]:
    if node.output is None:
        return ()
    return (node.output,) if isinstance(node.output, str) else node.output
