"""Steps, questions, cached results, approved tools; runs that are steps or forks of others; writes kept in parts."""

import sqlalchemy as sa
from alembic import op

revision = "runs_0002"
down_revision = "runs_0001"
branch_labels = None
depends_on = None

_Identifier = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the columns and the tables."""
    for column in (
        sa.Column("parent_run_id", _Identifier),
        sa.Column("parent_path", _Identifier),
        sa.Column("forked_from", _Identifier),
        sa.Column("forked_step", sa.Integer),
        sa.Column("cancel_requested_at", sa.Text),
        sa.Column("cancel_requested_by", sa.Text),
        sa.Column("active_ms", sa.BigInteger, nullable=False, server_default="0"),
    ):
        op.add_column("runs", column)
    op.add_column("checkpoint_writes", sa.Column("parts", sa.Text))
    op.create_index("runs_by_parent", "runs", ["organisation", "parent_run_id", "parent_path"])
    _create_run_steps()
    _create_questions()
    _create_cached_results()
    op.create_table(
        "tool_approvals",
        sa.Column("organisation", sa.Text, primary_key=True),
        sa.Column("server", sa.Text, primary_key=True),
        sa.Column("tool", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("approved_at", sa.Text, nullable=False),
    )


def _create_run_steps() -> None:
    op.create_table(
        "run_steps",
        sa.Column("organisation", sa.Text, primary_key=True),
        sa.Column("run_id", _Identifier, primary_key=True),
        sa.Column("path", _Identifier, primary_key=True),
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("result_payload_id", _Identifier),
        sa.Column("error_payload_id", _Identifier),
        sa.Column("started_at", sa.Text, nullable=False),
        sa.Column("finished_at", sa.Text),
    )
    op.create_index("run_steps_by_position", "run_steps", ["organisation", "run_id", "position"])


def _create_questions() -> None:
    op.create_table(
        "questions",
        sa.Column("organisation", sa.Text, primary_key=True),
        sa.Column("question_id", _Identifier, primary_key=True),
        sa.Column("run_id", _Identifier, nullable=False),
        sa.Column("root_run_id", _Identifier, nullable=False),
        sa.Column("workflow", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("path", _Identifier, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("asked_payload_id", _Identifier, nullable=False),
        sa.Column("expires_at", sa.Text),
        sa.Column("asked_at", sa.Text, nullable=False),
        sa.Column("answer_payload_id", _Identifier),
        sa.Column("answered_by", sa.Text),
        sa.Column("answered_at", sa.Text),
    )
    op.create_index("questions_by_place", "questions", ["organisation", "run_id", "path", "digest"], unique=True)
    op.create_index("questions_by_root", "questions", ["organisation", "root_run_id"])


def _create_cached_results() -> None:
    op.create_table(
        "cached_results",
        sa.Column("organisation", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("run_id", _Identifier, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("payload_id", _Identifier, nullable=False),
        sa.Column("made_at", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Text, nullable=False),
    )
