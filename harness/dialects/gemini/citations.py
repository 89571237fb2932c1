"""What Gemini says that its words rest on: grounding and recitation, told as citations behind the text they support.

They stand beside the content and have no way back to the model, so none of them carries an opaque block; the whole of
the metadata is in the reply's `raw`.

Sources: https://ai.google.dev/api/generate-content#GroundingMetadata (places are bytes of UTF-8) and #citationmetadata
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from harness.dialects.wire_json import count_at, first_text, object_at, objects_at, text_at
from harness.json_values import JsonObject
from harness.models.messages import CitationPart, Part, TextPart

_CHUNKS = ("web", "retrievedContext", "maps", "image")


@dataclass(frozen=True, slots=True)
class _Span:
    """Bytes of the answer's whole text."""

    start: int
    end: int


def with_citations(parts: Sequence[Part], candidate: JsonObject, texts_before: Sequence[int]) -> tuple[Part, ...]:
    """The parts, each text followed by its citations; what names no place stands behind the last text.

    Args:
        texts_before: for each of the vendor's parts, how many bytes of text stand in those before it.
    """
    texts = [place for place, part in enumerate(parts) if isinstance(part, TextPart)]
    found = [*_grounding(candidate, texts_before), *_recitation(candidate)]
    if not found:
        return tuple(parts)
    written = _WrittenTexts([part for part in parts if isinstance(part, TextPart)])
    behind: dict[int, list[CitationPart]] = {}
    for citation, span in found:
        number, placed = written.placed(citation, span)
        behind.setdefault(texts[number] if texts else -1, []).append(placed)
    return tuple(
        each for place in range(-1, len(parts)) for each in (*parts[max(place, 0) : place + 1], *behind.get(place, ()))
    )


def _grounding(candidate: JsonObject, texts_before: Sequence[int]) -> list[tuple[CitationPart, _Span | None]]:
    metadata = object_at(candidate, "groundingMetadata")
    chunks = [_of_chunk(chunk) for chunk in objects_at(metadata, "groundingChunks")]
    found: list[tuple[CitationPart, _Span | None]] = []
    supported: set[int] = set()
    for support in objects_at(metadata, "groundingSupports"):
        span = _span(object_at(support, "segment"), texts_before)
        indices = support.get("groundingChunkIndices")
        for index in indices if isinstance(indices, list) else []:
            if isinstance(index, int) and 0 <= index < len(chunks):
                found.append((chunks[index], span))
                supported.add(index)
    return [*found, *((chunk, None) for index, chunk in enumerate(chunks) if index not in supported)]


def _of_chunk(chunk: JsonObject) -> CitationPart:
    inner = next((object_at(chunk, kind) for kind in _CHUNKS if object_at(chunk, kind)), chunk)
    source = first_text(inner, ("uri", "sourceUri", "imageUri", "documentName", "title", "fileSearchStore"))
    return CitationPart(
        source=source or "unnamed", title=text_at(inner, "title") or None, quote=text_at(inner, "text") or None
    )


def _recitation(candidate: JsonObject) -> list[tuple[CitationPart, _Span | None]]:
    """The Gemini API calls the list `citationSources`, Vertex `citations`."""
    metadata = object_at(candidate, "citationMetadata")
    sources = objects_at(metadata, "citationSources") + objects_at(metadata, "citations")
    return [
        (
            CitationPart(source=first_text(each, ("uri", "title")) or "unnamed", title=text_at(each, "title") or None),
            _span(each, ()),
        )
        for each in sources
    ]


def _span(segment: JsonObject, texts_before: Sequence[int]) -> _Span | None:
    """Zero is left out on this wire; a segment without an end names no place.

    A segment counts from the start of its part, but names the part only in some answers, and a stream counts through
    all the pieces of a text: a part that is not named is the beginning of all text.
    """
    end = count_at(segment, "endIndex")
    if end is None:
        return None
    part = count_at(segment, "partIndex") or 0
    before = texts_before[part] if part < len(texts_before) else 0
    return _Span(before + (count_at(segment, "startIndex") or 0), before + end)


class _WrittenTexts:
    """The answer's texts as bytes, measured once: an answer may hold thousands of texts and of citations."""

    def __init__(self, texts: Sequence[TextPart]) -> None:
        self._texts = [part.text.encode("utf-8", "replace") for part in texts]
        self._ends = list(accumulate(len(written) for written in self._texts))
        self._characters: dict[int, list[int]] = {}

    def placed(self, citation: CitationPart, span: _Span | None) -> tuple[int, CitationPart]:
        """The number of the text that a span begins in, and the citation with its characters in that text."""
        number = len(self._texts) if span is None else bisect_right(self._ends, span.start)
        if span is None or number >= len(self._texts):
            return len(self._texts) - 1, citation
        before = self._ends[number] - len(self._texts[number])
        places = [self._character(number, byte - before) for byte in (span.start, span.end)]
        return number, citation.model_copy(update={"start": places[0], "end": places[1]})

    def _character(self, number: int, byte: int) -> int:
        """How many whole characters stand before a byte of a text."""
        if byte < 0:
            return 0
        counts = self._characters.get(number)
        if counts is None:
            # A byte that continues a character begins with the bits 10.
            begins = [each & 0xC0 != 0x80 for each in self._texts[number]]  # noqa: PLR2004
            counts = self._characters[number] = [0, *accumulate(begins)]
        return self._whole(number, counts, min(byte, len(counts) - 1))

    def _whole(self, number: int, counts: list[int], byte: int) -> int:
        text = self._texts[number]
        cut = byte < len(text) and text[byte] & 0xC0 == 0x80  # noqa: PLR2004 - inside a character, which does not count
        return counts[byte] - cut
