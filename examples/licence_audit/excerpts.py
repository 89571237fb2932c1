"""What a model is shown of a licence text: short passages, cut by rule and the same for every package.

The passages stay data: they go into the prompt as fenced documents. No passage is chosen by what licence it looks like.
"""

import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from .inventory import Package

EXCERPT_CHARACTERS = 500
PASSAGE_CHARACTERS = 900

_OWNER_LINE = re.compile(r"^\W*(copyright\b|\(c\)|©|all rights reserved)", re.IGNORECASE)
_DUTY = re.compile(
    r"\b(must|shall|provided that|required|retain|reproduce|include[ds]?|redistributions?|subject to|may not)\b",
    re.IGNORECASE,
)


class Question(BaseModel):
    """One package as `classify` is asked about it; `excerpt` is text from outside."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    excerpt: str


def questions(packages: Sequence[Package]) -> tuple[Question, ...]:
    """One question for each package that has a text; the others go to a person without a call."""
    return tuple(Question(name=each.name, excerpt=start_of(each.text)) for each in packages if each.text)


def start_of(text: str) -> str:
    """The first words of a text, without the lines that name its owners."""
    return _one_line(text)[:EXCERPT_CHARACTERS].rstrip()


def middle_of(text: str) -> str:
    """As many words from the middle, where a short licence has its conditions."""
    line = _one_line(text)
    begin = max(EXCERPT_CHARACTERS, (len(line) - EXCERPT_CHARACTERS) // 2)
    return line[begin : begin + EXCERPT_CHARACTERS].strip()


def duty_passage(text: str) -> str:
    """The stretch of a text that holds most words of duty, at most `PASSAGE_CHARACTERS`, from the start of a paragraph."""
    paragraphs = [each for each in re.split(r"\n\s*\n", text) if each.strip()]
    if not paragraphs:
        return ""
    weights = [len(_DUTY.findall(each)) for each in paragraphs]
    stretches = [_stretch(paragraphs, start) for start in range(len(paragraphs))]
    best = max(range(len(paragraphs)), key=lambda start: (sum(weights[start : start + stretches[start]]), -start))
    return "\n\n".join(paragraphs[best : best + stretches[best]])[:PASSAGE_CHARACTERS].strip()


def _stretch(paragraphs: Sequence[str], start: int) -> int:
    """How many paragraphs from here fit; at least one."""
    length = 0
    for count, paragraph in enumerate(paragraphs[start:]):
        length += len(paragraph) + 2
        if length > PASSAGE_CHARACTERS:
            return max(1, count)
    return len(paragraphs) - start


def _one_line(text: str) -> str:
    lines = (line for line in text.splitlines() if not _OWNER_LINE.match(line))
    return " ".join(" ".join(lines).split())
