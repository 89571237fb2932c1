"""The harness's databases: three SQLite files under the home folder, or three schemas of one PostgreSQL database.

Money has its own, so that a bulk import or a VACUUM of another never holds up a hold. Each is opened when it is
first needed, and its tables brought up to date then.
"""

from functools import cached_property
from pathlib import Path

from sqlalchemy import Engine

from harness.storage.money_tables import MONEY_MIGRATIONS
from harness.storage.runs_tables import RUNS_MIGRATIONS
from harness.storage.transactions import TransactionWriter
from ontology.databases import open_database, sqlite_url, upgrade

MONEY, RUNS, MEMORY = "money", "runs", "memory"


class Databases:
    """Engines and writers, opened when first asked for.

    Args:
        home: where the SQLite files are.
        url: of a PostgreSQL database to use instead.
        power_safe: every commit on SQLite waits for the disk, not those of holds alone. PostgreSQL always does.
    """

    def __init__(self, home: Path, url: str | None = None, *, power_safe: bool = False) -> None:
        self._home = home
        self._url = url
        self._power_safe = power_safe
        self._opened: list[Engine] = []
        self._writers: list[TransactionWriter] = []

    @cached_property
    def money(self) -> Engine:
        """Ledger, holds, journal, tasks."""
        engine = self._open(MONEY)
        upgrade(engine, MONEY_MIGRATIONS)
        return engine

    @cached_property
    def runs(self) -> Engine:
        """Runs, checkpoints, versions of the bindings."""
        engine = self._open(RUNS)
        upgrade(engine, RUNS_MIGRATIONS)
        return engine

    @cached_property
    def memory(self) -> Engine:
        """Records and entities; their packages bring the tables up to date."""
        return self._open(MEMORY)

    @cached_property
    def money_writer(self) -> TransactionWriter:
        """The one writer of money in this process."""
        writer = TransactionWriter(self.money, name=MONEY, takes_turns=True, always_durable=self._power_safe)
        self._writers.append(writer)
        return writer

    @cached_property
    def runs_writer(self) -> TransactionWriter:
        """The one writer of runs in this process."""
        writer = TransactionWriter(self.runs, name=RUNS, always_durable=self._power_safe)
        self._writers.append(writer)
        return writer

    def close(self) -> None:
        """Finish what is being written and close all connections; idempotent."""
        for writer in self._writers:
            writer.close()
        for engine in self._opened:
            engine.dispose()

    def _open(self, name: str) -> Engine:
        if self._url is None:
            # It holds people's texts, so it is theirs alone. A folder that is there already keeps its rights.
            self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
            engine = open_database(
                sqlite_url(self._home / f"{name}.db"), synchronous="FULL" if self._power_safe else "NORMAL"
            )
        else:
            engine = open_database(self._url, schema=name)
        self._opened.append(engine)
        return engine
