"""A neutral request as the body of a Responses request. The conversation's items are made in `items`.

Nothing is stored at the provider, so the whole conversation goes out each time. The wire has no word for `seed`, `stop`
and cache points (its caching is automatic): they are left out. `max_output_tokens` goes as it is, also below OpenAI's
least of 16, which OpenAI refuses: a higher one would be more than was held for the call.

Source: https://platform.openai.com/docs/api-reference/responses/create
"""

import re

from harness.dialects.openai_responses.items import assistant_items, told_items
from harness.dialects.openai_responses.quirks import OpenAIResponsesQuirks
from harness.dialects.wire_json import body_bytes
from harness.json_values import Json, JsonObject
from harness.models.catalogue import Capability, Model
from harness.models.messages import (
    Message,
    ModelRequest,
    Origin,
    OutputSchema,
    Thinking,
    Tool,
    ToolCallPart,
    ToolChoice,
)

_ENCRYPTED = "reasoning.encrypted_content"
# Up to which share of the output a budget of thought is about which effort: halfway between the shares that OpenRouter
# takes an effort for (low 20 %, medium 50 %, high 80 %). `minimal` is refused by most models.
# Source: https://openrouter.ai/docs/use-cases/reasoning-tokens
_EFFORT_SHARES = ((0.35, "low"), (0.65, "medium"))


def request_body(
    request: ModelRequest, model: Model, quirks: OpenAIResponsesQuirks, origin: Origin, *, stream: bool
) -> bytes:
    """The exact bytes of a Responses request: compact JSON in UTF-8.

    Args:
        origin: whose items go back as they came.
    """
    encrypted = quirks.include_encrypted and _may_think(request, model)
    body: JsonObject = {
        "model": model.wire_name,
        "input": list[Json](_input_items(request, quirks, origin, encrypted=encrypted)),
        "max_output_tokens": request.max_output_tokens,
        "store": False,
    }
    if encrypted:
        body["include"] = [_ENCRYPTED]
    body |= _tool_fields(request, quirks)
    if request.output_schema is not None:
        body["text"] = {"format": _format(request.output_schema, quirks)}
    if request.thinking is not None:
        body["reasoning"] = _reasoning(request.thinking, request.max_output_tokens, quirks)
    if request.service_tier is not None:
        body["service_tier"] = request.service_tier
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if stream:
        body["stream"] = True
    return body_bytes(body)


def _may_think(request: ModelRequest, model: Model) -> bool:
    """Whether encrypted reasoning can be asked for: OpenAI refuses that for models that do not think.

    A model of which the catalogue says nothing may think.
    """
    return not model.capabilities or Capability.THINKING in model.capabilities or request.thinking is not None


def _input_items(
    request: ModelRequest, quirks: OpenAIResponsesQuirks, origin: Origin, *, encrypted: bool
) -> list[JsonObject]:
    custom_calls = frozenset(
        part.call_id
        for message in request.messages
        for part in message.parts
        if isinstance(part, ToolCallPart) and part.custom
    )
    items: list[JsonObject] = []
    for message in request.messages:
        if message.role == "assistant":
            items += assistant_items(message, origin)
        else:
            items += told_items(message, _role(message, quirks), custom_calls)
    # A reasoning item that holds nothing is looked up by its id, and nothing was stored under it.
    return items if encrypted else [item for item in items if not _is_empty_reasoning(item)]


def _role(message: Message, quirks: OpenAIResponsesQuirks) -> str:
    return quirks.system_role if message.role == "system" else "user"


def _is_empty_reasoning(item: JsonObject) -> bool:
    return item.get("type") == "reasoning" and not item.get("encrypted_content") and not item.get("content")


def _tool_fields(request: ModelRequest, quirks: OpenAIResponsesQuirks) -> JsonObject:
    if not request.tools:
        return {}
    fields: JsonObject = {"tools": [_tool(tool, quirks) for tool in request.tools]}
    if request.tool_choice is not None:
        fields["tool_choice"] = _tool_choice(request.tool_choice)
        if request.tool_choice.parallel is not None:
            fields["parallel_tool_calls"] = request.tool_choice.parallel
    return fields


def _tool(tool: Tool, quirks: OpenAIResponsesQuirks) -> JsonObject:
    # Said in any case: without the field the wire takes a tool for strict.
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": quirks.strict_tools,
    }


def _tool_choice(choice: ToolChoice) -> Json:
    return {"type": "function", "name": choice.name} if choice.mode == "tool" else choice.mode


def _format(schema: OutputSchema, quirks: OpenAIResponsesQuirks) -> JsonObject:
    # OpenAI refuses names outside this alphabet or longer than 64.
    name = re.sub(r"[^A-Za-z0-9_-]", "_", schema.name)[:64] or "answer"
    described: JsonObject = {"type": "json_schema", "name": name, "schema": schema.json_schema}
    return {**described, "strict": True} if quirks.strict_schema else described


def _reasoning(thinking: Thinking, max_output_tokens: int, quirks: OpenAIResponsesQuirks) -> JsonObject:
    effort = thinking.effort or _effort_of(thinking.budget_tokens or 0, max_output_tokens)
    if quirks.reasoning_summary is None or effort == "none":
        return {"effort": effort}
    return {"effort": effort, "summary": quirks.reasoning_summary}


def _effort_of(budget_tokens: int, max_output_tokens: int) -> str:
    """About which effort a budget is; the wire has no budget, so it bounds nothing here."""
    share = budget_tokens / max_output_tokens
    return next((effort for most, effort in _EFFORT_SHARES if share <= most), "high")
