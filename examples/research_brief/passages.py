"""A document cut into passages that a model can be shown: whole paragraphs under their heading; pure."""

import re
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from .documents import Document

PASSAGE_CHARACTERS = 600

_HEADING = re.compile(r"^#{1,6}\s+(?P<words>.+?)\s*#*$")
_FENCE = re.compile(r"^\s*(```|~~~)")


class Passage(BaseModel):
    """Words of a document as they stand there.

    Args:
        place: the heading they stand under; "start" before the first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    place: str
    text: str


def passages_of(document: Document) -> Iterator[Passage]:
    """The document's paragraphs, small ones together, long ones cut; each at most `PASSAGE_CHARACTERS`."""
    for place, paragraphs in _sections(document.text):
        for text in _packed(paragraphs):
            yield Passage(source=document.source, place=place, text=text)


def _sections(text: str) -> Iterator[tuple[str, list[str]]]:
    """Headings, each with the paragraphs below it; what stands in a code block is no heading."""
    place, paragraphs, lines, in_code = "start", list[str](), list[str](), False
    for line in text.splitlines():
        in_code ^= _FENCE.match(line) is not None
        heading = None if in_code else _HEADING.match(line)
        if line.strip() and heading is None:
            lines.append(line)
            continue
        if lines:
            paragraphs.append("\n".join(lines))
            lines = []
        if heading is not None:
            yield place, paragraphs
            place, paragraphs = heading["words"], []
    yield place, [*paragraphs, "\n".join(lines)] if lines else paragraphs


def _packed(paragraphs: list[str]) -> Iterator[str]:
    """Paragraphs joined as long as they fit; one that is too long is cut at a space."""
    held = ""
    for paragraph in (piece for each in paragraphs for piece in _cut(each.strip())):
        if held and len(held) + 2 + len(paragraph) > PASSAGE_CHARACTERS:
            yield held
            held = ""
        held = f"{held}\n\n{paragraph}" if held else paragraph
    if held:
        yield held


def _cut(text: str) -> Iterator[str]:
    while len(text) > PASSAGE_CHARACTERS:
        at = max(text.rfind(mark, 1, PASSAGE_CHARACTERS) for mark in " \n")
        at = at if at > 0 else PASSAGE_CHARACTERS
        yield text[:at].rstrip()
        text = text[at:].lstrip()
    if text:
        yield text
