"""A whole message of Anthropic's as a neutral reply. Streams are put together first and then read here too.

A block that neutral words do not say whole is kept beside them: thoughts with their signatures, texts with citations,
calls with a caller, what the vendor's own tools did, and every block this version does not know.
"""

import json
from collections.abc import Iterator, Mapping, Sequence

from harness.dialects.answer_body import object_of_body
from harness.dialects.anthropic_messages.request import ANSWER_TOOL
from harness.dialects.anthropic_messages.usage import usage_of
from harness.dialects.call_ids import made_call_id
from harness.dialects.provider_errors import error_in_answer
from harness.dialects.request_ids import request_id_of
from harness.dialects.stop_reasons import neutral_stop
from harness.dialects.wire_json import first_text, object_at, objects_at, text_at
from harness.exceptions import Broken
from harness.json_values import Json, JsonObject
from harness.models.messages import (
    CitationPart,
    Message,
    ModelReply,
    Origin,
    OtherPart,
    Part,
    ReasoningPart,
    RefusalPart,
    ServerToolPart,
    StopReason,
    TextPart,
    ToolCallPart,
)

# What a person can read in a server tool's result, in whatever depth it stands.
_READABLE = frozenset({
    "title", "url", "text", "stdout", "stderr", "error_code", "error_message", "content", "tool_name", "data",
})  # fmt: skip


def message_of(body: bytes, headers: Mapping[str, str], endpoint_name: str) -> JsonObject:
    """The message that a 2xx body holds.

    Raises:
        Broken: it is not a JSON object.
        ProviderError: it is an error after all.
    """
    message = object_of_body(body, headers, endpoint_name)
    if message.get("type") == "error" or (message.get("error") and "content" not in message):
        raise error_in_answer(endpoint_name, message, headers)
    return message


def reply_of(
    message: JsonObject, headers: Mapping[str, str], origin: Origin, *, arguments: Mapping[int, str] | None = None
) -> ModelReply:
    """The neutral reply that a whole message holds.

    Args:
        arguments: the original texts of tool inputs by their block's place, where a stream brought them.

    Raises:
        Broken: it has no content.
    """
    request_id = request_id_of(headers)
    if not isinstance(message.get("content"), list):
        raise Broken(origin.endpoint, "the message has no content", request_id=request_id)
    texts = arguments or {}
    blocks = list(enumerate(objects_at(message, "content")))
    parts = [part for place, block in blocks for part in _parts(block, place, text_at(message, "id"), texts, origin)]
    parts += _refusal(object_at(message, "stop_details"), origin)
    stop_raw = text_at(message, "stop_reason") or None
    answered = any(is_answer(block) for _, block in blocks)
    return ModelReply(
        message=Message(role="assistant", parts=tuple(parts)),
        stop=_stop(stop_raw, parts, answered=answered),
        stop_raw=stop_raw,
        stop_sequence=text_at(message, "stop_sequence") or None,
        usage=usage_of(message),
        model=text_at(message, "model"),
        request_id=request_id,
        raw=message,
    )


def input_text(block: JsonObject) -> str:
    """A tool's input as the JSON text that a neutral call keeps."""
    given = block.get("input")
    return given if isinstance(given, str) else json.dumps({} if given is None else given, ensure_ascii=False)


def is_answer(block: JsonObject) -> bool:
    """Whether a block is the tool that stands for structured output."""
    return block.get("type") == "tool_use" and block.get("name") == ANSWER_TOOL


def _parts(block: JsonObject, place: int, reply_id: str, texts: Mapping[int, str], origin: Origin) -> Iterator[Part]:
    kind = text_at(block, "type")
    if kind == "text":
        yield from _text(block, origin)
    elif kind == "thinking":
        # Cut off before its signature came, a thought cannot be sent back.
        kept = block if block.get("signature") != "" else None
        yield ReasoningPart(text=text_at(block, "thinking"), opaque=kept, origin=origin if kept else None)
    elif kind == "redacted_thinking":
        yield ReasoningPart(text="", opaque=block, origin=origin)
    elif is_answer(block):
        yield TextPart(text=texts.get(place) or input_text(block))
    elif kind == "tool_use":
        yield _tool_call(block, f"{reply_id}/{place}", texts.get(place), origin)
    elif kind.endswith(("_tool_use", "_tool_result")):
        name = text_at(block, "name") or kind.removesuffix("_tool_use").removesuffix("_tool_result")
        yield ServerToolPart(name=name, text=_server_tool_words(block, name), opaque=block, origin=origin)
    else:
        yield OtherPart(kind=kind or "unknown", opaque=block, origin=origin)


def _text(block: JsonObject, origin: Origin) -> Iterator[Part]:
    """The words, and what they rest on; the wire cites a whole block and not a part of it."""
    citations = objects_at(block, "citations")
    text = text_at(block, "text")
    if not text and not citations:
        return
    kept = block if set(block) - {"type", "text"} else None
    yield TextPart(text=text, opaque=kept, origin=origin if kept else None)
    for citation in citations:
        document = citation.get("document_index")
        yield CitationPart(
            source=first_text(citation, ("url", "source", "document_title")) or f"document {document}",
            title=first_text(citation, ("title", "document_title")) or None,
            quote=text_at(citation, "cited_text") or None,
        )


def _tool_call(block: JsonObject, place: str, text: str | None, origin: Origin) -> ToolCallPart:
    name, arguments = text_at(block, "name"), text or input_text(block)
    # Of an input that was cut off the block is no block, and cannot be sent back.
    kept = block if set(block) - {"type", "id", "name", "input"} and isinstance(block.get("input"), dict) else None
    return ToolCallPart(
        call_id=text_at(block, "id") or made_call_id(place, name, arguments),
        name=name,
        arguments=arguments,
        opaque=kept,
        origin=origin if kept else None,
    )


def _server_tool_words(block: JsonObject, name: str) -> str:
    if text_at(block, "type").endswith("_tool_use"):
        return f"{name}({input_text(block)})"
    return "\n".join(_readable(block.get("content")))


def _readable(value: Json) -> Iterator[str]:
    """The texts in a result that a person can read, in their order; encrypted content and raw bytes are none."""
    if isinstance(value, list):
        for item in value:
            yield from _readable(item)
    if isinstance(value, str) and value.strip():
        yield value
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, dict | list) or (key in _READABLE and not _is_bytes(value, key)):
                yield from _readable(item)


def _is_bytes(source: JsonObject, key: str) -> bool:
    return key == "data" and not text_at(source, "media_type").startswith("text/")


def _refusal(details: JsonObject, origin: Origin) -> list[Part]:
    """The words in which a classifier declined; its category stays in the opaque details."""
    words = text_at(details, "explanation")
    return [RefusalPart(text=words, opaque=details, origin=origin)] if words else []


def _stop(raw: str | None, parts: Sequence[Part], *, answered: bool) -> StopReason:
    stop = neutral_stop(raw, parts)
    if answered and stop is StopReason.TOOL and not any(isinstance(part, ToolCallPart) for part in parts):
        return StopReason.STOP
    return stop
