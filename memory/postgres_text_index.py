"""Full text in PostgreSQL by tsvector, with its English stemming.

Source: https://www.postgresql.org/docs/current/textsearch-controls.html
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any

from sqlalchemy import ColumnElement, Connection, column, func, literal_column, select, table, text
from typing_extensions import override

from memory.lexical_index import LexicalEntry, LexicalHit, LexicalIndex
from memory.record_filters import RecordFilter
from memory.sql_filters import readable
from memory.tables import records

# A tsvector holds less than 1 MB of words; what is beyond this of a longer text is not found by its words.
MAX_INDEXED_BYTES = 500_000

# Divide a score by 1 + the logarithm of the text's length.
_BY_LENGTH = 1

_full_text = table("memory_full_text", column("version_id"), column("document"))
_english: ColumnElement[Any] = literal_column("'english'::regconfig")
_add = text(
    "INSERT INTO memory_full_text (version_id, organisation, document) "
    "SELECT version_id, organisation, setweight(to_tsvector('english', :text), 'A') "
    "|| setweight(to_tsvector('english', :neighbours), 'B') "
    "FROM memory_records WHERE version_id = :version_id"
)
_remove = text("DELETE FROM memory_full_text WHERE version_id = :version_id")
# Of the letters D, C, B, A: neighbours count half.
_weights: ColumnElement[Any] = literal_column("'{0, 0, 0.5, 1}'::real[]")


class PostgresTextIndex(LexicalIndex):
    """`LexicalIndex` on the table `memory_full_text`."""

    @override
    def add(self, connection: Connection, entries: Sequence[LexicalEntry]) -> None:
        if entries:
            connection.execute(
                _add,
                [
                    {"version_id": e.version_id, "text": _shortened(e.text), "neighbours": _shortened(e.neighbours)}
                    for e in entries
                ],
            )

    @override
    def remove(self, connection: Connection, version_ids: Sequence[str]) -> None:
        if version_ids:
            connection.execute(_remove, [{"version_id": version_id} for version_id in version_ids])

    @override
    def search(
        self, connection: Connection, terms: Sequence[str], wanted: RecordFilter, limit: int
    ) -> list[LexicalHit]:
        if not terms:
            return []
        query = match_any(terms)
        score = func.ts_rank(_weights, _full_text.c.document, query, _BY_LENGTH).label("score")
        statement = (
            select(records.c.version_id, score)
            .select_from(_full_text.join(records, records.c.version_id == _full_text.c.version_id))
            .where(_full_text.c.document.op("@@")(query))
            .where(readable(wanted))
            .order_by(score.desc(), records.c.row_id)
            .limit(limit)
        )
        return [LexicalHit(version_id, score) for version_id, score in connection.execute(statement)]


def match_any(terms: Sequence[str]) -> ColumnElement[Any]:
    """A tsquery for any of the words; `plainto_tsquery` knows no operators."""
    queries: list[ColumnElement[Any]] = [func.plainto_tsquery(_english, term) for term in terms]
    return reduce(lambda left, right: left.op("||")(right), queries)


def _shortened(value: str) -> str:
    return value.encode()[:MAX_INDEXED_BYTES].decode(errors="ignore")
