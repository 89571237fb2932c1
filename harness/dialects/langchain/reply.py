"""An `AIMessage` of LangChain's, as JSON, as the neutral reply.

Content is a text or a list of blocks that are the vendor's own: a block that says more than its words is kept as the
part's `opaque`, so that the list can be put together again. What stands beside the content (`additional_kwargs`, where
packages keep signatures) is a part of its own, `other` of the kind `additional_kwargs`.
"""

import json
from collections.abc import Mapping
from typing import cast

from harness.dialects.call_ids import made_call_id
from harness.dialects.stop_reasons import neutral_stop
from harness.dialects.wire_json import count_at, first_text, object_at, objects_at, text_at
from harness.json_values import Json, JsonObject
from harness.models.message_parts import OtherPart, Part, ReasoningPart, RefusalPart, TextPart, ToolCallPart
from harness.models.messages import Message, ModelReply, Origin, StopReason
from harness.models.usage import Usage

ADDITIONAL = "additional_kwargs"

_REASONING = frozenset({"reasoning", "thinking", "redacted_thinking", "reasoning_content"})
_CALLS = frozenset({"tool_use", "tool_call", "function_call"})
# What LangChain keeps twice: these stand in `tool_calls` too.
_TWICE = frozenset({"tool_calls", "function_call"})


def reply_of_message(message: JsonObject, origin: Origin) -> ModelReply:
    """The reply; usage that the chat model does not give is None, so that the call is charged as it was held."""
    metadata = object_at(message, "response_metadata")
    parts = _parts(message, origin)
    raw_stop = first_text(metadata, ("finish_reason", "stop_reason", "stopReason", "done_reason")) or None
    return ModelReply(
        message=Message(role="assistant", parts=parts),
        stop=_stop(raw_stop, parts),
        stop_raw=raw_stop,
        stop_sequence=text_at(metadata, "stop_sequence") or None,
        usage=_usage(message.get("usage_metadata")),
        model=first_text(metadata, ("model_name", "model", "model_id", "modelId")) or origin.model,
        request_id=_request_id(metadata),
        raw=message,
    )


def _stop(raw: str | None, parts: tuple[Part, ...]) -> StopReason:
    """Many chat models say nothing of why they stopped; one that asks for a tool did so for that."""
    asks = any(isinstance(part, ToolCallPart) for part in parts)
    return StopReason.TOOL if raw is None and asks else neutral_stop(raw, parts)


def _parts(message: JsonObject, origin: Origin) -> tuple[Part, ...]:
    calls = {call.call_id: call for call in _calls(message)}
    parts: list[Part] = []
    extra = _additional(message)
    thoughts = text_at(extra, "reasoning_content")
    if thoughts:
        parts.append(ReasoningPart(text=thoughts, origin=origin))
    content = message.get("content")
    for block in content if isinstance(content, list) else [content]:
        parts += _parts_of_block(block, calls, origin)
    if refusal := text_at(extra, "refusal"):
        parts.append(RefusalPart(text=refusal))
    parts += calls.values()
    if extra:
        parts.append(OtherPart(kind=ADDITIONAL, opaque=extra, origin=origin))
    return tuple(parts)


def _parts_of_block(block: Json, calls: dict[str, ToolCallPart], origin: Origin) -> list[Part]:
    """A block's part; a call's block takes its call out of `calls`, so that it stands where the vendor put it."""
    if isinstance(block, str):
        return [TextPart(text=block)] if block else []
    return _parts_of_fields(block, calls, origin) if isinstance(block, dict) and block else []


def _parts_of_fields(block: JsonObject, calls: dict[str, ToolCallPart], origin: Origin) -> list[Part]:
    kind, text = text_at(block, "type"), text_at(block, "text")
    if kind == "text":
        plain = block.keys() <= {"type", "text"}
        return [TextPart(text=text) if plain else TextPart(text=text, opaque=block, origin=origin)]
    if kind in _REASONING:
        return [ReasoningPart(text=_thoughts(block), opaque=block, origin=origin)]
    if kind == "refusal":
        return [RefusalPart(text=first_text(block, ("refusal", "text")), opaque=block, origin=origin)]
    if kind in _CALLS:
        call = calls.pop(text_at(block, "call_id"), None) or calls.pop(text_at(block, "id"), None)
        return [call.model_copy(update={"opaque": block, "origin": origin})] if call else []
    return [OtherPart(kind=kind or "block", opaque=block, origin=origin)]


def _thoughts(block: JsonObject) -> str:
    said = first_text(block, ("thinking", "reasoning", "text"))
    return (
        said
        or text_at(object_at(block, "reasoning_content"), "text")
        or "".join(text_at(each, "text") for each in objects_at(block, "summary"))
    )


def _calls(message: JsonObject) -> list[ToolCallPart]:
    found: list[ToolCallPart] = []
    for key in ("tool_calls", "invalid_tool_calls"):
        for call in objects_at(message, key):
            given = call.get("args")
            arguments = given if isinstance(given, str) else json.dumps(given or {}, ensure_ascii=False)
            name = text_at(call, "name")
            call_id = text_at(call, "id") or made_call_id(f"{text_at(message, 'id')}/{len(found)}", name, arguments)
            found.append(ToolCallPart(call_id=call_id, name=name, arguments=arguments))
    return found


def _additional(message: JsonObject) -> JsonObject:
    extra = object_at(message, ADDITIONAL)
    return {key: value for key, value in extra.items() if key not in _TWICE and value not in (None, "", [], {})}


def _usage(metadata: Json) -> Usage:
    """LangChain counts as we do: cache within input, reasoning within output.

    Anthropic's package says how long what was written is kept, and then leaves the generic count at zero.
    """
    if not isinstance(metadata, dict):
        return Usage()
    given, made = object_at(metadata, "input_token_details"), object_at(metadata, "output_token_details")
    written = [count_at(given, key) for key in ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")]
    by_time = sum(count or 0 for count in written)
    return Usage(
        input_tokens=count_at(metadata, "input_tokens"),
        output_tokens=count_at(metadata, "output_tokens"),
        cache_read_tokens=count_at(given, "cache_read"),
        cache_write_tokens=by_time or count_at(given, "cache_creation"),
        cache_write_1h_tokens=written[1],
        reasoning_tokens=count_at(made, "reasoning"),
    )


def _request_id(metadata: JsonObject) -> str | None:
    aws = text_at(object_at(metadata, "ResponseMetadata"), "RequestId")
    headers = cast("Mapping[str, Json]", object_at(metadata, "headers"))
    named = first_text(dict(headers), ("x-request-id", "request-id"))
    return text_at(metadata, "request_id") or named or aws or text_at(metadata, "id") or None
