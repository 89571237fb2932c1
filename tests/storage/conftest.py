"""Real databases for the stores: a SQLite file and a PostgreSQL server that runs on a socket of its own folder."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from harness.storage.runs_tables import RUNS_MIGRATIONS
from harness.storage.transactions import TransactionWriter
from ontology.databases import open_database, sqlite_url, upgrade


@pytest.fixture(params=["sqlite", "postgresql"])
def runs_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with the tables of `runs.db`, empty."""
    if request.param == "sqlite":
        url = sqlite_url(tmp_path / "runs.db").render_as_string()
    else:
        url = request.getfixturevalue("postgres_url")
        _drop_everything(url)
    engine = open_database(url)
    upgrade(engine, RUNS_MIGRATIONS)
    engine.dispose()
    return url


@pytest.fixture
def engine(runs_url: str) -> Iterator[Engine]:
    """A database with the tables of `runs.db`."""
    opened = open_database(runs_url)
    yield opened
    opened.dispose()


@pytest.fixture
def writer(engine: Engine) -> Iterator[TransactionWriter]:
    """The one writer of that database."""
    writer = TransactionWriter(engine, name="runs")
    yield writer
    writer.close()


@pytest.fixture
def clock() -> Callable[[], datetime]:
    """A moment that does not move."""
    return lambda: datetime(2026, 11, 28, 9, 30, tzinfo=UTC)


def _drop_everything(url: str) -> None:
    engine = open_database(url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
