"""A lease that is renewed while the body runs, and a body that stops when the lease is lost."""

import asyncio
from datetime import UTC, datetime

import pytest

from harness.engines.run_lease import renewed_lease
from harness.exceptions import LeaseHeld, RunInterrupted
from ontology.exceptions import DatabaseUnavailable


class Leases:
    """Answers renewals as it is told, then well."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = asyncio.Queue()

    async def renew(self, run_id, *, owner, lease_seconds):
        self.asked.put_nowait((run_id, owner, lease_seconds))
        if self.answers and (answer := self.answers.pop(0)) is not None:
            raise answer


def held(leases, lease_seconds=0.03):
    return renewed_lease(leases, "run", owner="me", lease_seconds=lease_seconds)


def test_it_is_renewed_within_its_length_and_no_more_once_the_body_is_done():
    async def main():
        leases = Leases()
        async with held(leases):
            assert [await leases.asked.get() for _ in range(3)] == [("run", "me", 0.03)] * 3
        rest = leases.asked.qsize()
        await asyncio.sleep(0.05)
        assert leases.asked.qsize() == rest

    asyncio.run(main())


@pytest.mark.parametrize("lost", [LeaseHeld("run", "you", datetime.now(UTC)), RunInterrupted("run")])
def test_the_body_is_stopped_with_the_reason_when_the_lease_is_lost(lost):
    async def main():
        with pytest.raises(type(lost)) as raised:
            async with held(Leases(None, lost)):
                await asyncio.Event().wait()
        assert raised.value is lost
        await asyncio.sleep(0)  # and the task goes on uncancelled

    asyncio.run(main())


def test_a_database_that_is_away_for_less_than_the_lease_is_asked_again():
    async def main():
        leases = Leases(DatabaseUnavailable("url", "locked"))
        async with held(leases, 0.3):
            for _ in range(3):
                await leases.asked.get()

    asyncio.run(main())


def test_a_database_that_is_away_for_longer_stops_the_body():
    async def main():
        leases = Leases(*[DatabaseUnavailable("url", "locked")] * 50)
        with pytest.raises(RunInterrupted):
            async with held(leases):
                await asyncio.Event().wait()
        assert leases.asked.qsize() >= 2

    asyncio.run(main())


def test_being_cancelled_from_outside_stays_a_cancellation():
    async def main():
        async def body():
            async with held(Leases()):
                await asyncio.Event().wait()

        task = asyncio.create_task(body())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_what_the_body_raises_comes_out():
    async def main():
        with pytest.raises(ValueError, match="mine"):
            async with held(Leases()):
                raise ValueError("mine")

    asyncio.run(main())
