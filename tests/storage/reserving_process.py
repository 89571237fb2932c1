"""Reserves places at one endpoint, once it is told to, and prints when each may leave; for a test of several."""

import asyncio
import json
import sys
from datetime import UTC, datetime

from harness.models.catalogue import RequestLimits
from harness.routing.rate_limiter import Caller
from harness.storage.sql_rate_limiter import SqlRateLimiter
from harness.storage.transactions import TransactionWriter
from ontology.databases import open_database


async def main(url: str, per_minute: int, places: int) -> None:
    engine = open_database(url)
    writer = TransactionWriter(engine, name="money", takes_turns=True)
    limiter = SqlRateLimiter(writer)
    caller = Caller("acme", "there", "small", RequestLimits(requests_per_minute=per_minute))
    print("ready", flush=True)  # noqa: T201 - this is how the test hears of it
    sys.stdin.readline()
    departures: list[float] = []
    while len(departures) < places:
        at = datetime.now(UTC)
        slot = await limiter.reserve(caller, 100, at=at)
        if slot.taken:
            departures.append(at.timestamp() + slot.wait_seconds)
        else:
            await asyncio.sleep(slot.wait_seconds / 4)
    writer.close()
    engine.dispose()
    print(json.dumps(departures), flush=True)  # noqa: T201 - as above


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
