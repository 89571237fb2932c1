"""A lease that is renewed while the body runs, and a body that stops when the lease is lost."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from harness.engines.run_lease import renewed_lease
from harness.exceptions import LeaseHeld, RunCancelled, RunInterrupted
from ontology.exceptions import DatabaseUnavailable


class Leases:
    """Answers renewals as it is told, then well."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = asyncio.Queue()
        self.active_seconds = 0.0
        self.cancelled_by = None

    async def renew(self, run_id, *, owner, lease_seconds, active_seconds):
        self.asked.put_nowait((run_id, owner, lease_seconds))
        if self.answers and (answer := self.answers.pop(0)) is not None:
            raise answer
        self.active_seconds += active_seconds
        at = datetime.now(UTC) if self.cancelled_by else None
        return SimpleNamespace(cancel_requested_at=at, cancel_requested_by=self.cancelled_by)


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


async def cancelled(leases, lease_seconds, *, look=False):
    """How long it takes until a body that somebody wants stopped is."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with held(leases, lease_seconds) as lease:
            leases.cancelled_by = "ada"
            if look:
                lease.look()
            await asyncio.Event().wait()
    finally:
        leases.took = loop.time() - began


@pytest.mark.parametrize(
    ("lease_seconds", "look", "most"),
    [(0.03, False, 0.5), (900, False, 2), (900, True, 0.5)],
    ids=["a-short-lease", "every-second", "told-to-look"],
)
def test_the_body_is_stopped_when_somebody_wants_the_run_stopped(lease_seconds, look, most):
    leases = Leases()
    with pytest.raises(RunCancelled, match="was cancelled by 'ada'"):
        asyncio.run(cancelled(leases, lease_seconds, look=look))
    assert leases.took < most


def test_the_time_that_a_run_was_advanced_is_counted_once():
    async def main():
        leases = Leases(None, DatabaseUnavailable("url", "locked"), None)
        began = asyncio.get_running_loop().time()
        async with held(leases) as lease:
            for _ in range(5):
                await leases.asked.get()
        rest = lease.uncounted_seconds()
        whole = asyncio.get_running_loop().time() - began
        assert leases.active_seconds > 0
        assert abs(leases.active_seconds + rest - whole) < 0.02

    asyncio.run(main())
