"""One content block of a streamed answer, put together from its events as if it had come whole."""

import base64
import binascii
from collections.abc import Sequence

from harness.dialects.wire_json import object_at, objects_at, parse_object, text_at
from harness.json_values import Json, JsonObject


class StreamedBlock:
    """A block that is still arriving. Most have no start; the pieces say what they are."""

    def __init__(self) -> None:
        self._start: JsonObject = {}
        # Texts are kept in pieces and joined once: adding to a text copies it each time.
        self._texts: dict[str, list[str]] = {}
        self._citations: list[Json] = []
        self._results: list[JsonObject] = []
        self._image: JsonObject = {}
        self._others: JsonObject = {}

    def start(self, start: JsonObject) -> None:
        """Take in how the block begins: a tool's call or result, a picture."""
        self._start |= start

    def add(self, delta: JsonObject) -> None:
        """Take in one piece."""
        for kind, value in delta.items():
            if kind == "text" and isinstance(value, str):
                self._text("text", value)
            elif kind == "toolUse":
                self._text("input", text_at(object_at(delta, kind), "input"))
            elif kind == "toolResult":
                self._results += objects_at(delta, kind)
            elif kind == "reasoningContent":
                self._add_thoughts(object_at(delta, kind))
            elif kind == "citation":
                self._citations.append(value)
            elif kind == "image":
                self._add_picture(object_at(delta, kind))
            else:
                self._keep(kind, value)

    @property
    def arguments(self) -> str:
        """A call's arguments as they were written."""
        return "".join(self._texts.get("input", ()))

    def whole(self) -> list[JsonObject]:
        """The block as it would have come without a stream; several if it mixed what a block never mixes."""
        return [*self._thoughts(), *self._tool(), *self._words(), *self._unknown()]

    def _text(self, kind: str, piece: str) -> None:
        self._texts.setdefault(kind, []).append(piece)

    def _add_thoughts(self, thoughts: JsonObject) -> None:
        for kind, value in thoughts.items():
            if kind in ("text", "signature", "redactedContent") and isinstance(value, str):
                self._text("thoughts" if kind == "text" else kind, value)
            else:
                self._keep("reasoningContent", {kind: value})

    def _add_picture(self, image: JsonObject) -> None:
        if data := text_at(object_at(image, "source"), "bytes"):
            self._text("image", data)
        else:
            self._image |= image

    def _keep(self, kind: str, value: Json) -> None:
        known = self._others.get(kind)
        self._others[kind] = [*known, value] if isinstance(known, list) else [value]

    def _thoughts(self) -> list[JsonObject]:
        blocks: list[JsonObject] = []
        if "thoughts" in self._texts or "signature" in self._texts:
            thoughts: JsonObject = {"text": "".join(self._texts.get("thoughts", ()))}
            if "signature" in self._texts:
                thoughts["signature"] = "".join(self._texts["signature"])
            blocks.append({"reasoningContent": {"reasoningText": thoughts}})
        if "redactedContent" in self._texts:
            blocks.append({"reasoningContent": {"redactedContent": _joined_base64(self._texts["redactedContent"])}})
        return blocks

    def _tool(self) -> list[JsonObject]:
        blocks: list[JsonObject] = []
        if "toolUse" in self._start or "input" in self._texts:
            blocks.append({"toolUse": {**object_at(self._start, "toolUse"), "input": _arguments(self.arguments)}})
        if "toolResult" in self._start or self._results:
            content = list[Json](_texts_joined(self._results))
            blocks.append({"toolResult": {**object_at(self._start, "toolResult"), "content": content}})
        if "image" in self._start or "image" in self._texts:
            image = object_at(self._start, "image") | self._image
            if "image" in self._texts:
                image["source"] = {"bytes": _joined_base64(self._texts["image"])}
            blocks.append({"image": image})
        return blocks

    def _words(self) -> list[JsonObject]:
        words: JsonObject = {"text": "".join(self._texts.get("text", ()))}
        if self._citations:
            return [{"citationsContent": {"content": [words], "citations": self._citations}}]
        return [words] if "text" in self._texts else []

    def _unknown(self) -> list[JsonObject]:
        known = ("toolUse", "toolResult", "image")
        started: JsonObject = {kind: value for kind, value in self._start.items() if kind not in known}
        kinds = dict.fromkeys((*started, *self._others))
        return [{kind: {"start": started.get(kind), "deltas": self._others.get(kind, [])}} for kind in kinds]


def _arguments(text: str) -> Json:
    """The object that the text says; the text itself where it says none, as when it was cut."""
    try:
        return parse_object(text) if text.strip() else {}
    except ValueError:
        return text


def _texts_joined(pieces: Sequence[JsonObject]) -> list[JsonObject]:
    """A result's pieces, neighbouring texts as one."""
    joined: list[JsonObject] = []
    for piece in pieces:
        if joined and list(piece) == list(joined[-1]) == ["text"]:
            joined[-1] = {"text": text_at(joined[-1], "text") + text_at(piece, "text")}
        else:
            joined.append(piece)
    return joined


def _joined_base64(pieces: Sequence[str]) -> str:
    """The pieces as one; each of several is padded for itself."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        return base64.b64encode(b"".join(base64.b64decode(piece) for piece in pieces)).decode("ascii")
    except binascii.Error:
        return "".join(pieces)
