"""Claims every run it is named, as soon as it is told to, and prints those it got; for a test of several at once."""

import asyncio
import json
import sys
from datetime import UTC, datetime

from harness.exceptions import LeaseHeld
from harness.storage.sql_run_store import SqlRunStore
from harness.storage.transactions import TransactionWriter
from ontology.databases import open_database


async def main(url: str, owner: str, run_ids: list[str]) -> None:
    writer = TransactionWriter(open_database(url), name="runs")
    store = SqlRunStore(writer, organisation="acme", clock=lambda: datetime.now(UTC), new_id=str)
    await store.runs(limit=1)
    print("ready", flush=True)  # noqa: T201 - this is how the test hears of it
    sys.stdin.readline()
    won: list[str] = []
    for run_id in run_ids:
        try:
            await store.claim(run_id, owner=owner, lease_seconds=60)
        except LeaseHeld:
            continue
        won.append(run_id)
    print(json.dumps(won), flush=True)  # noqa: T201 - this is how the test hears of it


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
