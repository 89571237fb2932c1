"""What a model is shown of a licence text: short passages, cut by rule and the same for every package.

The passages stay data: they go into the prompt as fenced documents. No passage is chosen by what licence it looks like.
"""

import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from .inventory import Package

EXCERPT_CHARACTERS = 500
PART_CHARACTERS = 250
PASSAGE_CHARACTERS = 600
OMITTED = " [...] "

_OWNER_LINE = re.compile(r"^\W*(copyright\b|\(c\)|©|all rights reserved)", re.IGNORECASE)
_DUTY = re.compile(
    r"\bmust\b|\bshall (?!mean\b|constitute\b)|\bprovided that\b|\bmay not\b|\bare required to\b", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"(?<=[.;:])\s+(?=\W*[A-Z0-9])|\n\s*\n")


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


def parts_of(text: str) -> str:
    """The start and, after a mark, the middle, where a short licence has its conditions; half as much of each."""
    line = _one_line(text)
    start = line[:PART_CHARACTERS]
    begin = max(PART_CHARACTERS, (len(line) - PART_CHARACTERS) // 2)
    middle = line[begin : begin + PART_CHARACTERS].strip()
    return f"{start.strip()}{OMITTED}{middle}" if middle else start.strip()


def says_duty(words: str) -> bool:
    """Whether a passage holds a word by which licences oblige."""
    return _DUTY.search(words) is not None


def duty_passage(text: str) -> str:
    """The first sentences of a text that oblige, as they stand there, at most `PASSAGE_CHARACTERS`."""
    sentences = [" ".join(each.split()) for each in _SENTENCE_END.split(text)]
    obliging = "\n".join(each for each in sentences if says_duty(each)) or start_of(text)
    return obliging[:PASSAGE_CHARACTERS].strip()


def _one_line(text: str) -> str:
    lines = (line for line in text.splitlines() if not _OWNER_LINE.match(line))
    return " ".join(" ".join(lines).split())
