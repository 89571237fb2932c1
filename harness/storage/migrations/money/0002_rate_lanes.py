"""What endpoints let through a minute, and how much of it is taken."""

import sqlalchemy as sa
from alembic import op

revision = "0002_rate_lanes"
down_revision = "0001_money"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "rate_lanes",
        sa.Column("organisation", sa.Text, primary_key=True),
        sa.Column("endpoint", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("unit", sa.Text, primary_key=True),
        sa.Column("per_minute", sa.BigInteger),
        sa.Column("due_us", sa.BigInteger, nullable=False),
        sa.Column("spans", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
