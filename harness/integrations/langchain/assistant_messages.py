"""A model's turn: the neutral message as an `AIMessage`, and the `AIMessage` as the neutral message again.

Words are its content, calls its tool calls, thoughts and refusals stand where LangChain looks for them. What these
cannot say (thinking signatures, encrypted reasoning, the original text of arguments, server tools) is kept as the
neutral message's JSON in `additional_kwargs["harness"]`: plain JSON, so that it survives every checkpoint. It is
believed only as long as the message still says the same.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, cast

from langchain_core.messages import AIMessage
from pydantic import ValidationError

from harness.dialects.call_ids import made_call_id
from harness.integrations.langchain.content_blocks import block_text, block_type, content_of_parts, parts_of_content
from harness.json_values import JsonObject
from harness.models.message_parts import (
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
)
from harness.models.messages import Message

KEPT = "harness"
_MEDIA = frozenset({"image", "image_url", "file", "document"})


def ai_fields(message: Message) -> dict[str, Any]:
    """What an `AIMessage` of this turn is made of."""
    valid, invalid = tool_calls_of(message)
    extra: dict[str, Any] = {}
    if thoughts := "".join(part.text for part in message.parts if isinstance(part, ReasoningPart)):
        extra["reasoning_content"] = thoughts
    if refusal := "".join(part.text for part in message.parts if isinstance(part, RefusalPart)):
        extra["refusal"] = refusal
    fields: dict[str, Any] = {
        "content": content_of_parts(message.parts),
        "tool_calls": valid,
        "invalid_tool_calls": invalid,
        "additional_kwargs": extra,
    }
    if _rebuilt(AIMessage(**fields)) != message:
        extra[KEPT] = message.model_dump(mode="json", exclude_none=True)
    return fields


def tool_calls_of(message: Message) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The calls whose arguments are a JSON object, and the others."""
    valid: list[dict[str, Any]] = []
    invalid: list[dict[str, Any]] = []
    for part in message.parts:
        if not isinstance(part, ToolCallPart):
            continue
        arguments = _arguments(part)
        if arguments is not None:
            valid.append({"name": part.name, "args": arguments, "id": part.call_id, "type": "tool_call"})
        else:
            said = {"name": part.name, "args": part.arguments, "id": part.call_id, "error": "not a JSON object"}
            invalid.append({**said, "type": "invalid_tool_call"})
    return valid, invalid


def assistant_message(message: AIMessage) -> Message:
    """The turn as it was, where nobody edited the message since; else as the message says it now."""
    kept = _kept(message)
    return kept if kept is not None and _says(message) == _said_by(kept) else _rebuilt(message)


def _kept(message: AIMessage) -> Message | None:
    stored = cast("Mapping[str, object]", message.additional_kwargs).get(KEPT)
    if stored is None:
        return None
    try:
        found = Message.model_validate(stored)
    except ValidationError:
        return None  # somebody else's, or of a version that is to come
    return found if found.role == "assistant" else None


def _says(message: AIMessage) -> tuple[str, list[JsonObject], list[object], list[object]]:
    """What whoever edits a message would change: words, media, calls."""
    valid: list[object] = [(each["id"], each["name"], each["args"]) for each in message.tool_calls]
    invalid: list[object] = [(each["id"], each["name"], each["args"]) for each in message.invalid_tool_calls]
    return _words(message), _media(message), valid, invalid


def _said_by(message: Message) -> tuple[str, list[JsonObject], list[object], list[object]]:
    valid, invalid = tool_calls_of(message)
    content: Any = content_of_parts(message.parts)
    return _says(AIMessage(content=content, tool_calls=valid, invalid_tool_calls=invalid))


def _blocks(message: AIMessage) -> list[object]:
    content = cast("object", message.content)  # pyright: ignore[reportUnknownMemberType]
    return cast("list[object]", content) if isinstance(content, list) else [content]


def _words(message: AIMessage) -> str:
    return "".join(block_text(block) for block in _blocks(message))


def _media(message: AIMessage) -> list[JsonObject]:
    blocks = [block for block in _blocks(message) if block_type(block) in _MEDIA]
    return [part.model_dump(mode="json", exclude_none=True) for part in parts_of_content(blocks)]


def _rebuilt(message: AIMessage) -> Message:
    """The turn by its content and calls alone.

    Blocks of a vendor that some other package made are not understood here and left out; text and media are taken.
    """
    parts: list[Part] = []
    for block in _blocks(message):
        kind = block_type(block)
        if block_text(block):
            parts.append(TextPart(text=block_text(block)))
        elif kind in _MEDIA:
            parts += parts_of_content([block])
    thoughts = cast("Mapping[str, object]", message.additional_kwargs).get("reasoning_content")
    if isinstance(thoughts, str) and thoughts:
        parts.insert(0, ReasoningPart(text=thoughts))
    refusal = cast("Mapping[str, object]", message.additional_kwargs).get("refusal")
    if isinstance(refusal, str) and refusal:
        parts.append(RefusalPart(text=refusal))
    for each in message.tool_calls:
        arguments = json.dumps(each["args"], ensure_ascii=False)
        parts.append(_call(each["id"], each["name"], arguments, len(parts)))
    for each in message.invalid_tool_calls:
        parts.append(_call(each["id"], each["name"] or "", each["args"] or "", len(parts)))
    return Message(role="assistant", parts=tuple(parts))


def _call(call_id: str | None, name: str, arguments: str, place: int) -> ToolCallPart:
    return ToolCallPart(call_id=call_id or made_call_id(str(place), name, arguments), name=name, arguments=arguments)


def _arguments(part: ToolCallPart) -> dict[str, Any] | None:
    if part.custom:
        # LangChain's own word for the one argument of a tool that takes free text.
        return {"__arg1": part.arguments}
    try:
        found = json.loads(part.arguments or "{}", parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None


def _no_number(constant: str) -> None:
    raise ValueError(constant)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number
