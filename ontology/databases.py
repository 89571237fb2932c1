"""Opening the SQL databases that records live in, and bringing their tables up to date.

The one place that chooses the SQLite library. The packages above open their databases here too, because one
process must never open a database file with two SQLite builds. What the tables mean is left to their owners.
"""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from ontology.exceptions import DatabaseTooNew, DatabaseUnavailable, UnsafeSQLite

# 3.7.0 to 3.51.2 can corrupt a WAL database with two connections. https://sqlite.org/wal.html#walresetbug
SAFE_SQLITE = (3, 51, 3)

Synchronous = Literal["FULL", "NORMAL"]

_upgrading = threading.Lock()


@dataclass(frozen=True)
class Migrations:
    """The Alembic revisions of one package: a folder, the table that holds where a database stands, and the newest.

    `newest` repeats what the folder says so that opening an up-to-date database needs one SELECT and not Alembic,
    whose import costs more than the rest of a start; a test holds the two equal.
    """

    folder: Path
    version_table: str
    newest: str


def sqlite_url(path: Path) -> URL:
    """The address of a SQLite file; its folder is made when it is opened."""
    return URL.create("sqlite", database=str(path))


def open_database(
    url: URL | str, *, schema: str | None = None, synchronous: Synchronous = "NORMAL", busy_seconds: float = 30.0
) -> Engine:
    """Open a SQLite or PostgreSQL database.

    SQLite files are opened in WAL mode with foreign keys on and freed pages overwritten (`secure_delete`), by the
    library of the wheel `pysqlite3`.

    Args:
        schema: of PostgreSQL, made if it is not there: what is a file of its own in SQLite. None: the user's default.
        synchronous: when SQLite waits for the disk. NORMAL can lose the last commits in a power cut, never in a
            crash of the process; FULL loses none.
        busy_seconds: how long a connection waits for another's write lock.

    Raises:
        UnsafeSQLite: the library is older than `SAFE_SQLITE`.
    """
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        return _open_sqlite(address, synchronous, busy_seconds)
    if address.get_backend_name() == "postgresql":
        return _open_postgres(address, schema)
    raise ValueError(f"{address.render_as_string()!r}: only sqlite:// and postgresql:// addresses are known")


@contextmanager
def writing(engine: Engine) -> Generator[Connection]:
    """A transaction that means to write: takes SQLite's write lock at once, so that it cannot fail half-way for it."""
    with engine.execution_options(sqlite_begin="IMMEDIATE").begin() as connection:
        yield connection


def upgrade(engine: Engine, migrations: Migrations) -> None:
    """Create or upgrade one package's tables; does nothing to a database that is up to date.

    Raises:
        DatabaseTooNew: the database was written by a newer version.
    """
    if _current_revision(engine, migrations.version_table) == migrations.newest:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("alembic_environment")))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(migrations.folder))
    with _upgrading, writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            # Two processes may start at once; the second waits here and then finds nothing to do.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('portable-harness migrations'))")
        config.attributes.update(connection=connection, version_table=migrations.version_table)
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            revision = str(_current_revision(engine, migrations.version_table))
            raise DatabaseTooNew(engine.url.render_as_string(), migrations.version_table, revision) from error


def _current_revision(engine: Engine, version_table: str) -> str | None:
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table(version_table):
                return None
            return connection.exec_driver_sql(f"SELECT version_num FROM {version_table}").scalar()
    except DBAPIError as error:
        reason = str(error.orig).strip() or "it does not answer"
        raise DatabaseUnavailable(engine.url.render_as_string(), reason) from error


def _open_postgres(url: URL, schema: str | None) -> Engine:
    address = url.set(drivername="postgresql+psycopg")
    if schema is None:
        return create_engine(address, pool_pre_ping=True)
    assert schema.isidentifier(), schema  # it comes from our own code
    engine = create_engine(address, pool_pre_ping=True, connect_args={"options": f"-csearch_path={schema},public"})
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('portable-harness migrations'))")
            connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    except OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0] if error.orig else "no answer"
        raise DatabaseUnavailable(url.render_as_string(), reason) from error
    return engine


def _open_sqlite(url: URL, synchronous: Synchronous, busy_seconds: float) -> Engine:
    from pysqlite3 import dbapi2

    library: Any = dbapi2  # its stub leaves out the version
    if library.sqlite_version_info < SAFE_SQLITE:
        raise UnsafeSQLite(library.sqlite_version, ".".join(map(str, SAFE_SQLITE)))
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, module=dbapi2, connect_args={"check_same_thread": False, "timeout": busy_seconds})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", f"synchronous={synchronous}", "foreign_keys=ON", "secure_delete=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine
