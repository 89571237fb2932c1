"""A connection of SQLAlchemy's pool, used by its driver alone.

For statements so small that SQLAlchemy's own work on each would be half of their cost. They are raw SQL with
`:name` parameters, the same on both databases; drivers' errors are turned into the package's here.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Engine

from ontology.exceptions import DatabaseUnavailable

Row = Sequence[Any]

_NOTHING: Sequence[Row] = ()


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement; `:name` marks a parameter, on every database."""

    sql: str
    parameters: Mapping[str, object] = field(default_factory=dict[str, object])


# A text, which stays as it is, or a parameter; `::type` is a cast.
_TEXT_OR_PARAMETER = re.compile(r"'[^']*'|(?<!:):([A-Za-z_][A-Za-z0-9_]*)")


@lru_cache(maxsize=1024)
def _for_psycopg(sql: str) -> str:
    """The statement with its parameters as psycopg marks them."""
    escaped = sql.replace("%", "%%")
    return _TEXT_OR_PARAMETER.sub(lambda found: f"%({found[1]})s" if found[1] else found[0], escaped)


class DriverSession:
    """One connection; belongs to one thread at a time.

    Args:
        turns: on PostgreSQL, the name under which writing transactions of all processes take turns; None lets them
            run beside each other. On SQLite a writing transaction is always alone.
    """

    def __init__(self, engine: Engine, *, turns: str | None = None) -> None:
        self._engine = engine
        self._turns = turns
        self._sqlite = engine.dialect.name == "sqlite"
        driver_error = cast("type[Exception]", cast("Any", engine.dialect).loaded_dbapi.Error)
        # The last two are a driver's words for a number or a text that no column can hold.
        self._errors = (driver_error, OverflowError, UnicodeError)
        self._pooled: Any = None
        self._driver: Any = None
        self._durable = False

    def set_durable(self, durable: bool) -> None:
        """Whether the next commits wait for the disk. On PostgreSQL they always do."""
        if self._sqlite and (durable != self._durable or self._driver is None):
            self._run(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._durable = durable

    def begin(self) -> None:
        """Start a transaction that means to write, and wait for its turn.

        Raises:
            DatabaseUnavailable: the database is not there. A connection that broke since its last use is made anew
                first: nothing was begun on it, so nothing can be done twice.
        """
        if self._sqlite:
            self._run("BEGIN IMMEDIATE")
            return
        used_before = self._driver is not None
        try:
            self._run("BEGIN")
        except DatabaseUnavailable:
            if not used_before:
                raise
            self.close(broken=True)
            self._run("BEGIN")
        if self._turns is not None:
            self.execute(Statement("SELECT pg_advisory_xact_lock(hashtext(:turns))", {"turns": self._turns}))

    def execute(self, statement: Statement) -> Sequence[Row]:
        """Run one statement and return its rows, none for one that returns none.

        Raises:
            DatabaseUnavailable: the database refused it or is not there.
        """
        try:
            driver = self._connected()
            sql = statement.sql if self._sqlite else _for_psycopg(statement.sql)
            cursor = driver.execute(sql, statement.parameters)
            return _NOTHING if cursor.description is None else cast("Sequence[Row]", cursor.fetchall())
        except self._errors as error:
            raise self._unavailable(error) from error

    def commit(self) -> None:
        """Make it last."""
        self._run("COMMIT")

    def rollback(self) -> None:
        """Undo it; a connection that cannot is dropped and made anew at the next use."""
        if self._driver is None:
            return
        try:
            if not self._sqlite or self._driver.in_transaction:
                self._driver.execute("ROLLBACK")
        except self._errors:
            self.close(broken=True)

    def close(self, *, broken: bool = False) -> None:
        """Give the connection back to its pool; idempotent."""
        pooled, self._pooled, self._driver = self._pooled, None, None
        if pooled is None:
            return
        if broken:
            pooled.invalidate()
        elif not self._sqlite:
            pooled.driver_connection.autocommit = False  # as the pool's other users expect it
        elif self._durable:
            pooled.driver_connection.execute("PRAGMA synchronous=NORMAL")
        pooled.close()

    def _connected(self) -> Any:
        if self._driver is None:
            self._pooled = self._engine.raw_connection()
            self._driver = self._pooled.driver_connection
            if not self._sqlite:
                self._driver.autocommit = True  # BEGIN and COMMIT are ours to say
            self._durable = False
        return self._driver

    def _run(self, sql: str) -> None:
        try:
            self._connected().execute(sql)
        except self._errors as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> DatabaseUnavailable:
        words = str(error).strip()
        return DatabaseUnavailable(self._engine.url.render_as_string(), words.splitlines()[0] if words else repr(error))
