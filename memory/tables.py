"""The tables of the memory record, and the revisions that create them.

What stands here is text and facts; no column knows a model's dimensions except in `memory_spaces`, which says whose
vectors the index holds and can be emptied with it. The full-text tables differ a database and stand with their adapters.
"""

from datetime import datetime
from pathlib import Path

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, MetaData, Table, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator
from typing_extensions import override

from memory.records import from_microseconds, microseconds
from ontology.databases import Migrations

MIGRATIONS = Migrations(
    folder=Path(__file__).with_name("migrations"), version_table="alembic_version_memory", newest="0001"
)


class UtcMicroseconds(TypeDecorator[datetime]):
    """A time as whole microseconds since 1970 in UTC: exact, sortable and the same in both databases."""

    impl = BigInteger
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else microseconds(value)

    @override
    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else from_microseconds(value)


# SQLite numbers rows only through a column whose type is spelled INTEGER.
_ROW_NUMBER = BigInteger().with_variant(Integer(), "sqlite")

METADATA = MetaData()

records = Table(
    "memory_records",
    METADATA,
    Column("row_id", _ROW_NUMBER, primary_key=True, autoincrement=True),
    Column("version_id", Text, nullable=False, unique=True),
    Column("record_id", Text, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("team", Text),
    Column("person", Text),
    Column("agent", Text),
    Column("session", Text),
    Column("text", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("run_id", Text),
    Column("step", Text),
    Column("model", Text),
    Column("quote", Text),
    Column("trust", Text, nullable=False),
    Column("valid_from", UtcMicroseconds),
    Column("valid_to", UtcMicroseconds),
    Column("recorded_at", UtcMicroseconds, nullable=False),
    Column("superseded_at", UtcMicroseconds),
    Column("confidence", Float),
    Column("sensitivity", Text, nullable=False),
    Column("expires_at", UtcMicroseconds),
    Column("digest", Text, nullable=False),
    Index("memory_records_by_id", "record_id", "recorded_at"),
    Index("memory_records_by_scope", "organisation", "person", "session"),
    Index("memory_records_by_source", "organisation", "source"),
    Index("memory_records_by_run", "organisation", "run_id"),
)

# One version of a record is current, whoever writes.
Index(
    "memory_records_current",
    records.c.record_id,
    unique=True,
    sqlite_where=records.c.superseded_at.is_(None),
    postgresql_where=records.c.superseded_at.is_(None),
)

# What a version is about (relation "subject": entity ids) and was made from ("lineage": record ids).
links = Table(
    "memory_record_links",
    METADATA,
    Column("version_id", Text, ForeignKey("memory_records.version_id", ondelete="CASCADE"), primary_key=True),
    Column("relation", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("organisation", Text, nullable=False),
    Index("memory_record_links_by_target", "organisation", "relation", "target"),
)

# Versions whose vectors do not agree with the record yet; written in the record's transaction.
outbox = Table(
    "memory_outbox",
    METADATA,
    Column("entry_id", _ROW_NUMBER, primary_key=True, autoincrement=True),
    Column("organisation", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("version_id", Text, nullable=False),
    Column("queued_at", UtcMicroseconds, nullable=False),
    Index("memory_outbox_by_organisation", "organisation", "entry_id"),
)

# Whose vectors the index of an organisation holds: building, serving or retired.
spaces = Table(
    "memory_spaces",
    METADATA,
    Column("organisation", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("model_digest", Text, nullable=False),
    Column("dimensions", Integer, nullable=False),
    Column("pooling", Text, nullable=False),
    Column("record_prefix", Text, nullable=False),
    Column("query_prefix", Text, nullable=False),
    Column("metric", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("since", UtcMicroseconds, nullable=False),
)

Index(
    "memory_spaces_serving",
    spaces.c.organisation,
    unique=True,
    sqlite_where=spaces.c.state == "serving",
    postgresql_where=spaces.c.state == "serving",
)
