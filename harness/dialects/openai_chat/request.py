"""A neutral request as the body of a chat completion. Its turns are written in `turns`.

What differs between servers is in `quirks`.
"""

import re

from harness.dialects.openai_chat.cache_points import mark_cache_points
from harness.dialects.openai_chat.quirks import OpenAIChatQuirks
from harness.dialects.openai_chat.turns import wire_turns
from harness.dialects.wire_json import body_bytes
from harness.json_values import Json, JsonObject
from harness.models.catalogue import Model
from harness.models.messages import ModelRequest, Origin, OutputSchema, Thinking, Tool, ToolChoice

_EFFORTS = ("none", "minimal", "low", "medium", "high")
# OpenRouter takes efforts for shares of the output limit: high 80 %, medium 50 %, low 20 %. A budget is called by the
# word whose share is nearest; `minimal` is a word that most models refuse.
# Source: https://openrouter.ai/docs/use-cases/reasoning-tokens
_LEAST_SHARES = (("high", 0.65), ("medium", 0.35), ("low", 0.0))


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
        **_tools(request),
        **_sampling(request, quirks),
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


def _sampling(request: ModelRequest, quirks: OpenAIChatQuirks) -> JsonObject:
    asked: JsonObject = {}
    if request.temperature is not None:
        asked["temperature"] = request.temperature
    if request.seed is not None:
        asked[quirks.seed_field] = request.seed
    if request.stop:
        asked["stop"] = list(request.stop)
    return asked


def _tools(request: ModelRequest) -> JsonObject:
    # A choice without tools is refused.
    if not request.tools:
        return {}
    asked: JsonObject = {"tools": [_wire_tool(tool) for tool in request.tools]}
    if request.tool_choice is not None:
        asked["tool_choice"] = _wire_choice(request.tool_choice)
        if request.tool_choice.parallel is not None:
            asked["parallel_tool_calls"] = request.tool_choice.parallel
    return asked


def _wire_tool(tool: Tool) -> JsonObject:
    function: JsonObject = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _wire_choice(choice: ToolChoice) -> Json:
    return choice.mode if choice.mode != "tool" else {"type": "function", "function": {"name": choice.name}}


def _response_format(schema: OutputSchema, quirks: OpenAIChatQuirks) -> JsonObject:
    # OpenAI refuses names outside this alphabet or longer than 64.
    name = re.sub(r"[^A-Za-z0-9_-]", "_", schema.name)[:64] or "answer"
    described: JsonObject = {"name": name, "schema": schema.json_schema}
    if quirks.strict_schema:
        described["strict"] = True
    return {"type": "json_schema", "json_schema": described}


def _thinking(thinking: Thinking, output_limit: int, quirks: OpenAIChatQuirks) -> JsonObject:
    """The server's own way to ask for thinking; empty where it has none."""
    share = (thinking.budget_tokens or 0) / output_limit
    effort = thinking.effort or next(word for word, least in _LEAST_SHARES if share >= least)
    on = effort != "none"
    if quirks.thinking == "reasoning_effort":
        return {"reasoning_effort": _nearest(effort, quirks)}
    if quirks.thinking == "reasoning":
        exactly: JsonObject = {"max_tokens": thinking.budget_tokens} if thinking.budget_tokens else {"effort": effort}
        return {"reasoning": exactly}
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
