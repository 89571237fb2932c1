"""Neutral turns as Anthropic's turns of content blocks. What is asked beside them is in `request`.

A vendor's own block goes back to its origin as it came. What has no block here is left out: a foreign model's
reasoning, other vendors' unknown blocks, citations (they stand inside the text they belong to), how closely a picture
is looked at. Blank texts are refused by the wire and left out too.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from harness.dialects.anthropic_messages.rules import CALL_IDS
from harness.dialects.call_arguments import arguments_object
from harness.dialects.call_ids import mapped_call_id
from harness.json_values import Json, JsonObject
from harness.models.messages import (
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


@dataclass(slots=True)
class Turn:
    """One neutral turn's blocks.

    Args:
        own: those of `blocks` that this dialect made, and may mark; a vendor's block is never touched.
    """

    role: Literal["user", "assistant"]
    blocks: list[JsonObject] = field(default_factory=list[JsonObject])
    own: list[JsonObject] = field(default_factory=list[JsonObject])


def turn_of(message: Message, origin: Origin, *, citations: bool) -> Turn:
    """One turn that is not the system's.

    Args:
        citations: whether documents may be cited; structured output excludes it.
    """
    turn = Turn("assistant" if message.role == "assistant" else "user")
    for part in message.parts:
        opaque = _returned(part, origin)
        block = opaque if opaque is not None else _block(part, origin, citations=citations)
        if block is not None:
            turn.blocks.append(block)
            if opaque is None:
                turn.own.append(block)
    return turn


def merged(turns: Sequence[Turn]) -> list[Json]:
    """The wire's turns: neighbours of one role are one, results lead a user's turn, empty ones are left out."""
    wire: list[tuple[str, list[JsonObject]]] = []
    for turn in turns:
        if not turn.blocks:
            continue
        if wire and wire[-1][0] == turn.role:
            wire[-1][1].extend(turn.blocks)
        else:
            wire.append((turn.role, list(turn.blocks)))
    return [{"role": role, "content": list[Json](_results_first(blocks))} for role, blocks in wire]


def text_block(text: str) -> JsonObject:
    """Words."""
    return {"type": "text", "text": text}


def _results_first(blocks: list[JsonObject]) -> list[JsonObject]:
    return sorted(blocks, key=lambda block: block.get("type") != "tool_result")


def _returned(part: Part, origin: Origin) -> JsonObject | None:
    """The vendor's own block, where it is this origin's and the wire takes it back."""
    if isinstance(part, ToolResultPart | ImagePart | DocumentPart | RefusalPart) or part.origin != origin:
        return None
    return None if isinstance(part, TextPart) and not part.text.strip() else part.opaque


def _block(part: Part, origin: Origin, *, citations: bool) -> JsonObject | None:
    if isinstance(part, TextPart | ServerToolPart):
        return text_block(part.text) if part.text.strip() else None
    if isinstance(part, RefusalPart):
        # Its own refusal came beside the turn and was never part of it.
        return None if part.origin == origin or not part.text.strip() else text_block(part.text)
    if isinstance(part, ToolCallPart):
        call_id = mapped_call_id(part.call_id, CALL_IDS)
        return {"type": "tool_use", "id": call_id, "name": part.name, "input": arguments_object(part.arguments)}
    if isinstance(part, ToolResultPart):
        return _result(part, citations=citations)
    if isinstance(part, ImagePart):
        return _image(part)
    return _document(part, citations=citations) if isinstance(part, DocumentPart) else None


def _result(part: ToolResultPart, *, citations: bool) -> JsonObject:
    block: JsonObject = {"type": "tool_result", "tool_use_id": mapped_call_id(part.call_id, CALL_IDS)}
    attached: list[Json] = []
    for each in part.attachments or ():
        attachment = _image(each) if isinstance(each, ImagePart) else _document(each, citations=citations)
        if attachment is not None:
            attached.append(attachment)
    if attached:
        block["content"] = [*([text_block(part.text)] if part.text.strip() else []), *attached]
    elif part.text.strip():
        block["content"] = part.text
    if part.failed:
        block["is_error"] = True
    return block


def _image(part: ImagePart) -> JsonObject | None:
    source = _source(part.media_type, part.data, part.url)
    return {"type": "image", "source": source} if source else None


def _document(part: DocumentPart, *, citations: bool) -> JsonObject | None:
    text = part.text if part.text is not None else _plain_text(part)
    if text is not None:
        source: JsonObject | None = {"type": "text", "media_type": "text/plain", "data": text} if text.strip() else None
    else:
        source = _source(part.media_type, part.data, part.url)
    if source is None:
        return None
    block: JsonObject = {"type": "document", "source": source}
    if part.title:
        block["title"] = part.title
    if part.citations is not None and citations:
        block["citations"] = {"enabled": part.citations}
    return block


def _plain_text(part: DocumentPart) -> str | None:
    """The words of a document that came as bytes of text."""
    if part.data is None or not (part.media_type or "").startswith("text/"):
        return None
    try:
        return base64.b64decode(part.data).decode("utf-8", "replace")
    except ValueError:
        return None


def _source(media_type: str | None, data: str | None, url: str | None) -> JsonObject | None:
    if data is not None:
        return {"type": "base64", "media_type": media_type, "data": data}
    return {"type": "url", "url": url} if url is not None else None
