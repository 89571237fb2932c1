"""Begins an effect or finishes a step of a run, says so, and waits; for a test that kills it."""

import asyncio
import sys
from datetime import UTC, datetime

from harness.storage.sql_step_journal import SqlStepJournal
from harness.storage.transactions import TransactionWriter
from ontology.databases import open_database


async def main(url: str, run_id: str, until: str) -> None:
    journal = SqlStepJournal(
        TransactionWriter(open_database(url), name="runs"),
        organisation="acme",
        run_id=run_id,
        person="ada",
        owner="killed",
        clock=lambda: datetime.now(UTC),
        row_lock="" if url.startswith("sqlite") else "FOR SHARE",
    )
    await journal.begin("send", "tool", "d", durable=True)
    if until == "finished":
        await journal.finish("send", "d", {"sent": [1, "é"]})
    print(until, flush=True)  # noqa: T201 - this is how the test hears of it
    sys.stdin.readline()


asyncio.run(main(*sys.argv[1:]))
