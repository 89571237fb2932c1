"""The parts of a neutral conversation as Converse's content blocks.

A part of the target's own origin goes back as the block that came; one of another origin is told in neutral words or
not at all.
"""

import base64
import re
from collections.abc import Sequence

from harness.dialects.bedrock_converse.models import ModelTraits
from harness.dialects.call_arguments import arguments_object
from harness.dialects.call_ids import mapped_call_id
from harness.dialects.wire_json import object_at
from harness.json_values import Json, JsonObject
from harness.models.messages import (
    DocumentPart,
    ImagePart,
    Message,
    Origin,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

CALL_IDS = r"[a-zA-Z0-9_.:-]{1,64}"
IMAGE_FORMATS = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
DOCUMENT_FORMATS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_MOST_NAME = 200
NO_OUTPUT = "(no output)"


class ContentBlocks:
    """Turns the messages of one request into blocks; documents' names are unique in all of it, as Amazon wants."""

    def __init__(self, origin: Origin, traits: ModelTraits) -> None:
        self._origin = origin
        self._traits = traits
        self._names: set[str] = set()

    def of(self, message: Message) -> list[JsonObject]:
        """The message's blocks; results of tools lead."""
        results = [part for part in message.parts if isinstance(part, ToolResultPart)]
        others = [part for part in message.parts if not isinstance(part, ToolResultPart)]
        return [*(self._result(part) for part in results), *self._blocks(others)]

    def _blocks(self, parts: Sequence[Part]) -> list[JsonObject]:
        blocks = (self._block(part) for part in parts)
        return [block for block in blocks if block is not None]

    def _block(self, part: Part) -> JsonObject | None:
        if isinstance(part, ImagePart):
            return image_block(part)
        if isinstance(part, DocumentPart):
            return self._document(part)
        if isinstance(part, ToolResultPart):
            return self._result(part)
        if part.opaque is not None and part.origin == self._origin:
            return self._own(part, part.opaque)
        if isinstance(part, TextPart | RefusalPart) and part.text.strip():
            return {"text": part.text}
        return _tool_use(part) if isinstance(part, ToolCallPart) else None

    def _own(self, part: Part, block: JsonObject) -> JsonObject | None:
        if not isinstance(part, ReasoningPart):
            return block
        if not self._traits.takes_reasoning:
            return None
        reasoning = object_at(block, "reasoningContent", "reasoningText")
        if reasoning and "text" not in reasoning:
            # Where thoughts are not shown only their signature comes; the wire wants a text all the same.
            return {"reasoningContent": {"reasoningText": {"text": "", **reasoning}}}
        return block

    def _result(self, part: ToolResultPart) -> JsonObject:
        failed = part.failed and self._traits.takes_result_status
        # Models without a flag for a failed tool are told in words.
        text = f"Error: {part.text}" if part.failed and not failed else part.text
        attached: list[Json] = [block for block in self._blocks(part.attachments or ()) if block]
        words: list[Json] = [{"text": text}] if text.strip() else []
        # A blank text is refused, and so is a result without content.
        content: list[Json] = words if words or attached else [{"text": NO_OUTPUT}]
        result: JsonObject = {"toolUseId": mapped_call_id(part.call_id, CALL_IDS), "content": [*content, *attached]}
        return {"toolResult": {**result, "status": "error"} if failed else result}

    def _document(self, part: DocumentPart) -> JsonObject | None:
        """The document; its words as such where it shall be cited, as the bytes that every model takes otherwise."""
        document: JsonObject = {"format": DOCUMENT_FORMATS.get(part.media_type or "text/plain", "txt")}
        if part.data is not None:
            document["source"] = {"bytes": part.data}
        elif part.text is None:
            return None
        elif part.citations:
            document["source"] = {"text": part.text}
        else:
            document["source"] = {"bytes": base64.b64encode(part.text.encode("utf-8", "replace")).decode("ascii")}
        document["name"] = self._name(part.title or "")
        if part.citations:
            document["citations"] = {"enabled": True}
        return {"document": document}

    def _name(self, title: str) -> str:
        # Letters, digits, single spaces, hyphens, parentheses and square brackets are all that Amazon takes.
        wanted = " ".join(re.sub(r"[^A-Za-z0-9\s\-()\[\]]", "-", title).split())[:_MOST_NAME].strip() or "Document"
        name, count = wanted, 1
        while name in self._names:
            count += 1
            name = f"{wanted[: _MOST_NAME - 12]} ({count})"
        self._names.add(name)
        return name


def image_block(part: ImagePart) -> JsonObject | None:
    """The picture's block; None for one that is not there as data in a format that the wire has."""
    picture_format = IMAGE_FORMATS.get(part.media_type or "")
    if part.data is None or picture_format is None:
        return None
    return {"image": {"format": picture_format, "source": {"bytes": part.data}}}


def _tool_use(part: ToolCallPart) -> JsonObject:
    call: JsonObject = {"toolUseId": mapped_call_id(part.call_id, CALL_IDS), "name": part.name}
    return {"toolUse": {**call, "input": arguments_object(part.arguments)}}
