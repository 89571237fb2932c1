"""Runs as the tests of `runs.db` need them, and writers that are held up in the middle of a transaction."""

import asyncio
import threading
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from harness.engines.run_store import NewRun, new_run_id
from harness.storage.sql_run_store import SqlRunStore
from harness.storage.transactions import Statement, TransactionWriter
from ontology.databases import open_database

START = datetime(2026, 11, 28, 9, 30, tzinfo=UTC)
NEW = NewRun(
    person="ada",
    workflow="licence_audit",
    spec={"nodes": {"classify": {"$": "send"}}},
    inputs={"who": "Grace's \ud800 é\0"},
    project="/home/ada/audit",
    binding_version=3,
)


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += timedelta(seconds=seconds)


def a_store(writer, clock, organisation="acme"):
    """A store whose clock moves by a second for each run."""
    chance = iter(range(10_000))

    def next_id():
        clock.advance(1)
        return new_run_id(clock.now, next(chance))

    return SqlRunStore(writer, organisation=organisation, clock=clock, new_id=next_id)


async def a_step(store, parent_id, path, **changes):
    """A run that is a step of another."""
    return await store.record(replace(NEW, parent_run_id=parent_id, parent_path=path, **changes))


async def a_held_run(store, owner="one", lease_seconds=30):
    """The id of a run that `owner` advances."""
    run_id = (await store.record(NEW)).run_id
    await store.claim(run_id, owner=owner, lease_seconds=lease_seconds)
    return run_id


def count(engine, table, where="1 = 1"):
    """How many rows a table has."""
    with engine.connect() as connection:
        return connection.execute(text(f"SELECT count(*) FROM {table} WHERE {where}")).scalar()


@asynccontextmanager
async def uncommitted(writer, *works):
    """Hand all of this to a writer as one transaction, and hold that up before its commit; yields the tasks."""
    begun, gathered, reached, over = (threading.Event() for _ in range(4))

    def gather():
        begun.set()
        assert gathered.wait(30)
        yield Statement("SELECT 1")

    def hold():
        yield Statement("SELECT 1")
        reached.set()
        assert over.wait(30)

    # While the writer waits in the first, what follows queues up behind it and is its next group.
    first = asyncio.create_task(writer.run(gather))
    await asyncio.to_thread(begun.wait, 30)
    tasks = [asyncio.create_task(work) for work in (*works, writer.run(hold))]
    for _ in range(3):
        await asyncio.sleep(0)  # each task runs to where it waits for the writer
    gathered.set()
    await asyncio.to_thread(reached.wait, 30)
    try:
        yield tasks[:-1]
    finally:
        over.set()
        await asyncio.gather(first, *tasks, return_exceptions=True)


@contextmanager
def another_process(url, clock):
    """A store with a writer of its own, as another process has it."""
    engine = open_database(url)
    writer = TransactionWriter(engine, name="other")
    try:
        yield a_store(writer, clock)
    finally:
        writer.close()
        engine.dispose()


async def somebody_waits_for_a_lock(engine):
    """Until some session of a PostgreSQL database waits for what another has locked."""
    asked = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    async with asyncio.timeout(30):
        while True:
            with engine.connect() as connection:
                if connection.execute(asked).scalar():
                    return
            await asyncio.sleep(0.01)
