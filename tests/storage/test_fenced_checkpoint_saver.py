"""Only the holder of a run's lease writes its checkpoints, whatever a process that was stopped believes."""

import asyncio

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from harness.engines.run_store import RunStatus
from harness.exceptions import LeaseHeld, RunInterrupted
from harness.storage.fenced_checkpoint_saver import FencedCheckpointSaver
from tests.storage.run_samples import (
    Clock,
    a_held_run,
    a_store,
    another_process,
    count,
    somebody_waits_for_a_lock,
    uncommitted,
)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(writer, clock):
    return a_store(writer, clock)


@pytest.fixture
def saver(engine, writer, clock):
    """Of a process that claims runs as "one"."""
    return FencedCheckpointSaver(
        writer,
        organisation="acme",
        person="ada",
        clock=clock,
        owner="one",
        row_lock="FOR SHARE" if engine.dialect.name == "postgresql" else "",
    )


def _put(saver, run_id):
    checkpoint = empty_checkpoint()
    checkpoint["channel_values"] = {"text": "written by one"}
    checkpoint["channel_versions"] = {"text": 1}
    config = {"configurable": {"thread_id": run_id, "checkpoint_ns": ""}}
    return saver.aput(config, checkpoint, {"source": "loop", "step": 1, "parents": {}}, {"text": 1})


def test_who_lost_the_run_stores_nothing(store, saver, engine, clock):
    async def drive():
        run_id = await a_held_run(store)
        config = await _put(saver, run_id)
        clock.advance(31)
        await store.claim(run_id, owner="two", lease_seconds=30)
        for refused in (LeaseHeld, RunInterrupted):
            for write in (_put(saver, run_id), saver.aput_writes(config, [("text", "late")], "task")):
                with pytest.raises(refused):
                    await write
            if refused is LeaseHeld:
                await store.release(run_id, owner="two", status=RunStatus.WAITING)

    asyncio.run(drive())
    assert (count(engine, "checkpoints"), count(engine, "checkpoint_writes")) == (1, 0)


def test_a_run_that_is_not_there_is_nobodys(saver):
    with pytest.raises(RunInterrupted):
        asyncio.run(_put(saver, "gone"))


# A writing transaction of SQLite is alone in any case.
@pytest.mark.parametrize("runs_url", ["postgresql"], indirect=True)
def test_a_write_of_the_owner_holds_off_a_claim_until_it_is_committed(store, saver, engine, writer, runs_url, clock):
    async def drive(other):
        run_id = await a_held_run(store)
        clock.advance(31)  # its lease is over, and it has not heard of that
        async with uncommitted(writer, _put(saver, run_id)) as (putting,):
            claiming = asyncio.create_task(other.claim(run_id, owner="two", lease_seconds=30))
            await somebody_waits_for_a_lock(engine)
            assert not claiming.done()
        config = await putting
        assert (await claiming).owner == "two"
        # Whoever claimed it reads what was written before, and nothing is written behind its back.
        assert (await saver.aget_tuple(config)).checkpoint["channel_values"] == {"text": "written by one"}
        with pytest.raises(LeaseHeld):
            await _put(saver, run_id)

    with another_process(runs_url, clock) as other:
        asyncio.run(drive(other))
