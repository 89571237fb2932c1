"""One question to a role, once it is known what is asked; asked in the house's own loop."""

from harness.integrations.langchain.charged_task import ChargedTask
from harness.integrations.langchain.houses import House
from harness.integrations.langchain.request_arguments import Shape
from harness.ledger.entries import CallContext
from harness.metering.exchange import OnEvent
from harness.model_call import Answer
from harness.models.catalogue import Capability
from harness.models.messages import ModelRequest
from harness.models.request_options import ToolChoice


class RoleQuestion:
    """What is asked of a role, and who pays."""

    def __init__(self, role: str, charged: ChargedTask, request: ModelRequest, shape: Shape | None) -> None:
        self._role = role
        self._charged = charged
        self._request = request
        self._shape = shape

    async def answer(self, house: House, on_event: OnEvent | None) -> Answer:
        """The answer of the metered call."""
        context = await self._charged.next_context(house, self._role)
        return await house.model_call.ask(await self._shaped(house, context), context, on_event=on_event)

    async def _shaped(self, house: House, context: CallContext) -> ModelRequest:
        """The request with the shape asked for in the way that the bound models know."""
        shape, request = self._shape, self._request
        if shape is None:
            return request
        method = shape.method or await _method(house, context)
        if method == "json_schema":
            return request.model_copy(update={"output_schema": shape.schema})
        tool = shape.as_tool()
        choice = ToolChoice(mode="tool", name=tool.name, parallel=False)
        return request.model_copy(update={"tools": (*request.tools, tool), "tool_choice": choice})


async def _method(house: House, context: CallContext) -> str:
    """Natively, unless a model that may be asked can only call tools."""
    decision = await house.model_call.route(context)
    by_tool = any(
        Capability.JSON_SCHEMA not in target.model.capabilities and Capability.TOOLS in target.model.capabilities
        for target in decision.targets
    )
    return "function_calling" if by_tool else "json_schema"
