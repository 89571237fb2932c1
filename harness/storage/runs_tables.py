"""The tables of `runs.db`: runs with what they did and asked, payloads, cached results, approved tools, bindings.

Text of people is in `payloads` alone, found by run and subject, so that it can be erased; every other column holds
identifiers, digests and numbers. No foreign key leads to `payloads`: what was erased leaves its digest behind, and
reading it says so. How the tables are read and written is left to the stores beside this module.
"""

from pathlib import Path

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text

from ontology.databases import Migrations

RUNS_MIGRATIONS = Migrations(
    folder=Path(__file__).parent / "migrations" / "runs",
    version_table="alembic_version_runs",
    newest="runs_0002",
)

# Identifiers are compared and sorted byte by byte everywhere: "newest" and a prefix must not depend on a locale.
_Identifier = Text().with_variant(Text(collation="C"), "postgresql")

metadata = MetaData()

payloads = Table(
    "payloads",
    metadata,
    # SHA-256 of organisation, run, holder and content: equal content is stored once a run, and erased with it.
    Column("payload_id", _Identifier, primary_key=True),
    Column("organisation", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("run_id", _Identifier, nullable=False),
    Column("holder", Text, nullable=False),  # "run", "checkpoint", "step" or "cache": with what it may be dropped
    Column("subject", Text),  # whom the text is about, where that is known
    Column("content", Text, nullable=False),  # JSON
    Column("created_at", Text, nullable=False),  # ISO 8601, UTC, microseconds; so are all times here
    Index("payloads_by_run", "organisation", "run_id"),
    Index("payloads_by_subject", "organisation", "subject"),
)

runs = Table(
    "runs",
    metadata,
    Column("organisation", Text, primary_key=True),
    Column("run_id", _Identifier, primary_key=True),
    Column("person", Text, nullable=False),
    Column("workflow", Text, nullable=False),
    Column("spec_digest", Text, nullable=False),
    Column("spec_payload_id", _Identifier, nullable=False),
    Column("inputs_payload_id", _Identifier, nullable=False),
    Column("project", Text, nullable=False),  # the folder of harness.yaml
    Column("task_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("owner", Text),
    Column("lease_until", Text),
    Column("created_at", Text, nullable=False),
    Column("started_at", Text),
    Column("finished_at", Text),
    Column("error_payload_id", _Identifier),
    Column("binding_version_at_start", Integer, nullable=False),
    Column("parent_run_id", _Identifier),  # the run that this one is a step of
    Column("parent_path", _Identifier),  # and where in it
    Column("forked_from", _Identifier),
    Column("forked_step", Integer),
    Column("cancel_requested_at", Text),
    Column("cancel_requested_by", Text),
    Column("active_ms", BigInteger, nullable=False, server_default="0"),  # while some process advanced it
    Index("runs_by_status", "organisation", "status", "lease_until"),
    Index("runs_by_parent", "organisation", "parent_run_id", "parent_path"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("organisation", Text, primary_key=True),
    Column("thread_id", _Identifier, primary_key=True),
    Column("checkpoint_ns", _Identifier, primary_key=True),
    Column("checkpoint_id", _Identifier, primary_key=True),
    Column("person", Text, nullable=False),
    Column("parent_checkpoint_id", _Identifier),
    Column("run_id", _Identifier, nullable=False),
    Column("document", Text, nullable=False),  # JSON: format version, time, versions seen, channels updated
    Column(
        "channels", Text, nullable=False
    ),  # JSON: {channel: [version, payload_id | [payload_id ...] | null, number?]}
    Column("metadata", Text, nullable=False),  # JSON: source, step, parents, run_id and other numbers
    Column("metadata_payload_id", _Identifier),  # what else the caller's metadata holds
    Column("created_at", Text, nullable=False),
    Index("checkpoints_by_run", "organisation", "run_id"),
)

checkpoint_writes = Table(
    "checkpoint_writes",
    metadata,
    Column("organisation", Text, primary_key=True),
    Column("thread_id", _Identifier, primary_key=True),
    Column("checkpoint_ns", _Identifier, primary_key=True),
    Column("checkpoint_id", _Identifier, primary_key=True),
    Column("task_id", _Identifier, primary_key=True),
    Column("position", Integer, primary_key=True),  # below zero for errors, interrupts and resumes
    Column("person", Text, nullable=False),
    Column("task_path", _Identifier, nullable=False),
    Column("channel", Text, nullable=False),
    Column("payload_id", _Identifier),
    Column("number", Text),  # JSON null, boolean or number: what needs no payload
    Column("parts", Text),  # JSON: [payload_id ...] of a long list or mapping
    sqlite_with_rowid=False,
)

run_steps = Table(
    "run_steps",
    metadata,
    Column("organisation", Text, primary_key=True),
    Column("run_id", _Identifier, primary_key=True),
    Column("path", _Identifier, primary_key=True),
    Column("digest", Text, primary_key=True),  # of what went in: a result answers only that
    Column("person", Text, nullable=False),
    Column("position", Integer, nullable=False),  # in the order they began
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("result_payload_id", _Identifier),
    Column("error_payload_id", _Identifier),
    Column("started_at", Text, nullable=False),
    Column("finished_at", Text),
    Index("run_steps_by_position", "organisation", "run_id", "position"),
)

questions = Table(
    "questions",
    metadata,
    Column("organisation", Text, primary_key=True),
    Column("question_id", _Identifier, primary_key=True),
    Column("run_id", _Identifier, nullable=False),
    Column("root_run_id", _Identifier, nullable=False),
    Column("workflow", Text, nullable=False),
    Column("person", Text, nullable=False),  # whose run it is
    Column("path", _Identifier, nullable=False),
    Column("node", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("asked_payload_id", _Identifier, nullable=False),  # text, shows, answer schema, who may answer
    Column("expires_at", Text),
    Column("asked_at", Text, nullable=False),
    Column("answer_payload_id", _Identifier),
    Column("answered_by", Text),
    Column("answered_at", Text),
    Index("questions_by_place", "organisation", "run_id", "path", "digest", unique=True),
    Index("questions_by_root", "organisation", "root_run_id"),
)

cached_results = Table(
    "cached_results",
    metadata,
    Column("organisation", Text, primary_key=True),
    Column("digest", Text, primary_key=True),  # of inputs, binding, node and whose it is
    Column("run_id", _Identifier, nullable=False),  # that made it, and whose payload it is
    Column("person", Text, nullable=False),
    Column("payload_id", _Identifier, nullable=False),
    Column("made_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
)

tool_approvals = Table(
    "tool_approvals",
    metadata,
    Column("organisation", Text, primary_key=True),
    Column("server", Text, primary_key=True),
    Column("tool", Text, primary_key=True),
    Column("digest", Text, nullable=False),  # of name, description and schema, as they were approved
    Column("document", Text, nullable=False),  # JSON: what was approved, to show what changed
    Column("person", Text, nullable=False),  # who approved it
    Column("approved_at", Text, nullable=False),
)

binding_versions = Table(
    "binding_versions",
    metadata,
    Column("version", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("organisation", Text, nullable=False),
    Column("document", Text, nullable=False),  # JSON: all bindings of this version
    Column("reason", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("made_at", Text, nullable=False),
    Index("binding_versions_by_organisation", "organisation", "version"),
)
