"""A neutral request as the body of a Responses request. The conversation's items are made in `items`.

Nothing is stored at the provider, so the whole conversation goes out each time. The wire has no word for `seed`, `stop`
and cache points (its caching is automatic): they are left out, and so is a temperature where a model refuses one. `max_output_tokens` goes as it is, also below OpenAI's
least of 16, which OpenAI refuses: a higher one would be more than was held for the call.

Source: https://platform.openai.com/docs/api-reference/responses/create
"""

from harness.dialects.efforts import effort_of_budget
from harness.dialects.openai_models import listed
from harness.dialects.openai_responses.items import assistant_items, told_items
from harness.dialects.openai_responses.quirks import OpenAIResponsesQuirks
from harness.dialects.schema_names import wire_schema_name
from harness.dialects.strict_schema import may_be_strict
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
    if request.temperature is not None and not listed(quirks.fixed_sampling, model.wire_name):
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
        "strict": quirks.strict_tools and may_be_strict(tool.parameters),
    }


def _tool_choice(choice: ToolChoice) -> Json:
    return {"type": "function", "name": choice.name} if choice.mode == "tool" else choice.mode


def _format(schema: OutputSchema, quirks: OpenAIResponsesQuirks) -> JsonObject:
    name = wire_schema_name(schema.name)
    described: JsonObject = {"type": "json_schema", "name": name, "schema": schema.json_schema}
    strict = quirks.strict_schema and may_be_strict(schema.json_schema)
    return {**described, "strict": True} if strict else described


def _reasoning(thinking: Thinking, max_output_tokens: int, quirks: OpenAIResponsesQuirks) -> JsonObject:
    effort = thinking.effort or effort_of_budget(thinking.budget_tokens or 0, max_output_tokens)
    if quirks.reasoning_summary is None or effort == "none":
        return {"effort": effort}
    return {"effort": effort, "summary": quirks.reasoning_summary}
