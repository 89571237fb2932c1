"""What a run's steps did is written once, by the holder of its lease, and outlives its process, on both databases."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from harness.engines.run_store import RunStatus
from harness.exceptions import LeaseHeld, NameUnknown, RunInterrupted, StateRefused
from harness.storage.sql_step_journal import SqlStepJournal
from harness.workflow.nodes.step_journal import StepStatus
from tests.storage.run_samples import (
    Clock,
    a_held_run,
    a_store,
    another_process,
    count,
    somebody_waits_for_a_lock,
    uncommitted,
)

STEPPING_PROCESS = Path(__file__).with_name("stepping_process.py")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(writer, clock):
    return a_store(writer, clock)


@pytest.fixture
def journal_of(engine, writer, clock):
    """Makes the journal of a run."""

    def make(run_id, owner="one", organisation="acme"):
        return SqlStepJournal(
            writer,
            organisation=organisation,
            run_id=run_id,
            person="ada",
            owner=owner,
            clock=clock,
            row_lock="FOR SHARE" if engine.dialect.name == "postgresql" else "",
        )

    return make


def test_a_step_that_is_done_is_returned_and_never_changes(store, journal_of, clock):
    async def drive():
        journal = journal_of(await a_held_run(store))
        begun = await journal.begin("send", "tool", "d1", durable=True)
        assert (begun.status, begun.attempts, begun.started_at, begun.result) == (StepStatus.BEGUN, 1, clock.now, None)
        clock.advance(2)
        await journal.finish("send", "d1", {"sent": ["\ud800 é", None]})
        done = await journal.begin("send", "tool", "d1")
        assert (done.status, done.attempts, done.result) == (StepStatus.DONE, 1, {"sent": ["\ud800 é", None]})
        assert (done.started_at, done.finished_at) == (begun.started_at, clock.now)
        await journal.finish("send", "d1", "another")
        await journal.fail("send", "d1", "late")
        assert await journal.steps() == [done]

    asyncio.run(drive())


def test_a_failed_step_begins_again_and_counts_its_attempts(store, journal_of):
    async def drive():
        journal = journal_of(await a_held_run(store))
        await journal.begin("send", "tool", "d1")
        await journal.fail("send", "d1", "no connection")
        await journal.fail("send", "d1", "no connection, still")
        (failed,) = await journal.steps()
        assert (failed.status, failed.error, failed.attempts) == (StepStatus.FAILED, "no connection, still", 1)
        again = await journal.begin("send", "tool", "d1")
        assert (again.status, again.attempts, again.error, again.finished_at) == (StepStatus.BEGUN, 2, None, None)
        assert (await journal.begin("send", "tool", "d1")).attempts == 3
        assert await journal.steps() == [await _reread(journal)]
        await journal.finish("send", "d1", None)
        (done,) = await journal.steps()
        assert (done.status, done.result, done.attempts) == (StepStatus.DONE, None, 3)

    asyncio.run(drive())


async def _reread(journal):
    return (await journal.steps("send"))[0]


def test_a_result_answers_only_what_it_was_made_from(store, journal_of):
    async def drive():
        journal = journal_of(await a_held_run(store))
        for digest in ("d1", "d2"):
            assert (await journal.begin("send", "tool", digest)).status is StepStatus.BEGUN
            await journal.finish("send", digest, digest)
        assert [(step.digest, step.result) for step in await journal.steps()] == [("d1", "d1"), ("d2", "d2")]

    asyncio.run(drive())


def test_steps_come_in_the_order_they_began_and_from_below_a_path_alone(store, journal_of):
    async def drive():
        journal = journal_of(await a_held_run(store))
        below = ["research", "research/tool#10", "research/tool#2", "research[3]/tool#1", "research[3]"]
        beside = ["researcher", "research:2", "research:2/tool#1", "a", "z", "research%", "re"]
        for path in (*below, *beside):
            await journal.begin(path, "tool", "d")
        assert [step.path for step in await journal.steps("research")] == below
        assert [step.path for step in await journal.steps("research[3]")] == below[-2:]
        assert [step.path for step in await journal.steps()] == [*below, *beside]
        assert await journal.steps("rese") == []

    asyncio.run(drive())


def test_what_never_began_does_not_end(store, journal_of):
    async def drive():
        journal = journal_of(await a_held_run(store))
        for end in (journal.finish("send", "d1", 1), journal.fail("send", "d1", "no")):
            with pytest.raises(NameUnknown, match="step"):
                await end
        with pytest.raises(StateRefused, match="send"):
            await journal.finish("send", "d1", Path("/"))

    asyncio.run(drive())


def test_results_and_errors_stand_in_payloads_alone(store, journal_of, engine):
    async def drive():
        journal = journal_of(await a_held_run(store))
        for path, end in (("a", journal.finish), ("b", journal.fail)):
            await journal.begin(path, "tool", "d")
            await end(path, "d", "Grace's secret")

    asyncio.run(drive())
    with engine.connect() as connection:
        assert "secret" not in repr(connection.execute(text("SELECT * FROM run_steps")).all())
    assert count(engine, "payloads", "holder = 'step' AND content LIKE '%secret%'") == 1


def test_another_run_and_another_organisation_see_nothing(store, journal_of):
    async def drive():
        run_id, other_id = await a_held_run(store), await a_held_run(store)
        await journal_of(run_id).begin("send", "tool", "d")
        assert await journal_of(other_id).steps() == []
        stranger = journal_of(run_id, organisation="other")
        assert await stranger.steps() == []
        with pytest.raises(RunInterrupted):
            await stranger.begin("send", "tool", "d")

    asyncio.run(drive())


def test_who_lost_the_run_writes_nothing(store, journal_of, clock):
    async def drive():
        run_id = await a_held_run(store)
        journal = journal_of(run_id)
        await journal.begin("send", "tool", "d")
        before = await journal.steps()
        clock.advance(31)
        await store.claim(run_id, owner="two", lease_seconds=30)
        for refused in (LeaseHeld, RunInterrupted):
            for write in (
                journal.begin("send", "tool", "d"),
                journal.begin("other", "tool", "d"),
                journal.finish("send", "d", 1),
                journal.fail("send", "d", "no"),
            ):
                with pytest.raises(refused):
                    await write
            assert await journal.steps() == before
            if refused is LeaseHeld:
                await store.release(run_id, owner="two", status=RunStatus.WAITING)

    asyncio.run(drive())


# A writing transaction of SQLite is alone in any case.
@pytest.mark.parametrize("runs_url", ["postgresql"], indirect=True)
def test_a_write_of_the_owner_holds_off_a_claim_until_it_is_committed(
    store, journal_of, runs_url, engine, writer, clock
):
    async def drive(other):
        run_id = await a_held_run(store)
        journal = journal_of(run_id)
        await journal.begin("send", "tool", "d")
        clock.advance(31)  # its lease is over, and it has not heard of that
        async with uncommitted(writer, journal.finish("send", "d", "sent")) as (finishing,):
            claiming = asyncio.create_task(other.claim(run_id, owner="two", lease_seconds=30))
            await somebody_waits_for_a_lock(engine)
            assert not claiming.done()
        await finishing
        assert (await claiming).owner == "two"
        assert (await journal_of(run_id, owner="two").begin("send", "tool", "d")).result == "sent"
        with pytest.raises(LeaseHeld):
            await journal.begin("next", "tool", "d")

    with another_process(runs_url, clock) as other:
        asyncio.run(drive(other))


@pytest.mark.slow
@pytest.mark.parametrize("until", ["begun", "finished"])
def test_what_was_noted_before_kill_9_is_there(store, journal_of, runs_url, clock, until):
    run_id = asyncio.run(a_held_run(store, owner="killed"))
    process = subprocess.Popen(
        [sys.executable, str(STEPPING_PROCESS), runs_url, run_id, until],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout.readline() == f"{until}\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()

    async def resume():
        clock.advance(31)
        await store.claim(run_id, owner="one", lease_seconds=30)
        return await journal_of(run_id).begin("send", "tool", "d", durable=True)

    step = asyncio.run(resume())
    if until == "begun":
        assert (step.status, step.attempts) == (StepStatus.BEGUN, 2)
    else:
        assert (step.status, step.attempts, step.result) == (StepStatus.DONE, 1, {"sent": [1, "é"]})
