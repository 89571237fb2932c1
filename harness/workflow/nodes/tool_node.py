"""A tool node: one registered tool, called once a visit with arguments from the state."""

from harness.exceptions import ToolFailed
from harness.json_values import Json
from harness.workflow.node_kinds import ToolNode
from harness.workflow.nodes.node_services import Visit
from harness.workflow.nodes.tool_calls import ToolCaller
from harness.workflow.state_values import argument_value


class ToolNodeRunner:
    """Runs one tool node."""

    def __init__(self, node: ToolNode) -> None:
        self.node = node
        self._caller = ToolCaller()

    async def run(self, visit: Visit) -> Json:
        """The tool's result.

        Raises:
            NameUnknown: an argument points at nothing, or the tool is not registered.
            HarnessError: what `ToolCaller.call` raises.
        """
        arguments = {key: argument_value(value, visit.values) for key, value in self.node.arguments.items()}
        if self.node.cache is not None:
            await self._require_no_effect(visit)
        return await self._caller.call(
            self.node.tool, arguments, visit=visit, path=f"{visit.path}/tool", made_of=visit.carried.given
        )

    async def _require_no_effect(self, visit: Visit) -> None:
        """A result from the cache would stand for an effect that was not made; a function says so only itself."""
        if (await visit.services.toolbox.tool(self.node.tool)).spec.effect:
            raise ToolFailed(self.node.tool, "it has an effect, so that its results are not to be cached: drop `cache`")
