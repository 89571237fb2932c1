"""A neutral request as the body of Bedrock's Converse and ConverseStream.

The wire has no words for a seed, for calls one at a time (`parallel`), and for "no tool": where no call stands in the
history the tools are left out then, otherwise they stay and the model may choose. A tool that cannot be forced by name
is forced as any, and where none can be forced the model chooses.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

import json
import re

from harness.dialects.bedrock_converse.models import ModelTraits
from harness.dialects.bedrock_converse.thinking import thinking_fields, thinks
from harness.dialects.bedrock_converse.turns import CALL_IDS, DOCUMENT_FORMATS, IMAGE_FORMATS, ContentBlocks
from harness.dialects.wire_json import body_bytes, object_at, text_at
from harness.dialects.wire_rules import WireRules
from harness.json_values import Json, JsonObject
from harness.models.messages import CachePoint, ModelRequest, Origin, OutputSchema, TextPart, Tool

_MOST_CACHE_POINTS = 4


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
        tools_declared=True,
        arguments="object",
        thinking_bound=traits.claude and traits.thinking != "none",
    )


def request_body(request: ModelRequest, origin: Origin, traits: ModelTraits) -> bytes:
    """The exact bytes of a Converse request: compact JSON in UTF-8.

    Args:
        origin: the target's, whose opaque parts may be sent.
    """
    points = _cache_points(request, traits)
    messages = _messages(request, origin, traits, points)
    body: JsonObject = {"messages": list[Json](messages)}
    system = _system(request, points)
    if system:
        body["system"] = list[Json](system)
    thinking = thinking_fields(request, traits)
    body["inferenceConfig"] = _inference(request, traits, thinking)
    tools = _tool_config(request, messages, traits, points.get("tools"))
    if tools:
        body["toolConfig"] = tools
    if request.output_schema is not None:
        body["outputConfig"] = _output_config(request.output_schema)
    if request.service_tier is not None:
        body["serviceTier"] = {"type": request.service_tier}
    if thinking:
        body["additionalModelRequestFields"] = thinking
    if request.stop and traits.claude:
        # Only Claude says which stop sequence it met, and only when asked.
        body["additionalModelResponseFieldPaths"] = ["/stop_sequence"]
    return body_bytes(body)


def _inference(request: ModelRequest, traits: ModelTraits, thinking: JsonObject) -> JsonObject:
    config: JsonObject = {"maxTokens": request.max_output_tokens}
    # A Claude that thinks refuses a temperature.
    if request.temperature is not None and traits.takes_temperature and not thinks(thinking):
        config["temperature"] = request.temperature
    if request.stop:
        config["stopSequences"] = list(request.stop)
    return config


def _system(request: ModelRequest, points: dict[str | int, CachePoint]) -> list[JsonObject]:
    blocks: list[JsonObject] = []
    for place, message in enumerate(request.messages):
        if message.role == "system":
            texts = [part.text for part in message.parts if isinstance(part, TextPart) and part.text.strip()]
            blocks.extend({"text": text} for text in texts)
            blocks += [_cache_block(points[place])] if texts and place in points else []
    if blocks and "system" in points and "cachePoint" not in blocks[-1]:
        blocks.append(_cache_block(points["system"]))
    return blocks


def _messages(
    request: ModelRequest, origin: Origin, traits: ModelTraits, points: dict[str | int, CachePoint]
) -> list[JsonObject]:
    """User and assistant in turns: results of tools are the user's, and neighbours of one role are one message."""
    blocks = ContentBlocks(origin, traits)
    turns: list[tuple[str, list[JsonObject]]] = []
    for place, message in enumerate(request.messages):
        if message.role == "system":
            continue
        content = blocks.of(message)
        if place in points:
            content = _with_cache_point(content, points[place])
        role = "assistant" if message.role == "assistant" else "user"
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(content)
        elif content:
            turns.append((role, content))
    return [{"role": role, "content": list[Json](_with_words(content))} for role, content in turns]


def _with_words(content: list[JsonObject]) -> list[JsonObject]:
    """A message with a document must hold words too: the document's name, where nothing else was said."""
    document = next((block for block in content if "document" in block), None)
    if document is None or any("text" in block for block in content):
        return content
    named: JsonObject = {"text": f"Document: {text_at(object_at(document, 'document'), 'name')}"}
    results = sum("toolResult" in block for block in content)
    return [*content[:results], named, *content[results:]]


def _cache_points(request: ModelRequest, traits: ModelTraits) -> dict[str | int, CachePoint]:
    """Where the vendor shall keep what it read, by place; those that this model has no place for are left out.

    Amazon takes four at most: the last ones are kept.
    """
    wanted = request.cache_points
    if wanted is None:
        last = len(request.messages) - 1
        wanted = (CachePoint(after="system"), CachePoint(after="tools"), CachePoint(after=last))
    taken = [
        point
        for point in wanted
        if ("messages" if isinstance(point.after, int) else point.after) in traits.cache_places
    ]
    return {point.after: point for point in taken[-_MOST_CACHE_POINTS:]}


def _with_cache_point(content: list[JsonObject], point: CachePoint) -> list[JsonObject]:
    """The blocks with a cache point at their end; it may stand neither after a document nor after thoughts."""
    end = len(content)
    while end and ("document" in content[end - 1] or "reasoningContent" in content[end - 1]):
        end -= 1
    return [*content[:end], _cache_block(point), *content[end:]] if end else content


def _cache_block(point: CachePoint) -> JsonObject:
    kept: JsonObject = {"type": "default"}
    return {"cachePoint": {**kept, "ttl": "1h"} if point.keep == "1h" else kept}


def _tool_config(
    request: ModelRequest, messages: list[JsonObject], traits: ModelTraits, point: CachePoint | None
) -> JsonObject:
    """The tools; a history with calls needs some, so a request without tools is given those that were called."""
    called = _called_tools(messages)
    forbidden = request.tool_choice is not None and request.tool_choice.mode == "none"
    tools = [_tool_spec(tool) for tool in request.tools] if called or not forbidden else []
    tools = tools or [{"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}} for name in called]
    if not tools:
        return {}
    listed: list[Json] = [*tools, *([_cache_block(point)] if point is not None else [])]
    choice = _tool_choice(request, traits)
    return {"tools": listed, "toolChoice": choice} if choice else {"tools": listed}


def _called_tools(messages: list[JsonObject]) -> list[str]:
    """Names of the tools in the history, each once, in their order."""
    names: dict[str, None] = {}
    for message in messages:
        content = message["content"]
        for block in content if isinstance(content, list) else []:
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
    name = re.sub(r"[^A-Za-z0-9_-]", "_", schema.name)[:64] or "answer"
    text = json.dumps(schema.json_schema, ensure_ascii=False, separators=(",", ":"))
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"name": name, "schema": text}}}}
