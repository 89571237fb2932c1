"""Runs, checkpoints, payloads and binding versions."""

import sqlalchemy as sa
from alembic import op

revision = "runs_0001"
down_revision = None
branch_labels = None
depends_on = None

_Identifier = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    _create_payloads()
    _create_runs()
    _create_checkpoints()
    op.create_table(
        "binding_versions",
        sa.Column("version", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("organisation", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("made_at", sa.Text, nullable=False),
    )
    op.create_index("binding_versions_by_organisation", "binding_versions", ["organisation", "version"])


def _create_payloads() -> None:
    op.create_table(
        "payloads",
        sa.Column("payload_id", _Identifier, primary_key=True),
        sa.Column("organisation", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("run_id", _Identifier, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("subject", sa.Text),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
    )
    op.create_index("payloads_by_run", "payloads", ["organisation", "run_id"])
    op.create_index("payloads_by_subject", "payloads", ["organisation", "subject"])


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("organisation", sa.Text, primary_key=True),
        sa.Column("run_id", _Identifier, primary_key=True),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("workflow", sa.Text, nullable=False),
        sa.Column("spec_digest", sa.Text, nullable=False),
        sa.Column("spec_payload_id", _Identifier, nullable=False),
        sa.Column("inputs_payload_id", _Identifier, nullable=False),
        sa.Column("project", sa.Text, nullable=False),
        sa.Column("task_id", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("lease_until", sa.Text),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("started_at", sa.Text),
        sa.Column("finished_at", sa.Text),
        sa.Column("error_payload_id", _Identifier),
        sa.Column("binding_version_at_start", sa.Integer, nullable=False),
    )
    op.create_index("runs_by_status", "runs", ["organisation", "status", "lease_until"])


def _create_checkpoints() -> None:
    op.create_table(
        "checkpoints",
        sa.Column("organisation", sa.Text, primary_key=True),
        sa.Column("thread_id", _Identifier, primary_key=True),
        sa.Column("checkpoint_ns", _Identifier, primary_key=True),
        sa.Column("checkpoint_id", _Identifier, primary_key=True),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("parent_checkpoint_id", _Identifier),
        sa.Column("run_id", _Identifier, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("channels", sa.Text, nullable=False),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("metadata_payload_id", _Identifier),
        sa.Column("created_at", sa.Text, nullable=False),
    )
    op.create_index("checkpoints_by_run", "checkpoints", ["organisation", "run_id"])
    op.create_table(
        "checkpoint_writes",
        sa.Column("organisation", sa.Text, primary_key=True),
        sa.Column("thread_id", _Identifier, primary_key=True),
        sa.Column("checkpoint_ns", _Identifier, primary_key=True),
        sa.Column("checkpoint_id", _Identifier, primary_key=True),
        sa.Column("task_id", _Identifier, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("task_path", _Identifier, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("payload_id", _Identifier),
        sa.Column("number", sa.Text),
        sqlite_with_rowid=False,
    )
