"""The revisions make the tables that the code describes."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from harness.storage.runs_tables import RUNS_MIGRATIONS, metadata


def test_the_revisions_make_exactly_these_tables(engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": RUNS_MIGRATIONS.version_table})
        assert compare_metadata(context, metadata) == []


def test_the_newest_revision_is_the_one_that_is_named(tmp_path):
    revisions = ScriptDirectory(str(tmp_path), version_locations=[str(RUNS_MIGRATIONS.folder)])

    assert revisions.get_heads() == [RUNS_MIGRATIONS.newest]


def test_every_table_says_for_whom():
    for table in metadata.tables.values():
        assert "organisation" in table.columns
        assert {"person", "made_by"} & set(table.columns.keys())


def test_a_new_database_carries_the_newest_revision(engine):
    with engine.connect() as connection:
        revision = connection.execute(text(f"SELECT version_num FROM {RUNS_MIGRATIONS.version_table}")).scalar()
    assert revision == RUNS_MIGRATIONS.newest
