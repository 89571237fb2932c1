"""Holds of calls in flight are renewed; what a dead process held is settled by those that live."""

import asyncio
from datetime import timedelta

import pytest

from harness.ledger.hold_leases import HoldLeases
from harness.storage.sql_money_store import SqlMoneyStore
from harness.storage.transactions import TransactionWriter
from ontology.databases import sqlite_url
from ontology.exceptions import DatabaseUnavailable
from tests.storage.money_samples import LEASE, NOW, a_send, open_money, rows_of

SHORT = 0.03  # seconds of a lease, renewed every ten milliseconds


@pytest.fixture
def engine(tmp_path):
    engine = open_money(sqlite_url(tmp_path / "money.db"))
    yield engine
    engine.dispose()


@pytest.fixture
def money(engine):
    writer = TransactionWriter(engine, name="money")
    yield SqlMoneyStore(writer, dialect="sqlite")
    writer.close()


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        self.now += timedelta(milliseconds=1)
        return self.now


class Heard:
    """The store, and a count of renewals that can be waited for; it fails as often as it is told."""

    def __init__(self, money, failing=0):
        self._money = money
        self.failing = failing
        self.renewed = 0
        self.changed = asyncio.Event()

    async def renew(self, send_ids, *, lease_until):
        self.renewed += 1
        self.changed.set()
        if self.renewed <= self.failing:
            raise DatabaseUnavailable("sqlite://", "locked")
        await self._money.renew(send_ids, lease_until=lease_until)

    async def expire(self, *, at):
        return await self._money.expire(at=at)

    async def until(self, times):
        while self.renewed < times:
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), 5)


def leases_of(engine):
    return dict(rows_of(engine, "SELECT send_id, lease_until FROM holds"))


def test_a_hold_in_flight_is_renewed_until_it_ends(money, engine):
    async def main():
        clock, heard = Clock(), Heard(money)
        leases = HoldLeases(heard, clock=clock, lease_seconds=SHORT)
        for name in ("mine", "also", "elsewhere"):
            await money.hold(a_send(name), at=NOW, lease_seconds=LEASE)
        before = leases_of(engine)
        async with leases.kept("mine"), leases.kept("also"):
            await heard.until(3)
        after = leases_of(engine)
        assert after["elsewhere"] == before["elsewhere"]
        assert after["mine"] != before["mine"]
        assert after["also"] != before["also"]
        await leases.close()
        await leases.close()

    asyncio.run(main())


def test_a_database_that_is_away_for_a_moment_does_not_end_the_renewing(money):
    async def main():
        heard = Heard(money, failing=2)
        leases = HoldLeases(heard, clock=Clock(), lease_seconds=SHORT)
        async with leases.kept("mine"):
            await heard.until(4)
        await leases.close()

    asyncio.run(main())


def test_what_a_dead_process_held_is_settled_when_another_sends(money, engine):
    async def main():
        await money.hold(a_send("of the dead"), at=NOW - timedelta(hours=1), lease_seconds=LEASE)
        await money.hold(a_send("of the living"), at=NOW, lease_seconds=LEASE)
        heard = Heard(money)
        leases = HoldLeases(heard, clock=Clock(), lease_seconds=SHORT)
        async with leases.kept("of the living"):
            await heard.until(2)
        await leases.close()

    asyncio.run(main())
    assert rows_of(engine, "SELECT send_id, estimated FROM entries WHERE kind = 'expire'") == [("of the dead", 1)]
