"""The port to full-text indexes: which versions contain the words of a query.

A full-text index lives in the record's database and is written in the record's transaction, so that a record can be
found by its words from the moment it is there. Scoring and joining with other candidates is left to `ranking`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from memory.record_filters import RecordFilter
from memory.records import RecordContent


@dataclass(frozen=True, slots=True)
class LexicalEntry:
    """What of one version is searched by words.

    Args:
        text: its own text with its date and author.
        neighbours: what stands beside it in its conversation, which counts half.
    """

    version_id: str
    text: str
    neighbours: str = ""


@dataclass(frozen=True, slots=True)
class LexicalHit:
    """A version that contains words of the query; the higher the score the better, its scale is the index's own."""

    version_id: str
    score: float


class LexicalIndex(Protocol):
    """Full text of the versions in one database."""

    def add(self, connection: Connection, entries: Sequence[LexicalEntry]) -> None:
        """Index versions whose rows were written on this connection; seen when it commits."""
        ...

    def remove(self, connection: Connection, version_ids: Sequence[str]) -> None:
        """Take versions out of the index, before their rows are deleted."""
        ...

    def search(
        self, connection: Connection, terms: Sequence[str], wanted: RecordFilter, limit: int
    ) -> list[LexicalHit]:
        """Versions within the filter that contain any of the terms, best first.

        Terms are words, never operators of a query language. Without terms nothing is found.
        """
        ...


def searchable_text(content: RecordContent, recorded_at: datetime) -> str:
    """What is indexed for a record: date and author stand before the text, as people ask for both."""
    day = content.valid_from or recorded_at
    return f"{day:%Y-%m-%d %B} {content.author}: {content.text}"
