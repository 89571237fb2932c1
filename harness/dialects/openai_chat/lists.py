"""Lists that a stream brings in fragments: content in chunks, OpenRouter's reasoning details, Groq's executed tools.

Each becomes what the same server sends without a stream, so that it can go back to it.
"""

from harness.dialects.wire_json import objects_at, text_at
from harness.json_values import Json, JsonObject


class ContentPieces:
    """A message's content: a text in pieces, or Mistral's list of thoughts and texts in fragments."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._chunks: list[_Chunk] = []

    @property
    def any(self) -> bool:
        """Whether any came, be it empty."""
        return bool(self._texts or self._chunks)

    def add(self, content: str | list[Json]) -> None:
        """Take in one piece. Texts before a list's first chunk are a chunk of it, and so are those after."""
        if isinstance(content, str):
            self._add_text(content)
            return
        for chunk in content:
            if isinstance(chunk, str):
                self._add_text(chunk)
            elif isinstance(chunk, dict):
                self._open(chunk).add(chunk)

    def whole(self) -> Json:
        """The text, or the list."""
        if not self._chunks:
            return "".join(self._texts)
        return [chunk.whole() for chunk in self._chunks]

    def _add_text(self, text: str) -> None:
        if not self._chunks:
            self._texts.append(text)
        elif text:
            chunk: JsonObject = {"type": "text", "text": text}
            self._open(chunk).add(chunk)

    def _open(self, chunk: JsonObject) -> "_Chunk":
        """The chunk that a fragment goes on with: the last one of the same kind, or a new one."""
        if not self._chunks and any(self._texts):
            self._chunks.append(_Chunk("text"))
            self._chunks[0].add({"type": "text", "text": "".join(self._texts)})
        kind = "thinking" if "thinking" in chunk else text_at(chunk, "type") or "text"
        if kind not in ("text", "thinking") or not self._chunks or self._chunks[-1].kind != kind:
            self._chunks.append(_Chunk(kind))
        return self._chunks[-1]


class _Chunk:
    """One chunk out of its fragments: its text and its thoughts are joined, of other fields the last counts."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._fields: JsonObject = {}
        self._texts: list[str] = []
        self._thoughts: list[str] = []

    def add(self, fragment: JsonObject) -> None:
        self._fields |= fragment
        self._texts.append(text_at(fragment, "text"))
        self._thoughts += [text_at(piece, "text") for piece in objects_at(fragment, "thinking")]
        self._thoughts.append(text_at(fragment, "thinking"))

    def whole(self) -> JsonObject:
        joined: JsonObject = {"type": self.kind, **self._fields}
        if self.kind == "text":
            joined["text"] = "".join(self._texts)
        elif self.kind == "thinking":
            joined["thinking"] = [{"type": "text", "text": "".join(self._thoughts)}]
        return joined


class DetailPieces:
    """OpenRouter's reasoning details: texts and summaries of one index go on, all else is its own.

    Source: https://openrouter.ai/docs/use-cases/reasoning-tokens#preserving-reasoning-blocks
    """

    def __init__(self) -> None:
        self._details: list[_Detail] = []

    def add(self, details: Json) -> None:
        """Take in the details of one fragment."""
        for fragment in objects_at({"details": details}, "details"):
            if not (self._details and self._details[-1].goes_on_with(fragment)):
                self._details.append(_Detail(fragment))
            self._details[-1].add(fragment)

    def whole(self) -> list[Json]:
        """The details as they would have come without a stream."""
        return [detail.whole() for detail in self._details]


class _Detail:
    """One detail out of its fragments: its text or summary is joined, of other fields the last that says anything."""

    def __init__(self, first: JsonObject) -> None:
        self._fields = dict(first)
        self._texts: dict[str, list[str]] = {}

    def goes_on_with(self, fragment: JsonObject) -> bool:
        kind = fragment.get("type")
        same = all(fragment.get(name) == self._fields.get(name) for name in ("type", "index"))
        # A text that was signed is whole.
        return same and kind in ("reasoning.text", "reasoning.summary") and not self._fields.get("signature")

    def add(self, fragment: JsonObject) -> None:
        self._fields |= {name: value for name, value in fragment.items() if value not in (None, "")}
        for name in ("text", "summary"):
            if name in fragment:
                self._texts.setdefault(name, []).append(text_at(fragment, name))

    def whole(self) -> JsonObject:
        return self._fields | {name: "".join(pieces) for name, pieces in self._texts.items()}


class ToolPieces:
    """Groq's executed tools: one that comes again under its index is what it has become."""

    def __init__(self) -> None:
        self._tools: list[JsonObject] = []
        self._by_index: dict[int | str, JsonObject] = {}

    def add(self, tools: Json) -> None:
        """Take in the tools of one fragment."""
        for tool in objects_at({"tools": tools}, "tools"):
            index = tool.get("index")
            known = self._by_index.get(index) if isinstance(index, (int, str)) else None
            if known is not None:
                known |= tool
                continue
            self._tools.append({**tool})
            if isinstance(index, (int, str)):
                self._by_index[index] = self._tools[-1]

    def whole(self) -> list[Json]:
        """The tools as they would have come without a stream."""
        return [*self._tools]
