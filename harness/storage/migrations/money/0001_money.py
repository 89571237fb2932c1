"""Limits, balances, holds, entries that cannot be changed, the journal, tasks."""

import sqlalchemy as sa
from alembic import op

revision = "0001_money"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    sequence = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "limits",
        sa.Column("limit_id", sa.Text, primary_key=True),
        sa.Column("organisation", sa.Text, nullable=False),
        sa.Column("scope_kind", sa.Text, nullable=False),
        sa.Column("scope_id", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("zone", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("made_at", sa.Text, nullable=False),
        sa.Column("ended_at", sa.Text),
    )
    op.create_index("limits_by_scope", "limits", ["organisation", "scope_kind", "scope_id"])
    op.create_table(
        "balances",
        sa.Column("limit_id", sa.Text, primary_key=True),
        sa.Column("period_id", sa.Text, primary_key=True),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.Column("held", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "holds",
        sa.Column("send_id", sa.Text, primary_key=True),
        sa.Column("organisation", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("lease_until", sa.Text, nullable=False),
        sa.Column("nano_usd", sa.BigInteger, nullable=False),
        sa.Column("input_bound", sa.BigInteger, nullable=False),
        sa.Column("output_bound", sa.BigInteger, nullable=False),
        sa.Column("limit_spans", sa.Text, nullable=False),
        sa.Column("send", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    still_open = sa.text("status = 'open'")
    op.create_index("holds_open", "holds", ["lease_until"], sqlite_where=still_open, postgresql_where=still_open)
    op.create_table(
        "entries",
        sa.Column("seq", sequence, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("organisation", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("team", sa.Text),
        sa.Column("task_id", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text),
        sa.Column("workflow", sa.Text),
        sa.Column("node", sa.Text),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("send_id", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("binding_version", sa.Integer, nullable=False),
        sa.Column("calls", sa.Integer, nullable=False),
        sa.Column("nano_usd", sa.BigInteger, nullable=False),
        sa.Column("input_tokens", sa.BigInteger),
        sa.Column("output_tokens", sa.BigInteger),
        sa.Column("cache_read_tokens", sa.BigInteger),
        sa.Column("cache_write_tokens", sa.BigInteger),
        sa.Column("cache_write_1h_tokens", sa.BigInteger),
        sa.Column("reasoning_tokens", sa.BigInteger),
        sa.Column("estimated", sa.Integer, nullable=False),
        sa.Column("price_source", sa.Text),
        sa.Column("price_version", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("latency_ms", sa.Integer),
    )
    settled = sa.text("kind IN ('settle', 'expire', 'adjust')")
    op.create_index("entries_by_run", "entries", ["run_id"])
    op.create_index(
        "entries_by_time", "entries", ["organisation", "at"], sqlite_where=settled, postgresql_where=settled
    )
    for name, which in (
        ("entries_one_closing", "kind IN ('settle', 'expire')"),
        ("entries_one_adjustment", "kind = 'adjust'"),
    ):
        where = sa.text(which)
        op.create_index(name, "entries", ["send_id"], unique=True, sqlite_where=where, postgresql_where=where)
    op.create_table(
        "replies",
        sa.Column("organisation", sa.Text, primary_key=True),
        sa.Column("call_id", sa.Text, primary_key=True),
        sa.Column("request_digest", sa.Text, primary_key=True),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("send_id", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("payload_id", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "payloads",
        sa.Column("payload_id", sa.Text, primary_key=True),
        sa.Column("organisation", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text),
        sa.Column("subject", sa.Text),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
    )
    op.create_index("payloads_by_run", "payloads", ["run_id"])
    named = sa.text("subject IS NOT NULL")
    op.create_index(
        "payloads_by_subject", "payloads", ["organisation", "subject"], sqlite_where=named, postgresql_where=named
    )
    op.create_table(
        "tasks",
        sa.Column("task_id", sa.Text, primary_key=True),
        sa.Column("organisation", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text),
        sa.Column("workflow", sa.Text),
        sa.Column("parent_id", sa.Text),
        sa.Column("started_at", sa.Text, nullable=False),
        sa.Column("success", sa.Integer),
        sa.Column("evidence", sa.Text),
        sa.Column("value_nano_usd", sa.BigInteger),
        sa.Column("ended_at", sa.Text),
    )
    op.create_index("tasks_by_run", "tasks", ["run_id"])
    op.create_index("tasks_by_kind", "tasks", ["organisation", "kind"])
    for statement in _APPEND_ONLY[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    for table in ("tasks", "payloads", "replies", "entries", "holds", "balances", "limits"):
        op.drop_table(table)


# An entry is never changed and never removed, whoever asks.
_APPEND_ONLY = {
    "sqlite": [
        (
            "CREATE TRIGGER entries_are_not_changed BEFORE UPDATE ON entries "
            "BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END"
        ),
        (
            "CREATE TRIGGER entries_are_not_removed BEFORE DELETE ON entries "
            "BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END"
        ),
    ],
    "postgresql": [
        (
            "CREATE FUNCTION entries_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'entries are append-only'; END $$"
        ),
        (
            "CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE ON entries "
            "FOR EACH ROW EXECUTE FUNCTION entries_append_only()"
        ),
    ],
}
