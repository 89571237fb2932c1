"""The record on SQLAlchemy, in SQLite or PostgreSQL.

What writing comes to is decided in `write_plan`; what a reader may see, in `sql_filters`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from typing_extensions import override

from memory.batches import in_batches
from memory.exceptions import RecordNotFound, WriteConflict
from memory.fts5_index import Fts5Index
from memory.lexical_index import LexicalEntry, LexicalHit, LexicalIndex, searchable_text
from memory.postgres_text_index import PostgresTextIndex
from memory.record_filters import RecordFilter
from memory.record_rows import link_rows, record_of, record_row, scope_of
from memory.record_store import PendingVector, RecordStore, Written
from memory.records import MemoryRecord, NewRecord, Scope, Trust
from memory.sql_filters import in_scope, readable
from memory.tables import MIGRATIONS, links, outbox, records
from memory.write_plan import Head, WritePlan, plan_writes
from ontology.databases import upgrade, writing

# Databases limit the parameters of a statement; this is far below any limit.
_PARAMETERS = 500
# Tells our locks in PostgreSQL from others' on the same text.
_WRITING = 0x6D656D6F7279


class SqlRecordStore(RecordStore):
    """`RecordStore` on one database; creates or upgrades its tables when it is made.

    Args:
        clock: the time, aware UTC.
        new_id: a fresh identifier for a version.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        upgrade(engine, MIGRATIONS)
        self._engine = engine
        self._clock = clock
        self._new_id = new_id
        self._full_text: LexicalIndex = Fts5Index() if engine.dialect.name == "sqlite" else PostgresTextIndex()

    @override
    def write(self, records: Sequence[NewRecord]) -> list[Written]:
        try:
            with writing(self._engine) as connection:
                _one_writer(connection, {new.scope.organisation for new in records})
                plan = plan_writes(records, _heads(connection, records), self._clock(), self._new_id)
                self._carry_out(connection, plan)
        except IntegrityError as error:
            raise WriteConflict(records[0].scope.organisation) from error
        return plan.written

    @override
    def record(self, record_id: str, wanted: RecordFilter) -> MemoryRecord:
        found = self._load(select(records).where(records.c.record_id == record_id, readable(wanted)))
        if not found:
            raise RecordNotFound(record_id, wanted.scope.organisation)
        return found[0]

    @override
    def versions(self, record_id: str, scope: Scope) -> list[MemoryRecord]:
        mine = select(records).where(records.c.record_id == record_id, in_scope(scope))
        return self._load(mine.order_by(records.c.recorded_at))

    @override
    def readable(self, version_ids: Sequence[str], wanted: RecordFilter) -> dict[str, MemoryRecord]:
        found: dict[str, MemoryRecord] = {}
        for some in in_batches(version_ids, _PARAMETERS):
            statement = select(records).where(records.c.version_id.in_(some), readable(wanted))
            found.update((record.version_id, record) for record in self._load(statement))
        return found

    @override
    def readable_ids(self, version_ids: Sequence[str], wanted: RecordFilter) -> set[str]:
        found: set[str] = set()
        with self._engine.connect() as connection:
            for some in in_batches(version_ids, _PARAMETERS):
                statement = select(records.c.version_id).where(records.c.version_id.in_(some), readable(wanted))
                found.update(connection.scalars(statement))
        return found

    @override
    def count(self, wanted: RecordFilter) -> int:
        with self._engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(records).where(readable(wanted))) or 0

    @override
    def lexical(self, terms: Sequence[str], wanted: RecordFilter, limit: int) -> list[LexicalHit]:
        with self._engine.connect() as connection:
            return self._full_text.search(connection, terms, wanted, limit)

    @override
    def organisations(self) -> list[str]:
        with self._engine.connect() as connection:
            return list(connection.scalars(select(records.c.organisation).distinct().order_by(records.c.organisation)))

    @override
    def version_ids(self, organisation: str) -> list[str]:
        with self._engine.connect() as connection:
            statement = select(records.c.version_id).where(records.c.organisation == organisation)
            return list(connection.scalars(statement.order_by(records.c.row_id)))

    @override
    def pending(self, limit: int, organisation: str | None = None, after: int = 0) -> list[PendingVector]:
        statement = (
            select(outbox.c.entry_id, outbox.c.organisation, outbox.c.version_id, records.c.author, records.c.text)
            .select_from(outbox.outerjoin(records, records.c.version_id == outbox.c.version_id))
            .where(outbox.c.entry_id > after)
            .order_by(outbox.c.entry_id)
            .limit(limit)
        )
        if organisation is not None:
            statement = statement.where(outbox.c.organisation == organisation)
        with self._engine.connect() as connection:
            return [
                # The author before the text: a dense model finds far more by it.
                PendingVector(row.entry_id, row.organisation, row.version_id, row.text and f"{row.author}: {row.text}")
                for row in connection.execute(statement)
            ]

    @override
    def pending_versions(self, organisation: str) -> set[str]:
        statement = select(outbox.c.version_id).where(outbox.c.organisation == organisation)
        with self._engine.connect() as connection:
            return set(connection.scalars(statement))

    @override
    def pending_count(self, organisation: str | None = None) -> int:
        statement = select(func.count()).select_from(outbox)
        if organisation is not None:
            statement = statement.where(outbox.c.organisation == organisation)
        with self._engine.connect() as connection:
            return connection.scalar(statement) or 0

    @override
    def settle(self, entry_ids: Iterable[int]) -> None:
        with writing(self._engine) as connection:
            for some in in_batches(entry_ids, _PARAMETERS):
                connection.execute(delete(outbox).where(outbox.c.entry_id.in_(some)))

    @override
    def owe(self, organisation: str, principal: str, version_ids: Iterable[str]) -> None:
        with writing(self._engine) as connection:
            _owe(connection, self._clock(), ((organisation, principal, version_id) for version_id in version_ids))

    def _carry_out(self, connection: Connection, plan: WritePlan) -> None:
        """Close first: while two versions were open, the index of current ones would refuse the second."""
        if plan.closes:
            statement = (
                update(records)
                .where(records.c.version_id == bindparam("closing"), records.c.superseded_at.is_(None))
                .values(superseded_at=bindparam("at"))
            )
            connection.execute(statement, [{"closing": key, "at": at} for key, at in plan.closes.items()])
        versions = list(plan.inserts.values())
        if not versions:
            return
        connection.execute(insert(records), [record_row(version) for version in versions])
        linked = [row for version in versions for row in link_rows(version)]
        if linked:
            connection.execute(insert(links), linked)
        entries = [LexicalEntry(v.version_id, searchable_text(v, v.recorded_at)) for v in versions]
        self._full_text.add(connection, entries)
        owed = ((v.scope.organisation, v.provenance.principal, v.version_id) for v in versions)
        _owe(connection, self._clock(), owed)

    def _load(self, statement: Any) -> list[MemoryRecord]:
        with self._engine.connect() as connection:
            rows = connection.execute(statement).mappings().all()
            linked = _links_of(connection, [row["version_id"] for row in rows])
        return [record_of(row, linked.get(row["version_id"], ())) for row in rows]


def _one_writer(connection: Connection, organisations: Iterable[str]) -> None:
    """Let one writer of an organisation in at a time, so that none corrects a version which another just closed.

    SQLite has one writer in any case. On PostgreSQL two could otherwise both find a record new.
    """
    if connection.dialect.name == "postgresql":
        for organisation in sorted(organisations):
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(organisation, _WRITING))))


def _heads(connection: Connection, batch: Sequence[NewRecord]) -> dict[str, Head]:
    """Current versions of the batch's records and of those they were made from."""
    wanted = {new.record_id for new in batch} | {origin for new in batch for origin in new.lineage}
    columns = [records.c[name] for name in ("record_id", "version_id", "digest", "recorded_at", "trust")]
    scope = [records.c[name] for name in ("organisation", "team", "person", "agent", "session")]
    heads: dict[str, Head] = {}
    for some in in_batches(sorted(wanted), _PARAMETERS):
        current = select(*columns, *scope).where(records.c.record_id.in_(some), records.c.superseded_at.is_(None))
        for row in connection.execute(current).mappings():
            heads[row["record_id"]] = _head(row)
    return heads


def _head(row: RowMapping) -> Head:
    trust = Trust.from_label(row["trust"])
    return Head(row["version_id"], row["digest"], row["recorded_at"], trust, scope_of(row))


def _owe(connection: Connection, now: datetime, owed: Iterator[tuple[str, str, str]]) -> None:
    rows = [
        {"organisation": organisation, "principal": principal, "version_id": version_id, "queued_at": now}
        for organisation, principal, version_id in owed
    ]
    if rows:
        connection.execute(insert(outbox), rows)


def _links_of(connection: Connection, version_ids: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for some in in_batches(version_ids, _PARAMETERS):
        statement = (
            select(links.c.version_id, links.c.relation, links.c.target)
            .where(links.c.version_id.in_(some))
            .order_by(links.c.relation, links.c.position)
        )
        for version_id, relation, target in connection.execute(statement):
            found[version_id].append((relation, target))
    return found
