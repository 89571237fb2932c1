"""Holds and settles as fast as it can until its budget refuses, as soon as it is told to; for a test of several."""

import asyncio
import itertools
import json
import sys

from harness.exceptions import BudgetExceeded
from harness.storage.sql_money_store import SqlMoneyStore
from harness.storage.transactions import TransactionWriter
from ontology.databases import open_database
from tests.storage.money_samples import LEASE, NOW, a_send, an_answer


async def main(url: str, name: str) -> None:
    engine = open_database(url)
    writer = TransactionWriter(engine, name="money", takes_turns=True)
    store = SqlMoneyStore(writer, dialect=engine.dialect.name)
    print("ready", flush=True)  # noqa: T201 - this is how the test hears of it
    sys.stdin.readline()
    billed = refused = 0

    async def caller(number: int) -> None:
        nonlocal billed, refused
        for turn in itertools.count():
            send = a_send(f"{name}-{number}-{turn}", nano=97)
            try:
                await store.hold(send, at=NOW, lease_seconds=LEASE)
            except BudgetExceeded as error:
                refused += 1
                if not error.busy:
                    return
                continue
            cost = 97 if turn % 3 else 41
            billed += cost
            await store.settle(send, an_answer(cost))

    await asyncio.gather(*(caller(number) for number in range(8)))
    writer.close()
    engine.dispose()
    print(json.dumps({"billed": billed, "refused": refused}), flush=True)  # noqa: T201 - as above


asyncio.run(main(sys.argv[1], sys.argv[2]))
