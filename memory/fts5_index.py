"""Full text in SQLite by FTS5, with porter stemming.

Source: https://sqlite.org/fts5.html
"""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, column, select, table, text
from typing_extensions import override

from memory.lexical_index import LexicalEntry, LexicalHit, LexicalIndex
from memory.record_filters import RecordFilter
from memory.sql_filters import readable
from memory.tables import records

_NEIGHBOURS_WEIGHT = 0.5

_full_text = table("memory_fts", column("rowid"))
_row_of_version = "SELECT row_id FROM memory_records WHERE version_id = :version_id"
_add = text(
    "INSERT INTO memory_fts(rowid, text, neighbours) "
    "SELECT row_id, :text, :neighbours FROM memory_records WHERE version_id = :version_id"
)
_remove = text(f"DELETE FROM memory_fts WHERE rowid = ({_row_of_version})")


class Fts5Index(LexicalIndex):
    """`LexicalIndex` on the table `memory_fts`, whose row numbers are those of `memory_records`."""

    @override
    def add(self, connection: Connection, entries: Sequence[LexicalEntry]) -> None:
        if entries:
            rows = [{"version_id": e.version_id, "text": e.text, "neighbours": e.neighbours} for e in entries]
            connection.execute(_add, rows)

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
        # bm25() is negative, the better the lower.
        score = text(f"-bm25(memory_fts, 1.0, {_NEIGHBOURS_WEIGHT}) AS score")
        statement = (
            select(records.c.version_id, score)
            .select_from(_full_text.join(records, records.c.row_id == _full_text.c.rowid))
            .where(text("memory_fts MATCH :terms").bindparams(bindparam("terms", match_any(terms))))
            .where(readable(wanted))
            .order_by(text("score DESC"), records.c.row_id)
            .limit(limit)
        )
        return [LexicalHit(version_id, score) for version_id, score in connection.execute(statement)]


def match_any(terms: Sequence[str]) -> str:
    """An FTS5 query for any of the words. Each is a quoted string, so that none is taken for an operator."""
    return " OR ".join('"' + term.replace('"', '""') + '"' for term in terms)
