"""What Gemini says that its words rest on: grounding and recitation, told as citations behind the text they support.

They stand beside the content and have no way back to the model, so none of them carries an opaque block; the whole of
the metadata is in the reply's `raw`.

Sources: https://ai.google.dev/api/generate-content#GroundingMetadata (places are bytes of UTF-8) and #citationmetadata
"""

from collections.abc import Sequence
from dataclasses import dataclass

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
    behind: dict[int, list[CitationPart]] = {}
    for citation, span in found:
        place, placed = _placed(citation, span, parts, texts)
        behind.setdefault(place, []).append(placed)
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


def _placed(
    citation: CitationPart, span: _Span | None, parts: Sequence[Part], texts: Sequence[int]
) -> tuple[int, CitationPart]:
    """The place of the text that a span begins in, and the citation with its characters in that text."""
    last = texts[-1] if texts else -1
    if span is None:
        return last, citation
    start, end = span.start, span.end
    for place in texts:
        part = parts[place]
        written = part.text.encode("utf-8", "replace") if isinstance(part, TextPart) else b""
        if start < len(written):
            found = {"start": _characters(written, start), "end": _characters(written, end)}
            return place, citation.model_copy(update=found)
        start, end = start - len(written), end - len(written)
    return last, citation


def _characters(written: bytes, count: int) -> int:
    return len(written[:count].decode("utf-8", "ignore"))
