"""The turns of a neutral conversation as chat completions write them. What else is asked is in `request`.

What the wire has no word for is left out: attachments of tool results, citations, and blocks of another origin.
`harness.dialects.swap.swap` has moved or told in words before what would be missed.
"""

from collections.abc import Sequence

from harness.dialects.call_ids import mapped_call_id
from harness.dialects.openai_chat.quirks import OpenAIChatQuirks, call_id_rule
from harness.json_values import Json, JsonObject
from harness.models.messages import (
    DocumentPart,
    ImagePart,
    Message,
    Origin,
    OtherPart,
    Part,
    ReasoningPart,
    RefusalPart,
    ServerToolPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)


def wire_turns(message: Message, quirks: OpenAIChatQuirks, origin: Origin) -> list[JsonObject]:
    """One neutral turn as this wire's turns: each tool result is a turn of its own, before the words."""
    turns = [_tool_turn(part, quirks) for part in message.parts if isinstance(part, ToolResultPart)]
    if message.role == "assistant":
        return [*turns, _assistant_turn(message, quirks, origin)]
    spoken = [part for part in message.parts if isinstance(part, TextPart | ImagePart | DocumentPart)]
    if message.role != "tool" and (not turns or spoken):
        role = quirks.system_role if message.role == "system" else message.role
        turns.append({"role": role, "content": _content(spoken, quirks)})
    return turns


def _content(parts: Sequence[Part], quirks: OpenAIChatQuirks) -> Json:
    """Words alone as one text, which every server takes; otherwise a list of parts in their order."""
    if all(isinstance(part, TextPart) for part in parts):
        # Texts that were told apart stay apart: several turns can have become one.
        return "\n\n".join(part.text for part in parts if isinstance(part, TextPart))
    return [written for part in parts if (written := _content_part(part, quirks)) is not None]


def _content_part(part: Part, quirks: OpenAIChatQuirks) -> JsonObject | None:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, ImagePart):
        return _image(part)
    return _document(part, quirks) if isinstance(part, DocumentPart) else None


def _image(part: ImagePart) -> JsonObject | None:
    address = part.url or _data_url(part.media_type, part.data)
    if address is None:
        return None
    image: JsonObject = {"url": address}
    if part.detail is not None:
        image["detail"] = part.detail
    return {"type": "image_url", "image_url": image}


def _document(part: DocumentPart, quirks: OpenAIChatQuirks) -> JsonObject | None:
    if part.text is not None:
        return {"type": "text", "text": f"{part.title}\n\n{part.text}" if part.title else part.text}
    address = _data_url(part.media_type, part.data) or part.url
    if address is None or quirks.documents == "none":
        return None
    if quirks.documents == "document_url":
        named: JsonObject = {"document_name": part.title} if part.title else {}
        return {"type": "document_url", "document_url": address, **named}
    # OpenAI refuses a file without a name.
    return {"type": "file", "file": {"filename": part.title or "document.pdf", "file_data": address}}


def _data_url(media_type: str | None, data: str | None) -> str | None:
    return None if data is None else f"data:{media_type or 'application/octet-stream'};base64,{data}"


def _assistant_turn(message: Message, quirks: OpenAIChatQuirks, origin: Origin) -> JsonObject:
    calls: list[Json] = [_call(part, quirks, origin) for part in message.parts if isinstance(part, ToolCallPart)]
    content = _assistant_content(message, quirks, origin)
    turn: JsonObject = {"role": "assistant", "content": content if content or not calls else None}
    if calls:
        turn["tool_calls"] = calls
    if quirks.reasoning_field:
        turn[quirks.reasoning_field] = _thoughts(message, origin)
    for part in message.parts:
        block = _own_block(part, quirks, origin)
        if "type" not in block:
            _add_fields(turn, {name: value for name, value in block.items() if name != quirks.reasoning_field})
    return turn


def _thoughts(message: Message, origin: Origin) -> str:
    own = [part for part in message.parts if isinstance(part, ReasoningPart) and part.origin in (None, origin)]
    return "".join(part.text for part in own)


def _assistant_content(message: Message, quirks: OpenAIChatQuirks, origin: Origin) -> Json:
    """The words as one text; a list where a block of this origin stands among them, as Mistral's thoughts do."""
    written: list[Json] = []
    for part in message.parts:
        block = _own_block(part, quirks, origin)
        if "type" in block:
            written.append(block)
        elif isinstance(part, TextPart | RefusalPart):
            # A refusal goes back as words: the wire's own field for it is refused by most compatible servers.
            written.append(part.text)
        elif isinstance(part, ServerToolPart) and part.text.strip():
            written.append(f"\n\n{part.text}" if written else part.text)
    if all(isinstance(each, str) for each in written):
        return "".join(each for each in written if isinstance(each, str))
    return [{"type": "text", "text": each} if isinstance(each, str) else each for each in written]


def _own_block(part: Part, quirks: OpenAIChatQuirks, origin: Origin) -> JsonObject:
    """The block of this origin that a part carries: a part of the content if it has a type, else fields of the turn."""
    if not isinstance(part, ReasoningPart | OtherPart) or part.opaque is None or part.origin != origin:
        return {}
    return part.opaque if quirks.reasoning_back or isinstance(part, OtherPart) else {}


def _add_fields(turn: JsonObject, fields: JsonObject) -> None:
    """Fields that stand beside the words; where several parts hold pieces of one, the pieces in their order."""
    for name, value in fields.items():
        known = turn.get(name)
        if isinstance(known, list) and isinstance(value, list):
            turn[name] = [*known, *value]
        else:
            turn[name] = known + value if isinstance(known, str) and isinstance(value, str) else value


def _call(part: ToolCallPart, quirks: OpenAIChatQuirks, origin: Origin) -> JsonObject:
    call_id = _wire_call_id(part.call_id, quirks)
    if part.opaque is not None and part.origin == origin:
        # Servers that give no id want one back all the same.
        return part.opaque if part.opaque.get("id") else {**part.opaque, "id": call_id}
    if part.custom:
        return {"id": call_id, "type": "custom", "custom": {"name": part.name, "input": part.arguments}}
    function: JsonObject = {"name": part.name, "arguments": part.arguments or "{}"}
    return {"id": call_id, "type": "function", "function": function}


def _tool_turn(part: ToolResultPart, quirks: OpenAIChatQuirks) -> JsonObject:
    # The wire has no flag for a failed tool, so the words say it.
    text = f"Error: {part.text}" if part.failed else part.text
    return {"role": "tool", "tool_call_id": _wire_call_id(part.call_id, quirks), "content": text}


def _wire_call_id(call_id: str, quirks: OpenAIChatQuirks) -> str:
    return mapped_call_id(call_id, call_id_rule(quirks))
