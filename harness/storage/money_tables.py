"""The tables of `money.db`: limits, balances, holds, entries, the journal and its payloads, tasks, rate limits.

Amounts are whole nano-dollars, tokens or calls; times are ISO 8601 UTC text, which sorts by time.
Balances are a projection of entries and open holds. Each index is a page more that every call writes twice, so they
hold only the rows that are looked for by them.
"""

from pathlib import Path

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text, text

from ontology.databases import Migrations

metadata = MetaData()

# What is spent is told by these; the index condition stands word for word in the queries that are to use it.
SETTLED = "kind IN ('settle', 'expire', 'adjust')"

_OPEN = "status = 'open'"
_NAMED = "subject IS NOT NULL"

# SQLite numbers rows by INTEGER PRIMARY KEY only.
_Sequence = BigInteger().with_variant(Integer, "sqlite")
_CLOSINGS = text("kind IN ('settle', 'expire')")
_ADJUSTMENTS = text("kind = 'adjust'")

limits = Table(
    "limits",
    metadata,
    Column("limit_id", Text, primary_key=True),
    Column("organisation", Text, nullable=False),
    Column("scope_kind", Text, nullable=False),
    Column("scope_id", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("period", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("made_at", Text, nullable=False),
    Column("ended_at", Text),
    Index("limits_by_scope", "organisation", "scope_kind", "scope_id"),
)

balances = Table(
    "balances",
    metadata,
    Column("limit_id", Text, primary_key=True),
    Column("period_id", Text, primary_key=True),
    Column("spent", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

holds = Table(
    "holds",
    metadata,
    Column("send_id", Text, primary_key=True),
    Column("organisation", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("lease_until", Text, nullable=False),
    Column("nano_usd", BigInteger, nullable=False),
    Column("input_bound", BigInteger, nullable=False),
    Column("output_bound", BigInteger, nullable=False),
    Column("limit_spans", Text, nullable=False),
    Column("send", Text, nullable=False),
    Index("holds_open", "lease_until", sqlite_where=text(_OPEN), postgresql_where=text(_OPEN)),
    sqlite_with_rowid=False,
)

entries = Table(
    "entries",
    metadata,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("team", Text),
    Column("task_id", Text, nullable=False),
    Column("run_id", Text),
    Column("workflow", Text),
    Column("node", Text),
    Column("role", Text, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("send_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("binding_version", Integer, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("nano_usd", BigInteger, nullable=False),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("cache_read_tokens", BigInteger),
    Column("cache_write_tokens", BigInteger),
    Column("cache_write_1h_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("estimated", Integer, nullable=False),
    Column("price_source", Text),
    Column("price_version", Text),
    Column("request_id", Text),
    Column("error", Text),
    Column("latency_ms", Integer),
    Index("entries_by_run", "run_id"),
    Index("entries_by_time", "organisation", "at", sqlite_where=text(SETTLED), postgresql_where=text(SETTLED)),
    # One charge a send, whatever the code above does: it is held once, closed once, corrected once.
    # One hold a send is the holds' own key; these are the rest of "one charge a send".
    Index("entries_one_closing", "send_id", unique=True, sqlite_where=_CLOSINGS, postgresql_where=_CLOSINGS),
    Index("entries_one_adjustment", "send_id", unique=True, sqlite_where=_ADJUSTMENTS, postgresql_where=_ADJUSTMENTS),
)

replies = Table(
    "replies",
    metadata,
    Column("organisation", Text, primary_key=True),
    Column("call_id", Text, primary_key=True),
    Column("request_digest", Text, primary_key=True),
    Column("person", Text, nullable=False),
    Column("send_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("payload_id", Text, nullable=False),
    sqlite_with_rowid=False,
)

payloads = Table(
    "payloads",
    metadata,
    Column("payload_id", Text, primary_key=True),
    Column("organisation", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("run_id", Text),
    Column("subject", Text),
    Column("content", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Index("payloads_by_run", "run_id"),
    Index("payloads_by_subject", "organisation", "subject", sqlite_where=text(_NAMED), postgresql_where=text(_NAMED)),
)

tasks = Table(
    "tasks",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("organisation", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("run_id", Text),
    Column("workflow", Text),
    Column("parent_id", Text),
    Column("started_at", Text, nullable=False),
    Column("success", Integer),
    Column("evidence", Text),
    Column("value_nano_usd", BigInteger),
    Column("ended_at", Text),
    Index("tasks_by_run", "run_id"),
    Index("tasks_by_kind", "organisation", "kind"),
)

# Of nobody in particular: a vendor limits whole organisations.
rate_lanes = Table(
    "rate_lanes",
    metadata,
    Column("organisation", Text, primary_key=True),
    Column("endpoint", Text, primary_key=True),
    Column("address", Text, primary_key=True),  # a digest of where the endpoint is and whose account is used
    Column("model", Text, primary_key=True),  # its wire name; empty for a limit of the whole endpoint
    Column("unit", Text, primary_key=True),  # "requests" or "tokens"
    Column("per_minute", BigInteger),  # as an answer said; NULL where none did
    Column("due_us", BigInteger, nullable=False),  # microseconds since 1970 at which what was let through has run off
    Column("spans", Text, nullable=False),  # JSON: [span of time, tokens that left in it], of the last minute
    sqlite_with_rowid=False,
)

MONEY_MIGRATIONS = Migrations(
    Path(__file__).parent / "migrations" / "money", "alembic_version_money", "0002_rate_lanes"
)
