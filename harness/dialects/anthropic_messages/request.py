"""A neutral request as the body of Anthropic's Messages. Turns are made in `blocks`.

What the wire has no word for is left out: a seed; stop texts of white space alone, which it refuses; a temperature
where a model's is fixed or thinking demands its own, above 1 it is 1.
"""

from typing import Literal

from harness.dialects.anthropic_messages.blocks import Turn, merged, text_block, turn_of
from harness.dialects.anthropic_messages.cache_points import mark_cache_points
from harness.dialects.anthropic_messages.quirks import AnthropicQuirks
from harness.dialects.anthropic_messages.schema import has_open_objects, native_schema
from harness.dialects.anthropic_messages.thinking import wire_thinking
from harness.dialects.wire_json import body_bytes
from harness.json_values import Json, JsonObject
from harness.models.messages import ModelRequest, Origin, OutputSchema, Tool

# A model without structured output is forced to call this tool; what it calls it with is read back as its words.
ANSWER_TOOL = "harness_structured_answer"
_ANSWER_TOOL_SAYS = "Gives the final answer: call it with the whole answer as its input, once everything is known."
_OUTPUT_FORMAT_BETA = "structured-outputs-2025-11-13"

_VERSIONS = {"bedrock": "bedrock-2023-05-31", "vertex": "vertex-2023-10-16"}


def betas_of(request: ModelRequest, quirks: AnthropicQuirks, wire_name: str) -> list[str]:
    """The betas that a request needs."""
    betas = [beta.strip() for beta in quirks.beta.split(",") if beta.strip()]
    old_form = quirks.output_schema == "output_format" and schema_place(request, quirks, wire_name) == "native"
    return [*betas, _OUTPUT_FORMAT_BETA] if old_form and _OUTPUT_FORMAT_BETA not in betas else betas


def schema_place(request: ModelRequest, quirks: AnthropicQuirks, wire_name: str) -> Literal["native", "tool"] | None:
    """How the answer's shape is asked for: by a forced tool where structured output is missing or cannot say it."""
    if request.output_schema is None:
        return None
    by_tool = quirks.lists("schema_by_tool", wire_name) or has_open_objects(request.output_schema.json_schema)
    return "tool" if by_tool and not quirks.lists("tools_unforced", wire_name) else "native"


def request_body(
    request: ModelRequest, wire_name: str, origin: Origin, quirks: AnthropicQuirks, *, stream: bool
) -> bytes:
    """The exact bytes of a request: compact JSON in UTF-8."""
    place = schema_place(request, quirks, wire_name)
    tools = [_wire_tool(tool) for tool in request.tools]
    if place == "tool" and request.output_schema is not None:
        tools.append(_answer_tool(request.output_schema))
    choice = _tool_choice(request, quirks, wire_name, by_tool=place == "tool") if tools else None
    system, turns = _conversation(request, origin, citations=place != "native")
    if quirks.cache_points:
        mark_cache_points(request, tools, system, turns)
    body = _addressed(wire_name, quirks, betas_of(request, quirks, wire_name), stream=stream)
    body["max_tokens"] = request.max_output_tokens
    if system:
        body["system"] = [system[place] for place in sorted(system)]
    body["messages"] = _without_trailing_space(merged([turns[place] for place in sorted(turns)]))
    if tools:
        body["tools"] = list[Json](tools)
    if choice is not None:
        body["tool_choice"] = choice
    _add_settings(body, request, wire_name, quirks, native_shape=place == "native")
    return body_bytes(body)


def _addressed(wire_name: str, quirks: AnthropicQuirks, betas: list[str], *, stream: bool) -> JsonObject:
    """Where each service wants to read the model, its version of the wire and the betas."""
    if quirks.served_by == "bedrock":
        body: JsonObject = {"anthropic_version": _VERSIONS["bedrock"]}
        return {**body, "anthropic_beta": list[Json](betas)} if betas else body
    body = {"anthropic_version": _VERSIONS["vertex"]} if quirks.served_by == "vertex" else {"model": wire_name}
    return {**body, "stream": True} if stream else body


def _conversation(
    request: ModelRequest, origin: Origin, *, citations: bool
) -> tuple[dict[int, JsonObject], dict[int, Turn]]:
    """System blocks and other turns, each by its place in the request."""
    system: dict[int, JsonObject] = {}
    turns: dict[int, Turn] = {}
    for place, message in enumerate(request.messages):
        if message.role != "system":
            turns[place] = turn_of(message, origin, citations=citations)
        elif message.text.strip():
            system[place] = text_block(message.text)
    return system, turns


def _without_trailing_space(turns: list[Json]) -> list[Json]:
    """A conversation that ends with the assistant may not end with white space."""
    last = turns[-1] if turns else None
    if isinstance(last, dict) and last["role"] == "assistant" and isinstance(last["content"], list):
        block = last["content"][-1]
        if isinstance(block, dict) and set(block) - {"cache_control"} == {"type", "text"}:
            last["content"][-1] = {**block, "text": str(block["text"]).rstrip()}
    return turns


def _add_settings(
    body: JsonObject, request: ModelRequest, wire_name: str, quirks: AnthropicQuirks, *, native_shape: bool
) -> None:
    choice = body.get("tool_choice")
    forced = isinstance(choice, dict) and choice["type"] in ("any", "tool")
    thinking = wire_thinking(request, wire_name, quirks, tool_forced=forced)
    output_config: JsonObject = {} if thinking.effort is None else {"effort": thinking.effort}
    if thinking.config is not None:
        body["thinking"] = thinking.config
    if native_shape and request.output_schema is not None:
        shape: JsonObject = {"type": "json_schema", "schema": native_schema(request.output_schema.json_schema)}
        if quirks.output_schema == "output_config":
            output_config["format"] = shape
        else:
            body["output_format"] = shape
    if output_config:
        body["output_config"] = output_config
    stop = [text for text in request.stop if text.strip()]
    if stop:
        body["stop_sequences"] = list[Json](stop)
    if request.temperature is not None and not thinking.on and not quirks.lists("fixed_sampling", wire_name):
        body["temperature"] = min(request.temperature, 1.0)
    if request.service_tier is not None and quirks.served_by != "bedrock":
        body["service_tier"] = request.service_tier


def _wire_tool(tool: Tool) -> JsonObject:
    wire: JsonObject = {"name": tool.name, "input_schema": {"type": "object", **tool.parameters}}
    return {**wire, "description": tool.description} if tool.description else wire


def _answer_tool(schema: OutputSchema) -> JsonObject:
    shape: JsonObject = {"type": "object", **schema.json_schema}
    return {"name": ANSWER_TOOL, "description": _ANSWER_TOOL_SAYS, "input_schema": shape}


def _tool_choice(request: ModelRequest, quirks: AnthropicQuirks, wire_name: str, *, by_tool: bool) -> JsonObject | None:
    asked = request.tool_choice
    mode = asked.mode if asked is not None else "auto"
    choice: JsonObject
    if by_tool and (mode == "none" or not request.tools):
        choice = {"type": "tool", "name": ANSWER_TOOL}
    elif mode == "tool" and asked is not None:
        choice = {"type": "tool", "name": asked.name}
    elif mode == "required" or by_tool:
        choice = {"type": "any"}
    elif asked is None:
        return None
    else:
        choice = {"type": mode}
    if choice["type"] in ("any", "tool") and quirks.lists("tools_unforced", wire_name):
        choice = {"type": "auto"}
    if asked is not None and asked.parallel is False and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    return choice
