"""The entity store on a SQL database: SQLite or PostgreSQL, through SQLAlchemy Core."""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Self

from sqlalchemy import Connection, Engine, Row, RowMapping, Select, Table, and_, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError

from ontology.databases import upgrade, writing
from ontology.entities import (
    LABEL,
    NOW,
    AsOf,
    Assertion,
    Batch,
    Entity,
    Link,
    PropertyValue,
    Provenance,
    Statement,
    Written,
)
from ontology.entity_rows import Moment, assertion_of, assertion_row, link_of, microseconds, statements_of, value_of
from ontology.exceptions import AssertionNotFound, DatabaseUnavailable, EntityInvalid, EntityNotFound
from ontology.pattern_sql import entities_query, visible
from ontology.patterns import ANYTHING, Direction, Pattern
from ontology.tables import MIGRATIONS, assertions, entities

# A database takes only so many parameters in a statement; SQLite 32,766.
_CHUNK = 500

# New rows after which PostgreSQL's own renewal of statistics, once a minute, is too late.
_BULK = 500


class SqlEntityStore:
    """Keeps the promises of `EntityStore` on one SQL database."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock
        # An answer takes several statements, and all must see the same.
        snapshots = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
        self._snapshots = engine.execution_options(**snapshots)

    @classmethod
    def open(cls, engine: Engine, clock: Callable[[], datetime]) -> Self:
        """The store on a database of `databases.open_database`, whose tables are created or upgraded.

        Args:
            engine: stays the caller's to dispose of.
            clock: the time, aware UTC.

        Raises:
            DatabaseTooNew: a newer version wrote the database.
        """
        upgrade(engine, MIGRATIONS)
        return cls(engine, clock)

    def write(self, batch: Batch) -> Written:
        """See `EntityStore.write`."""
        recorded_at = microseconds(self._clock())
        with self._writing() as connection:
            new_entities = _insert(connection, entities, _entity_rows(batch, recorded_at))
            _check_types(connection, batch)
            _check_references(connection, batch)
            rows = _new_assertion_rows(connection, batch, recorded_at)
            new_assertions = _insert(connection, assertions, rows)
        if new_assertions >= _BULK:
            self._tell_planner()
        return Written(entities=new_entities, assertions=new_assertions)

    def upsert_entity(self, entity: Entity, *, principal: str, provenance: Provenance) -> Written:
        """See `EntityStore.upsert_entity`."""
        return self.write(
            Batch(organisation=entity.organisation, principal=principal, provenance=provenance, entities=(entity,))
        )

    def assert_property(
        self, organisation: str, statement: Statement, *, principal: str, provenance: Provenance
    ) -> Written:
        """See `EntityStore.assert_property`."""
        if statement.value is None:
            raise ValueError(f"{statement.property!r} is stated as a link: use assert_link")
        return self._state(organisation, statement, principal, provenance)

    def assert_link(
        self, organisation: str, statement: Statement, *, principal: str, provenance: Provenance
    ) -> Written:
        """See `EntityStore.assert_link`."""
        if statement.object_id is None:
            raise ValueError(f"{statement.property!r} is stated with a value: use assert_property")
        return self._state(organisation, statement, principal, provenance)

    def retract(self, organisation: str, assertion_id: str, *, principal: str, reason: str) -> Assertion:
        """See `EntityStore.retract`."""
        this = and_(assertions.c.organisation == organisation, assertions.c.assertion_id == assertion_id)
        retraction = {
            "retracted_at": microseconds(self._clock()),
            "retracted_by": principal,
            "retraction_reason": reason,
        }
        with self._writing() as connection:
            connection.execute(update(assertions).where(this, assertions.c.retracted_at.is_(None)).values(**retraction))
            row = connection.execute(select(assertions).where(this)).mappings().one_or_none()
        if row is None:
            raise AssertionNotFound(assertion_id)
        return assertion_of(_plain(row))

    def entity(self, organisation: str, entity_id: str, as_of: AsOf = NOW) -> Entity:
        """See `EntityStore.entity`."""
        found = self.entities_by_id(organisation, [entity_id], as_of).get(entity_id)
        if found is None:
            raise EntityNotFound(entity_id)
        return found

    def entities(
        self, organisation: str, pattern: Pattern = ANYTHING, *, as_of: AsOf = NOW, limit: int | None = None
    ) -> list[Entity]:
        """See `EntityStore.entities`."""
        moment = self._moment(as_of)
        query = entities_query(organisation, pattern, moment).limit(limit)
        with self._reading() as connection:
            found = connection.execute(query).all()
            return _with_values(connection, organisation, found, moment)

    def entities_by_id(self, organisation: str, entity_ids: Collection[str], as_of: AsOf = NOW) -> Mapping[str, Entity]:
        """See `EntityStore.entities_by_id`."""
        moment = self._moment(as_of)
        query = entities_query(organisation, ANYTHING, moment)
        entity_id = query.selected_columns.entity_id
        with self._reading() as connection:
            found = [
                row
                for chunk in _chunks(entity_ids)
                for row in connection.execute(query.where(entity_id.in_(chunk))).all()
            ]
            return {each.entity_id: each for each in _with_values(connection, organisation, found, moment)}

    def links(
        self,
        organisation: str,
        entity_ids: Collection[str],
        *,
        direction: Direction = "out",
        types: Collection[str] = (),
        as_of: AsOf = NOW,
    ) -> list[Link]:
        """See `EntityStore.links`."""
        near = assertions.c.subject_id if direction == "out" else assertions.c.object_id
        query = select(assertions).where(
            assertions.c.organisation == organisation,
            assertions.c.object_id.is_not(None),
            visible(assertions, self._moment(as_of)),
        )
        if types:
            query = query.where(assertions.c.property.in_(types))
        with self._reading() as connection:
            rows = [
                row
                for chunk in _chunks(entity_ids)
                for row in connection.execute(query.where(near.in_(chunk))).mappings()
            ]
        found = [link_of(_plain(row)) for row in rows]
        return sorted(found, key=lambda link: (link.type, link.subject_id, link.object_id, link.assertion_id))

    def history(self, organisation: str, entity_id: str) -> list[Assertion]:
        """See `EntityStore.history`."""
        query = (
            select(assertions)
            .where(assertions.c.organisation == organisation, assertions.c.subject_id == entity_id)
            .order_by(assertions.c.recorded_at, assertions.c.assertion_id)
        )
        with self._reading() as connection:
            if not _types(connection, organisation, [entity_id]):
                raise EntityNotFound(entity_id)
            return [assertion_of(_plain(row)) for row in connection.execute(query).mappings()]

    def _state(self, organisation: str, statement: Statement, principal: str, provenance: Provenance) -> Written:
        return self.write(
            Batch(organisation=organisation, principal=principal, provenance=provenance, statements=(statement,))
        )

    def _tell_planner(self) -> None:
        """Until its statistics are renewed PostgreSQL takes a filled table for an empty one and joins row by row."""
        if self._engine.dialect.name == "postgresql":
            with self._writing() as connection:
                connection.exec_driver_sql(f"ANALYZE {entities.name}, {assertions.name}")

    def _moment(self, as_of: AsOf) -> Moment:
        valid = as_of.valid_at or self._clock()
        return Moment(microseconds(valid), as_of.recorded_at and microseconds(as_of.recorded_at))

    @contextmanager
    def _reading(self) -> Generator[Connection]:
        try:
            with self._snapshots.connect() as connection:
                yield connection
        except OperationalError as error:
            raise DatabaseUnavailable(self._engine.url.render_as_string(), str(error.orig)) from error

    @contextmanager
    def _writing(self) -> Generator[Connection]:
        try:
            with writing(self._engine) as connection:
                yield connection
        except OperationalError as error:
            raise DatabaseUnavailable(self._engine.url.render_as_string(), str(error.orig)) from error


def _insert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert rows that are not there yet; how many those were."""
    if not rows:
        return 0
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    # Not RETURNING, which makes one statement of many rows: psycopg takes a millisecond a row to read that.
    statement = insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    return connection.execute(statement, list(rows)).rowcount


def _entity_rows(batch: Batch, recorded_at: int) -> list[dict[str, Any]]:
    """One row an entity, in the order of identifiers, so that two writers never wait for each other in a circle."""
    rows = {
        each.entity_id: {
            "organisation": batch.organisation,
            "entity_id": each.entity_id,
            "type": each.type,
            "principal": batch.principal,
            "recorded_at": recorded_at,
        }
        for each in batch.entities
    }
    return [rows[entity_id] for entity_id in sorted(rows)]


def _check_types(connection: Connection, batch: Batch) -> None:
    there = _types(connection, batch.organisation, [each.entity_id for each in batch.entities])
    for each in batch.entities:
        if there[each.entity_id] != each.type:
            raise EntityInvalid(each.entity_id, f"is of type {there[each.entity_id]!r}, not {each.type!r}")


def _check_references(connection: Connection, batch: Batch) -> None:
    named = {name: None for each in batch.statements for name in (each.subject_id, each.object_id) if name}
    there = _types(connection, batch.organisation, named)
    for entity_id in named:
        if entity_id not in there:
            raise EntityNotFound(entity_id)


def _new_assertion_rows(connection: Connection, batch: Batch, recorded_at: int) -> list[dict[str, Any]]:
    """The rows of what does not stand yet, in the order of their digests (see `_entity_rows`)."""
    rows: dict[str, dict[str, Any]] = {}
    for statement in statements_of(batch):
        row = assertion_row(batch, statement, recorded_at)
        rows.setdefault(row["fact_digest"], row)
    earlier: dict[str, tuple[int, int]] = {}
    for chunk in _chunks(rows):
        counted = (
            select(assertions.c.fact_digest, func.count(), func.count(assertions.c.retracted_at))
            .where(assertions.c.organisation == batch.organisation, assertions.c.fact_digest.in_(chunk))
            .group_by(assertions.c.fact_digest)
        )
        earlier |= {digest: (count, retracted) for digest, count, retracted in connection.execute(counted)}
    new: list[dict[str, Any]] = []
    for digest in sorted(rows):
        count, retracted = earlier.get(digest, (0, 0))
        if count == retracted:
            # Said anew after it was retracted: the same digest, and the next number.
            new.append(rows[digest] | {"assertion_id": f"{digest[:32]}-{count}"})
    return new


def _types(connection: Connection, organisation: str, entity_ids: Iterable[str]) -> dict[str, str]:
    """The types of those of these entities that are there."""
    found: dict[str, str] = {}
    for chunk in _chunks(entity_ids):
        query = select(entities.c.entity_id, entities.c.type).where(
            entities.c.organisation == organisation, entities.c.entity_id.in_(chunk)
        )
        found |= {row.entity_id: row.type for row in connection.execute(query)}
    return found


def _with_values(
    connection: Connection, organisation: str, found: Sequence[Row[str, str, str | None]], moment: Moment
) -> list[Entity]:
    """Entities with their values, in the order of the rows that name them."""
    values: dict[str, dict[str, list[PropertyValue]]] = defaultdict(lambda: defaultdict(list))
    for chunk in _chunks(row.entity_id for row in found):
        for row in connection.execute(_values_query(organisation, chunk, moment)).mappings():
            known = values[row["subject_id"]][row["property"]]
            value = value_of(_plain(row))
            # Two sources that say the same are two assertions, and one value.
            if not any(each == value and type(each) is type(value) for each in known):
                known.append(value)
    return [
        Entity(
            entity_id=row.entity_id,
            organisation=organisation,
            type=row.type,
            name=row.entity_id if row.name is None else json.loads(row.name),
            properties={name: tuple(each) for name, each in values[row.entity_id].items()},
        )
        for row in found
    ]


def _values_query(organisation: str, entity_ids: Sequence[str], moment: Moment) -> Select[str, str, str | None]:
    return (
        select(assertions.c.subject_id, assertions.c.property, assertions.c.value)
        .where(
            assertions.c.organisation == organisation,
            assertions.c.subject_id.in_(entity_ids),
            assertions.c.value.is_not(None),
            assertions.c.property != LABEL,
            visible(assertions, moment),
        )
        .order_by(assertions.c.property, assertions.c.recorded_at, assertions.c.assertion_id)
    )


def _plain(row: RowMapping) -> dict[str, Any]:
    return {str(key): value for key, value in row.items()}


def _chunks(items: Iterable[str]) -> Iterator[list[str]]:
    every = list(items)
    for start in range(0, len(every), _CHUNK):
        yield every[start : start + _CHUNK]
