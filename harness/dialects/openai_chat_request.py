"""A neutral request as the body of a chat completion, and the ways in which compatible servers want it different.

A difference between servers is a quirk in the catalogue, never a branch on a vendor's name.
"""

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.dialects.call_ids import mapped_call_id
from harness.dialects.wire_json import body_bytes
from harness.dialects.wire_rules import WireRules
from harness.exceptions import ConfigurationInvalid
from harness.json_values import Json, JsonObject
from harness.models.catalogue import Endpoint, Model
from harness.models.messages import (
    Message,
    ModelRequest,
    OutputSchema,
    ReasoningPart,
    RefusalPart,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)


class OpenAIChatQuirks(BaseModel):
    """What an endpoint's `quirks` may say in this dialect; the defaults are what most servers accept.

    Attributes:
        output_limit: the field for the most tokens to generate; OpenAI's newer models refuse `max_tokens`.
        include_usage: whether streams are asked for usage with `stream_options`; off for servers that refuse it.
        strict_schema: whether `strict: true` goes with a JSON schema.
        system_role: how system turns are called.
        seed_field: Mistral calls it `random_seed`.
        reasoning_field: under which name an assistant's reasoning is sent back; None leaves it out. DeepSeek's
            thinking models refuse a tool turn without it.
        tool_call_ids: `nine_alphanumerics` is Mistral's rule; ids from elsewhere are mapped, the same one always to
            the same.
        api_key_header: Azure takes the key as `api-key` instead of a bearer token.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    output_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    include_usage: bool = True
    strict_schema: bool = True
    system_role: Literal["system", "developer"] = "system"
    seed_field: Literal["seed", "random_seed"] = "seed"
    reasoning_field: str | None = None
    tool_call_ids: Literal["any", "nine_alphanumerics"] = "any"
    api_key_header: str | None = None

    @classmethod
    def of(cls, endpoint_name: str, endpoint: Endpoint) -> "OpenAIChatQuirks":
        """The quirks of one endpoint.

        Raises:
            ConfigurationInvalid: one of them is unknown or has a value that is not allowed.
        """
        try:
            return cls.model_validate(dict(endpoint.quirks))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ".".join(map(str, first["loc"]))
            value = str(endpoint.quirks.get(name))
            remedy = f"{first['msg']}; quirks of openai_chat: {', '.join(cls.model_fields)}"
            raise ConfigurationInvalid(f"quirks.{name}", value, f"endpoint {endpoint_name!r}", remedy) from error


def rules_of(quirks: OpenAIChatQuirks) -> WireRules:
    """What an endpoint with these quirks accepts of a conversation."""
    return WireRules(
        call_ids=r"[A-Za-z0-9]{9}" if quirks.tool_call_ids == "nine_alphanumerics" else None,
        tool_names=r"[a-zA-Z0-9_-]{1,64}",
    )


def request_body(request: ModelRequest, model: Model, quirks: OpenAIChatQuirks, *, stream: bool) -> bytes:
    """The exact bytes of a chat completion request: compact JSON in UTF-8."""
    body: JsonObject = {
        "model": model.wire_name,
        "messages": [turn for message in request.messages for turn in wire_turns(message, quirks)],
        quirks.output_limit: request.max_output_tokens,
    }
    if request.output_schema is not None:
        body["response_format"] = _response_format(request.output_schema, quirks)
    if request.tools:
        body["tools"] = [_wire_tool(tool) for tool in request.tools]
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.seed is not None:
        body[quirks.seed_field] = request.seed
    if request.stop:
        body["stop"] = list(request.stop)
    if stream:
        body["stream"] = True
        if quirks.include_usage:
            body["stream_options"] = {"include_usage": True}
    return body_bytes(body)


def wire_turns(message: Message, quirks: OpenAIChatQuirks) -> list[JsonObject]:
    """One neutral turn as this wire's turns: each tool result is a turn of its own, before the words."""
    turns = [_tool_turn(part, quirks) for part in message.parts if isinstance(part, ToolResultPart)]
    if message.role == "assistant":
        turns.append(_assistant_turn(message, quirks))
    elif message.role != "tool" and (not turns or message.text):
        role = quirks.system_role if message.role == "system" else message.role
        turns.append({"role": role, "content": message.text})
    return turns


def _assistant_turn(message: Message, quirks: OpenAIChatQuirks) -> JsonObject:
    # A refusal goes back as words: the wire's own field for it is refused by most compatible servers.
    words = "".join(part.text for part in message.parts if isinstance(part, TextPart | RefusalPart))
    calls: list[Json] = [_wire_call(part, quirks) for part in message.parts if isinstance(part, ToolCallPart)]
    turn: JsonObject = {"role": "assistant", "content": words if words or not calls else None}
    if calls:
        turn["tool_calls"] = calls
    if quirks.reasoning_field:
        turn[quirks.reasoning_field] = "".join(part.text for part in message.parts if isinstance(part, ReasoningPart))
    return turn


def _tool_turn(part: ToolResultPart, quirks: OpenAIChatQuirks) -> JsonObject:
    # The wire has no flag for a failed tool, so the words say it.
    text = f"Error: {part.text}" if part.failed else part.text
    return {"role": "tool", "tool_call_id": _wire_call_id(part.call_id, quirks), "content": text}


def _wire_call(part: ToolCallPart, quirks: OpenAIChatQuirks) -> JsonObject:
    function: JsonObject = {"name": part.name, "arguments": part.arguments or "{}"}
    return {"id": _wire_call_id(part.call_id, quirks), "type": "function", "function": function}


def _wire_call_id(call_id: str, quirks: OpenAIChatQuirks) -> str:
    return mapped_call_id(call_id, rules_of(quirks).call_ids)


def _wire_tool(tool: Tool) -> JsonObject:
    function: JsonObject = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _response_format(schema: OutputSchema, quirks: OpenAIChatQuirks) -> JsonObject:
    # OpenAI refuses names outside this alphabet or longer than 64.
    name = re.sub(r"[^A-Za-z0-9_-]", "_", schema.name)[:64] or "answer"
    described: JsonObject = {"name": name, "schema": schema.json_schema}
    if quirks.strict_schema:
        described["strict"] = True
    return {"type": "json_schema", "json_schema": described}
