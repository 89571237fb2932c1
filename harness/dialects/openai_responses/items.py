"""The items of the Responses API that neutral turns are written as.

A part of the target's own origin goes out as the item that it came as; all others in the wire's plain words. Left out
is what the wire has no word for: reasoning without its item, citations (their words stand), a document's wish to be
cited, and unknown blocks of somebody else.
"""

import base64
import binascii
from collections.abc import Iterable, Sequence

from harness.dialects.wire_json import objects_at
from harness.json_values import Json, JsonObject
from harness.models.messages import (
    CitationPart,
    DocumentPart,
    ImagePart,
    Message,
    Origin,
    Part,
    RefusalPart,
    ServerToolPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)


def told_items(message: Message, role: str, custom_calls: frozenset[str]) -> list[JsonObject]:
    """A turn of a person, of tools or of the system: each result an item, the rest messages, all in their order.

    Args:
        role: what the wire calls who speaks.
        custom_calls: ids of the calls whose results are outputs of custom tools.
    """
    items: list[JsonObject] = []
    content: list[JsonObject] = []
    for part in message.parts:
        if isinstance(part, ToolResultPart):
            items += _message(role, content)
            content = []
            items.append(_result_item(part, custom=bool(part.custom) or part.call_id in custom_calls))
        else:
            content += _content(part)
    return items + _message(role, content)


def assistant_items(message: Message, origin: Origin) -> list[JsonObject]:
    """A model's turn as items, those of this origin exactly as they came and each once.

    Reasoning at the very end is left out: the wire refuses it "without its required following item".
    """
    items: list[JsonObject] = []
    held: JsonObject = {}
    left = 0
    for part in message.parts:
        own = _item_of(part, origin)
        if own is None:
            items += _said_item(part)
        elif left and own == held:
            left -= 1
        else:
            # A message's parts all carry the whole item.
            held, left = own, max(len(objects_at(own, "content")) - 1, 0) if own.get("type") == "message" else 0
            items.append(_with_call_id(own, part))
    while items and items[-1].get("type") == "reasoning":
        items.pop()
    return items


def assistant_message(text: str) -> JsonObject:
    """Words of an assistant that are nobody's item: the wire takes lists of output only with the item's id."""
    return {"type": "message", "role": "assistant", "content": text}


def function_call(call_id: str, name: str, arguments: str) -> JsonObject:
    """A call of a function; its arguments are JSON text."""
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def custom_tool_call(call_id: str, name: str, text: str) -> JsonObject:
    """A call of a tool that takes free text."""
    return {"type": "custom_tool_call", "call_id": call_id, "name": name, "input": text}


def _said_item(part: Part) -> list[JsonObject]:
    if isinstance(part, ToolCallPart):
        written = custom_tool_call if part.custom else function_call
        return [written(part.call_id, part.name, part.arguments or ("" if part.custom else "{}"))]
    if isinstance(part, TextPart | RefusalPart | ServerToolPart):
        return [assistant_message(part.text)]
    return []


def _item_of(part: Part, origin: Origin) -> JsonObject | None:
    """The item of this origin that a part came in; the citations of a message stand in it."""
    if isinstance(part, ImagePart | DocumentPart | ToolResultPart | CitationPart):
        return None
    return part.opaque if part.origin == origin else None


def _with_call_id(item: JsonObject, part: Part) -> JsonObject:
    # A call's id may have been mapped with its result's, or made where the server gave none: the pair must hold.
    if isinstance(part, ToolCallPart) and item.get("call_id") != part.call_id:
        return {**item, "call_id": part.call_id}
    return item


def _message(role: str, content: Sequence[JsonObject]) -> list[JsonObject]:
    """The message with this content, as a plain text where it is no more than that; none without content."""
    if not content:
        return []
    if len(content) == 1 and content[0]["type"] == "input_text":
        return [{"type": "message", "role": role, "content": content[0]["text"]}]
    return [{"type": "message", "role": role, "content": list[Json](content)}]


def _result_item(part: ToolResultPart, *, custom: bool) -> JsonObject:
    # The wire has no flag for a failed tool, so the words say it.
    text = f"Error: {part.text}" if part.failed else part.text
    output: Json = text
    if part.attachments:
        words: list[JsonObject] = [{"type": "input_text", "text": text}] if text else []
        output = list[Json]([*words, *_contents(part.attachments)])
    return {
        "type": "custom_tool_call_output" if custom else "function_call_output",
        "call_id": part.call_id,
        "output": output,
    }


def _contents(parts: Iterable[Part]) -> list[JsonObject]:
    return [content for part in parts for content in _content(part)]


def _content(part: Part) -> list[JsonObject]:
    """A part of what is told to the model."""
    if isinstance(part, TextPart):
        return [{"type": "input_text", "text": part.text}]
    if isinstance(part, ImagePart):
        return _image(part)
    return _document(part) if isinstance(part, DocumentPart) else []


def _image(part: ImagePart) -> list[JsonObject]:
    address = part.url or (f"data:{part.media_type};base64,{part.data}" if part.data else None)
    if address is None:
        return []
    return [{"type": "input_image", "image_url": address, "detail": part.detail or "auto"}]


def _document(part: DocumentPart) -> list[JsonObject]:
    """A document: its words as words under its title, its bytes under a file name, which the wire demands."""
    words = part.text if part.text is not None else _plain_words(part)
    if words is not None:
        return [{"type": "input_text", "text": f"{part.title}\n\n{words}" if part.title else words}]
    if part.data:
        data = f"data:{part.media_type};base64,{part.data}"
        return [{"type": "input_file", "filename": part.title or "document.pdf", "file_data": data}]
    return [{"type": "input_file", "file_url": part.url}] if part.url else []


def _plain_words(part: DocumentPart) -> str | None:
    if part.data is None or part.media_type != "text/plain":
        return None
    try:
        return base64.b64decode(part.data).decode("utf-8", "replace")
    except binascii.Error:
        return None
