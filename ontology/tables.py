"""The tables of the ontology. The revisions in `migrations/` create them; a test holds the two equal.

Times are microseconds since 1970 in UTC; text is compared by code point on every database.
"""

from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Table,
    Text,
)

from ontology.databases import Migrations

MIGRATIONS = Migrations(Path(__file__).with_name("migrations"), "alembic_version_ontology", "0001")

metadata = MetaData()

# PostgreSQL would order text by the server's language.
_Text = Text().with_variant(Text(collation="C"), "postgresql")

entities = Table(
    "ontology_entities",
    metadata,
    Column("organisation", _Text, primary_key=True),
    Column("entity_id", _Text, primary_key=True),
    Column("type", _Text, nullable=False),
    Column("principal", _Text, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Index("ontology_entities_by_type", "organisation", "type"),
)

assertions = Table(
    "ontology_assertions",
    metadata,
    Column("organisation", _Text, primary_key=True),
    # The fact's digest and how often it was asserted before: two processes that assert it at once make one row.
    Column("assertion_id", _Text, primary_key=True),
    Column("fact_digest", _Text, nullable=False),
    Column("subject_id", _Text, nullable=False),
    Column("property", _Text, nullable=False),
    Column("value", _Text),  # JSON; NULL in a link
    Column("value_digest", _Text),  # values are found by it: an index on long text is refused by PostgreSQL
    Column("value_folded", _Text),  # text without its case, as Python folds it: databases differ
    Column("object_id", _Text),
    Column("valid_from", BigInteger),
    Column("valid_to", BigInteger),
    Column("recorded_at", BigInteger, nullable=False),
    Column("retracted_at", BigInteger),
    Column("retracted_by", _Text),
    Column("retraction_reason", _Text),
    Column("confidence", Double, nullable=False),
    Column("principal", _Text, nullable=False),
    Column("schema_digest", _Text, nullable=False),
    Column("source", _Text, nullable=False),
    Column("run_id", _Text),
    Column("step", _Text),
    Column("model", _Text),
    Column("quote", _Text),
    Column("trust", _Text, nullable=False),
    ForeignKeyConstraint(
        ["organisation", "subject_id"],
        ["ontology_entities.organisation", "ontology_entities.entity_id"],
        name="ontology_assertions_subject",
    ),
    ForeignKeyConstraint(
        ["organisation", "object_id"],
        ["ontology_entities.organisation", "ontology_entities.entity_id"],
        name="ontology_assertions_object",
    ),
    Index("ontology_assertions_by_fact", "organisation", "fact_digest"),
    Index("ontology_assertions_by_subject", "organisation", "subject_id", "property"),
    Index("ontology_assertions_by_object", "organisation", "object_id", "property"),
    # The digest comes before the property: PostgreSQL without statistics took this index to find one name among all.
    Index("ontology_assertions_by_value", "organisation", "value_digest", "property"),
)
