"""A neutral request as the body of Bedrock's Converse and ConverseStream.

The wire has no words for a seed, for calls one at a time (`parallel`), and for "no tool": where no call stands in the
history the tools are left out then, otherwise they stay and the model may choose. A tool that cannot be forced by name
is forced as any, and where none can be forced the model chooses.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

import json
from collections.abc import Mapping

from harness.dialects.bedrock_converse.models import ModelTraits
from harness.dialects.bedrock_converse.thinking import thinking_fields, thinks
from harness.dialects.bedrock_converse.turns import CALL_IDS, DOCUMENT_FORMATS, IMAGE_FORMATS, ContentBlocks
from harness.dialects.cache_plan import TOOLS, Place, planned_points, system_place, turn_place
from harness.dialects.schema_names import wire_schema_name
from harness.dialects.wire_json import body_bytes, object_at, text_at
from harness.dialects.wire_rules import WireRules
from harness.json_values import Json, JsonObject
from harness.models.messages import Message, ModelRequest, Origin, OutputSchema, TextPart, Tool

# Bedrock's own enumeration.
_SERVICE_TIERS = frozenset({"default", "flex", "priority", "reserved"})


def rules_of(traits: ModelTraits) -> WireRules:
    """What Converse accepts of a conversation with this model."""
    return WireRules(
        call_ids=CALL_IDS,
        tool_names=r"[a-zA-Z0-9_-]{1,64}",
        system="apart",
        alternates=True,
        user_first=True,
        empty_text=False,
        image_types=frozenset(IMAGE_FORMATS),
        document_types=frozenset(DOCUMENT_FORMATS),
        attachments=True,
        arguments="object",
        thinking_bound=traits.claude and traits.thinking != "none" and not traits.thinks_always,
        service_tiers=_SERVICE_TIERS,
    )


def request_body(request: ModelRequest, origin: Origin, traits: ModelTraits) -> bytes:
    """The exact bytes of a Converse request: compact JSON in UTF-8.

    Args:
        origin: the target's, whose opaque parts may be sent.
    """
    contents = _contents(request, origin, traits)
    tools = _tools(request, contents)
    points = _cache_points(request, contents, tools, traits)
    body: JsonObject = {"messages": list[Json](_messages(request, contents, points))}
    system = _system(request, points)
    if system:
        body["system"] = list[Json](system)
    thinking = thinking_fields(request, traits)
    body["inferenceConfig"] = _inference(request, traits, thinking)
    if tools:
        body["toolConfig"] = _tool_config(request, tools, traits, points.get(TOOLS))
    if request.output_schema is not None:
        body["outputConfig"] = _output_config(request.output_schema)
    if request.service_tier is not None:
        body["serviceTier"] = {"type": request.service_tier}
    if thinking:
        body["additionalModelRequestFields"] = thinking
    if traits.claude and _stop_sequences(request, traits):
        # Only Claude says which stop sequence it met, and only when asked.
        body["additionalModelResponseFieldPaths"] = ["/stop_sequence"]
    return body_bytes(body)


def _inference(request: ModelRequest, traits: ModelTraits, thinking: JsonObject) -> JsonObject:
    config: JsonObject = {"maxTokens": request.max_output_tokens}
    # A Claude that thinks refuses a temperature.
    if request.temperature is not None and traits.takes_temperature and not thinks(thinking):
        config["temperature"] = min(request.temperature, 1.0) if traits.claude else request.temperature
    stop = _stop_sequences(request, traits)
    if stop:
        config["stopSequences"] = list[Json](stop)
    return config


def _stop_sequences(request: ModelRequest, traits: ModelTraits) -> list[str]:
    """The stop texts; Claude refuses those of white space alone."""
    return [text for text in request.stop if text.strip() or not traits.claude]


def _system(request: ModelRequest, points: Mapping[Place, str]) -> list[JsonObject]:
    blocks: list[JsonObject] = []
    for place, message in enumerate(request.messages):
        if message.role == "system":
            blocks.extend({"text": text} for text in _texts(message))
            keep = points.get(system_place(place))
            blocks += [_cache_block(keep)] if keep is not None else []
    return blocks


def _texts(message: Message) -> list[str]:
    return [part.text for part in message.parts if isinstance(part, TextPart) and part.text.strip()]


def _contents(request: ModelRequest, origin: Origin, traits: ModelTraits) -> dict[int, list[JsonObject]]:
    """The blocks of each message that is not the system's, by its place in the request."""
    blocks = ContentBlocks(origin, traits)
    return {at: blocks.of(message) for at, message in enumerate(request.messages) if message.role != "system"}


def _messages(
    request: ModelRequest, contents: Mapping[int, list[JsonObject]], points: Mapping[Place, str]
) -> list[JsonObject]:
    """User and assistant in turns: results of tools are the user's, and neighbours of one role are one message."""
    turns: list[tuple[str, list[JsonObject]]] = []
    for at, blocks in contents.items():
        keep = points.get(turn_place(at))
        content = blocks if keep is None else _with_cache_point(blocks, keep)
        role = "assistant" if request.messages[at].role == "assistant" else "user"
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(content)
        elif content:
            turns.append((role, [*content]))
    return [{"role": role, "content": list[Json](_with_words(content))} for role, content in turns]


def _with_words(content: list[JsonObject]) -> list[JsonObject]:
    """A message with a document must hold words too: the document's name, where nothing else was said."""
    document = next((block for block in content if "document" in block), None)
    if document is None or any("text" in block for block in content):
        return content
    named: JsonObject = {"text": f"Document: {text_at(object_at(document, 'document'), 'name')}"}
    results = sum("toolResult" in block for block in content)
    return [*content[:results], named, *content[results:]]


def _cache_points(
    request: ModelRequest,
    contents: Mapping[int, list[JsonObject]],
    tools: list[JsonObject],
    traits: ModelTraits,
) -> Mapping[Place, str]:
    """Where the vendor shall keep what it read, of the places that this model has."""
    places: list[Place] = [TOOLS] if tools and "tools" in traits.cache_places else []
    if "system" in traits.cache_places:
        spoken = (at for at, message in enumerate(request.messages) if message.role == "system" and _texts(message))
        places += [system_place(at) for at in spoken]
    if "messages" in traits.cache_places:
        places += [turn_place(at) for at, content in contents.items() if _end_for_point(content)]
    return planned_points(request, places)


def _end_for_point(content: list[JsonObject]) -> int:
    """After how many blocks a cache point may stand, which is neither after a document nor after thoughts; 0 nowhere."""
    end = len(content)
    while end and ("document" in content[end - 1] or "reasoningContent" in content[end - 1]):
        end -= 1
    return end


def _with_cache_point(content: list[JsonObject], keep: str) -> list[JsonObject]:
    end = _end_for_point(content)
    return [*content[:end], _cache_block(keep), *content[end:]]


def _cache_block(keep: str) -> JsonObject:
    kept: JsonObject = {"type": "default"}
    return {"cachePoint": {**kept, "ttl": "1h"} if keep == "1h" else kept}


def _tools(request: ModelRequest, contents: Mapping[int, list[JsonObject]]) -> list[JsonObject]:
    """The tools; a history with calls needs some, so a request without tools is given those that were called."""
    called = _called_tools(contents)
    forbidden = request.tool_choice is not None and request.tool_choice.mode == "none"
    tools = [_tool_spec(tool) for tool in request.tools] if called or not forbidden else []
    return tools or [{"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}} for name in called]


def _tool_config(request: ModelRequest, tools: list[JsonObject], traits: ModelTraits, keep: str | None) -> JsonObject:
    listed: list[Json] = [*tools, *([_cache_block(keep)] if keep is not None else [])]
    choice = _tool_choice(request, traits)
    return {"tools": listed, "toolChoice": choice} if choice else {"tools": listed}


def _called_tools(contents: Mapping[int, list[JsonObject]]) -> list[str]:
    """Names of the tools in the history, each once, in their order."""
    names: dict[str, None] = {}
    for content in contents.values():
        for block in content:
            if name := text_at(object_at(block, "toolUse"), "name"):
                names[name] = None
    return list(names)


def _tool_spec(tool: Tool) -> JsonObject:
    spec: JsonObject = {"name": tool.name, "inputSchema": {"json": tool.parameters}}
    return {"toolSpec": {**spec, "description": tool.description} if tool.description else spec}


def _tool_choice(request: ModelRequest, traits: ModelTraits) -> JsonObject:
    """The wire's word for the choice; empty leaves it to the model, which is every model's default."""
    choice = request.tool_choice
    if choice is None:
        return {}
    if choice.mode == "tool" and "tool" in traits.choices:
        return {"tool": {"name": choice.name}}
    return {"any": {}} if choice.mode in ("required", "tool") and "any" in traits.choices else {}


def _output_config(schema: OutputSchema) -> JsonObject:
    """The shape of the answer; the schema goes as JSON text."""
    name = wire_schema_name(schema.name)
    text = json.dumps(schema.json_schema, ensure_ascii=False, separators=(",", ":"))
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"name": name, "schema": text}}}}
