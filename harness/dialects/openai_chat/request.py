"""A neutral request as the body of a chat completion. Its turns are written in `turns`.

What differs between servers is in `quirks`. Left out are a temperature and stop texts where a model refuses them.
"""

from harness.dialects.efforts import effort_of_budget
from harness.dialects.openai_chat.cache_points import mark_cache_points
from harness.dialects.openai_chat.quirks import OpenAIChatQuirks
from harness.dialects.openai_chat.turns import wire_turns
from harness.dialects.openai_models import listed
from harness.dialects.schema_names import wire_schema_name
from harness.dialects.strict_schema import may_be_strict
from harness.dialects.wire_json import body_bytes
from harness.json_values import Json, JsonObject
from harness.models.catalogue import Model
from harness.models.messages import ModelRequest, Origin, OutputSchema, Thinking, Tool, ToolChoice

_EFFORTS = ("none", "minimal", "low", "medium", "high")


def request_body(
    request: ModelRequest, model: Model, quirks: OpenAIChatQuirks, origin: Origin, *, stream: bool
) -> bytes:
    """The exact bytes of a chat completion request: compact JSON in UTF-8."""
    turns = [wire_turns(message, quirks, origin) for message in request.messages]
    if quirks.cache_points:
        mark_cache_points(turns, request)
    body: JsonObject = {
        "model": model.wire_name,
        "messages": [turn for each in turns for turn in each],
        quirks.output_limit: request.max_output_tokens,
        **_tools(request, quirks),
        **_sampling(request, model, quirks),
    }
    if request.output_schema is not None:
        body["response_format"] = _response_format(request.output_schema, quirks)
    if request.thinking is not None:
        body |= _thinking(request.thinking, request.max_output_tokens, quirks)
    if request.service_tier is not None:
        body["service_tier"] = request.service_tier
    if stream:
        body["stream"] = True
        if quirks.include_usage:
            body["stream_options"] = {"include_usage": True}
    return body_bytes(body)


def _sampling(request: ModelRequest, model: Model, quirks: OpenAIChatQuirks) -> JsonObject:
    asked: JsonObject = {}
    if request.temperature is not None and not listed(quirks.fixed_sampling, model.wire_name):
        asked["temperature"] = request.temperature
    if request.seed is not None:
        asked[quirks.seed_field] = request.seed
    if request.stop and not listed(quirks.stop_refused, model.wire_name):
        asked["stop"] = list(request.stop[: quirks.most_stops])
    return asked


def _tools(request: ModelRequest, quirks: OpenAIChatQuirks) -> JsonObject:
    # A choice without tools is refused.
    if not request.tools:
        return {}
    asked: JsonObject = {"tools": [_wire_tool(tool, quirks) for tool in request.tools]}
    if request.tool_choice is not None:
        asked["tool_choice"] = _wire_choice(request.tool_choice)
        if request.tool_choice.parallel is not None:
            asked["parallel_tool_calls"] = request.tool_choice.parallel
    return asked


def _wire_tool(tool: Tool, quirks: OpenAIChatQuirks) -> JsonObject:
    function: JsonObject = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    if quirks.strict_tools and may_be_strict(tool.parameters):
        function["strict"] = True
    return {"type": "function", "function": function}


def _wire_choice(choice: ToolChoice) -> Json:
    return choice.mode if choice.mode != "tool" else {"type": "function", "function": {"name": choice.name}}


def _response_format(schema: OutputSchema, quirks: OpenAIChatQuirks) -> JsonObject:
    described: JsonObject = {"name": wire_schema_name(schema.name), "schema": schema.json_schema}
    if quirks.strict_schema and may_be_strict(schema.json_schema):
        described["strict"] = True
    return {"type": "json_schema", "json_schema": described}


def _thinking(thinking: Thinking, output_limit: int, quirks: OpenAIChatQuirks) -> JsonObject:
    """The server's own way to ask for thinking; empty where it has none."""
    effort = thinking.effort or effort_of_budget(thinking.budget_tokens or 0, output_limit)
    on = effort != "none"
    if quirks.thinking == "reasoning_effort":
        return {"reasoning_effort": _nearest(effort, quirks)}
    if quirks.thinking == "reasoning":
        # Thoughts are part of the output: OpenRouter refuses a budget that leaves nothing for the answer.
        budget = min(thinking.budget_tokens or 0, output_limit - 1)
        return {"reasoning": {"max_tokens": budget} if budget > 0 else {"effort": effort}}
    if quirks.thinking == "thinking":
        return {"thinking": {"type": "enabled" if on else "disabled"}}
    if quirks.thinking == "enable_thinking":
        return {"enable_thinking": on}
    return {"chat_template_kwargs": {"enable_thinking": on}} if quirks.thinking == "chat_template" else {}


def _nearest(effort: str, quirks: OpenAIChatQuirks) -> str:
    """The server's word that is nearest, of two the stronger; some thinking never becomes none of it."""
    taken = quirks.efforts.split(",")
    thinking = [word for word in taken if word != "none"]
    if effort in taken or not thinking:
        return effort if effort in taken else taken[0]
    asked = _EFFORTS.index(effort)
    return min(thinking, key=lambda word: (abs(_EFFORTS.index(word) - asked), -_EFFORTS.index(word)))
