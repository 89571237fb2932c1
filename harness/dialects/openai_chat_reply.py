"""A chat completion as a neutral reply. Streams are put together first and then read here too, so both read alike."""

import json
from collections.abc import Mapping, Sequence

from harness.dialects.call_ids import made_call_id
from harness.dialects.openai_chat_usage import usage_of
from harness.dialects.request_ids import request_id_of
from harness.dialects.stop_reasons import neutral_stop
from harness.dialects.wire_json import first_text, object_at, objects_at, text_at
from harness.exceptions import Broken
from harness.json_values import Json, JsonObject
from harness.models.messages import (
    Message,
    ModelReply,
    Origin,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
)

REASONING_FIELDS = ("reasoning_content", "reasoning")


def reply_of(completion: JsonObject, headers: Mapping[str, str], origin: Origin) -> ModelReply:
    """The neutral reply that a whole completion holds; of several choices the first.

    Raises:
        Broken: it has no choice.
    """
    request_id = request_id_of(headers) or text_at(object_at(completion, "x_groq"), "id") or None
    choices = objects_at(completion, "choices")
    if not choices:
        raise Broken(origin.endpoint, "the completion has no choices", request_id=request_id)
    message = object_at(choices[0], "message")
    parts = (*_reasoning(message), *_words(message), *_tool_calls(message, text_at(completion, "id")))
    raw_stop = choices[0].get("finish_reason")
    stop_raw = raw_stop if isinstance(raw_stop, str) else None
    return ModelReply(
        message=Message(role="assistant", parts=parts),
        stop=neutral_stop(stop_raw, parts),
        stop_raw=stop_raw,
        usage=usage_of(completion),
        model=text_at(completion, "model"),
        request_id=request_id,
        raw=completion,
    )


def texts_of(content: Json) -> tuple[str, str]:
    """The words and the thoughts of a turn's content: a text, or Mistral's list of parts."""
    if isinstance(content, str):
        return content, ""
    if not isinstance(content, list):
        return "", ""
    words: list[str] = []
    thoughts: list[str] = []
    for part in content:
        if isinstance(part, str):
            words.append(part)
        elif isinstance(part, dict):
            words.append(text_at(part, "text"))
            thoughts += [text_at(piece, "text") for piece in objects_at(part, "thinking")]
            thoughts.append(text_at(part, "thinking"))
    return "".join(words), "".join(thoughts)


def _reasoning(message: JsonObject) -> list[Part]:
    text = first_text(message, REASONING_FIELDS) or texts_of(message.get("content"))[1]
    return [ReasoningPart(text=text)] if text else []


def _words(message: JsonObject) -> list[Part]:
    words, refusal = texts_of(message.get("content"))[0], text_at(message, "refusal")
    parts: list[Part] = [TextPart(text=words)] if words else []
    return [*parts, RefusalPart(text=refusal)] if refusal else parts


def _tool_calls(message: JsonObject, reply_id: str) -> Sequence[Part]:
    calls = objects_at(message, "tool_calls")
    legacy = object_at(message, "function_call")
    if text_at(legacy, "name"):
        calls.append({"function": legacy})
    return [_tool_call(call, f"{reply_id}/{place}") for place, call in enumerate(calls)]


def _tool_call(call: JsonObject, place: str) -> ToolCallPart:
    # A custom tool's input is free text; a function's arguments are JSON text, from some servers an object. Others
    # send both fields and leave one of them empty.
    custom = object_at(call, "custom")
    is_custom = bool(text_at(custom, "name"))
    function = custom if is_custom else object_at(call, "function")
    name, given = text_at(function, "name"), function.get("input" if is_custom else "arguments")
    arguments = given if isinstance(given, str) else "" if given is None else json.dumps(given, ensure_ascii=False)
    return ToolCallPart(
        call_id=text_at(call, "id") or made_call_id(place, name, arguments), name=name, arguments=arguments
    )
