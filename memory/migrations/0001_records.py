"""The memory record, its links, outbox, spaces and full text."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_records()
    _create_links()
    _create_outbox()
    _create_spaces()
    if op.get_bind().dialect.name == "sqlite":
        _create_fts5()
    else:
        _create_postgres_text()


def _create_records() -> None:
    op.create_table(
        "memory_records",
        sa.Column("row_id", ROW_NUMBER, primary_key=True, autoincrement=True),
        sa.Column("version_id", sa.Text, nullable=False, unique=True),
        sa.Column("record_id", sa.Text, nullable=False),
        sa.Column("organisation", sa.Text, nullable=False),
        *(sa.Column(name, sa.Text) for name in ("team", "person", "agent", "session")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("text", "kind", "author")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("source", "principal", "place")),
        *(sa.Column(name, sa.Text) for name in ("run_id", "step", "model", "quote")),
        sa.Column("trust", sa.Text, nullable=False),
        sa.Column("valid_from", sa.BigInteger),
        sa.Column("valid_to", sa.BigInteger),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("superseded_at", sa.BigInteger),
        sa.Column("confidence", sa.Float),
        sa.Column("sensitivity", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("digest", sa.Text, nullable=False),
    )
    op.create_index("memory_records_by_id", "memory_records", ["record_id", "recorded_at"])
    op.create_index("memory_records_by_scope", "memory_records", ["organisation", "person", "session"])
    op.create_index("memory_records_by_source", "memory_records", ["organisation", "source"])
    op.create_index("memory_records_by_run", "memory_records", ["organisation", "run_id"])
    _create_partial_index("memory_records_current", "memory_records", "record_id", "superseded_at IS NULL")


def _create_links() -> None:
    op.create_table(
        "memory_record_links",
        sa.Column(
            "version_id", sa.Text, sa.ForeignKey("memory_records.version_id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("relation", sa.Text, primary_key=True),
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("organisation", sa.Text, nullable=False),
    )
    op.create_index("memory_record_links_by_target", "memory_record_links", ["organisation", "relation", "target"])


def _create_outbox() -> None:
    op.create_table(
        "memory_outbox",
        sa.Column("entry_id", ROW_NUMBER, primary_key=True, autoincrement=True),
        sa.Column("organisation", sa.Text, nullable=False),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("version_id", sa.Text, nullable=False),
        sa.Column("queued_at", sa.BigInteger, nullable=False),
    )
    op.create_index("memory_outbox_by_organisation", "memory_outbox", ["organisation", "entry_id"])


def _create_spaces() -> None:
    op.create_table(
        "memory_spaces",
        sa.Column("organisation", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("model_digest", sa.Text, nullable=False),
        sa.Column("dimensions", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("pooling", "record_prefix", "query_prefix")),
        sa.Column("metric", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
    )
    _create_partial_index("memory_spaces_serving", "memory_spaces", "organisation", "state = 'serving'")


def _create_partial_index(name: str, table: str, column: str, condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, [column], unique=True, sqlite_where=where, postgresql_where=where)


def _create_fts5() -> None:
    # Without content: the text stands once, in memory_records. secure-delete leaves no word of a removed row.
    op.execute(
        "CREATE VIRTUAL TABLE memory_fts USING fts5("
        "text, neighbours, content='', contentless_delete=1, tokenize='porter unicode61')"
    )
    op.execute("INSERT INTO memory_fts(memory_fts, rank) VALUES ('secure-delete', 1)")


def _create_postgres_text() -> None:
    op.execute(
        "CREATE TABLE memory_full_text ("
        "version_id text PRIMARY KEY REFERENCES memory_records (version_id) ON DELETE CASCADE, "
        "organisation text NOT NULL, document tsvector NOT NULL)"
    )
    op.execute("CREATE INDEX memory_full_text_document ON memory_full_text USING gin (document)")
