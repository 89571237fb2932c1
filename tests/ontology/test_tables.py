"""The revisions make the tables that the code works with, and do it once."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from ontology import tables
from ontology.databases import upgrade


def test_the_revisions_make_the_tables_of_the_code(engine: Engine) -> None:
    upgrade(engine, tables.MIGRATIONS)

    with engine.connect() as connection:
        options = {"include_name": lambda name, kind, _parents: kind != "table" or name in tables.metadata.tables}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, tables.metadata) == []


def test_the_newest_revision_is_the_one_named_in_the_code() -> None:
    scripts = ScriptDirectory(str(tables.MIGRATIONS.folder), version_locations=[str(tables.MIGRATIONS.folder)])
    assert scripts.get_heads() == [tables.MIGRATIONS.newest]


def test_every_table_says_whose_its_rows_are() -> None:
    for table in tables.metadata.tables.values():
        assert table.name.startswith("ontology_")
        assert {"organisation", "principal"} <= set(table.columns.keys())
