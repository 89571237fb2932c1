"""Entities and the assertions about them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "ontology_entities",
        sa.Column("organisation", TEXT, primary_key=True),
        sa.Column("entity_id", TEXT, primary_key=True),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("principal", TEXT, nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ontology_entities_by_type", "ontology_entities", ["organisation", "type"])
    op.create_table(
        "ontology_assertions",
        sa.Column("organisation", TEXT, primary_key=True),
        sa.Column("assertion_id", TEXT, primary_key=True),
        sa.Column("fact_digest", TEXT, nullable=False),
        sa.Column("subject_id", TEXT, nullable=False),
        sa.Column("property", TEXT, nullable=False),
        sa.Column("value", TEXT),
        sa.Column("value_digest", TEXT),
        sa.Column("value_folded", TEXT),
        sa.Column("object_id", TEXT),
        sa.Column("valid_from", sa.BigInteger),
        sa.Column("valid_to", sa.BigInteger),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("retracted_at", sa.BigInteger),
        sa.Column("retracted_by", TEXT),
        sa.Column("retraction_reason", TEXT),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("principal", TEXT, nullable=False),
        sa.Column("schema_digest", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("run_id", TEXT),
        sa.Column("step", TEXT),
        sa.Column("model", TEXT),
        sa.Column("quote", TEXT),
        sa.Column("trust", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation", "subject_id"],
            ["ontology_entities.organisation", "ontology_entities.entity_id"],
            name="ontology_assertions_subject",
        ),
        sa.ForeignKeyConstraint(
            ["organisation", "object_id"],
            ["ontology_entities.organisation", "ontology_entities.entity_id"],
            name="ontology_assertions_object",
        ),
    )
    table = "ontology_assertions"
    op.create_index("ontology_assertions_by_fact", table, ["organisation", "fact_digest"])
    op.create_index("ontology_assertions_by_subject", table, ["organisation", "subject_id", "property"])
    op.create_index("ontology_assertions_by_object", table, ["organisation", "object_id", "property"])
    op.create_index("ontology_assertions_by_value", table, ["organisation", "value_digest", "property"])


def downgrade() -> None:
    op.drop_table("ontology_assertions")
    op.drop_table("ontology_entities")
