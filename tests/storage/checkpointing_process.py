"""Writes checkpoints to a database without end, and prints each once it is stored; for a test that kills it."""

import asyncio
import itertools
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.base.id import uuid6

from harness.storage.checkpoint_saver import SqlCheckpointSaver
from harness.storage.runs_tables import RUNS_MIGRATIONS
from harness.storage.transactions import TransactionWriter
from ontology.databases import open_database, sqlite_url, upgrade


async def main(database: Path) -> None:
    engine = open_database(sqlite_url(database))
    upgrade(engine, RUNS_MIGRATIONS)
    saver = SqlCheckpointSaver(
        TransactionWriter(engine, name="runs"), organisation="acme", person="ada", clock=lambda: datetime.now(UTC)
    )
    config = {"configurable": {"thread_id": "run-1", "checkpoint_ns": ""}}
    for step in itertools.count():
        checkpoint = empty_checkpoint()
        checkpoint["id"] = str(uuid6(clock_seq=step))
        checkpoint["channel_values"] = {"text": f"step {step}"}
        checkpoint["channel_versions"] = {"text": step + 1}
        metadata = {"source": "loop", "step": step, "parents": {}}
        config = await saver.aput(config, checkpoint, metadata, {"text": step + 1})
        await saver.aput_writes(config, [("text", f"write {step}")], "task")
        print(json.dumps({"step": step, "checkpoint_id": checkpoint["id"]}), flush=True)  # noqa: T201 - this is how the test hears of it


asyncio.run(main(Path(sys.argv[1])))
