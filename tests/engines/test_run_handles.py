"""A run in the background: its events for any number of readers, its outcome, its end."""

import asyncio
import itertools

import pytest

from harness.engines.run_handles import RunHandle
from harness.engines.run_store import RunStatus
from harness.exceptions import NameUnknown, RunCancelled, RunInterrupted, SpecificationInvalid
from harness.workflow.events import EventsDropped, NodeFinished, NodeStarted, Words
from tests.engines.conftest import flow


def chain(count, work=lambda: None):
    names = [f"n{number}" for number in range(count)]
    return flow(
        "chain",
        {name: {"code": "work"} for name in names},
        {"work": work},
        edges=list(itertools.pairwise(names)),
    )


def hanging():
    began = asyncio.Event()

    async def hang() -> None:
        began.set()
        await asyncio.Event().wait()

    return flow("hanging", {"hang": {}}, {"hang": hang}), began


def test_a_run_is_started_streamed_and_ends_with_its_outcome(house):
    async def work(harness):
        run = await harness.start(chain(2))
        events = [event async for event in run.stream()]
        outcome = await run.outcome()
        assert outcome.run.status is RunStatus.COMPLETED
        assert outcome.run.run_id == run.run_id
        return events

    events = house.run(work)
    told = [(type(each), each.node) for each in events]
    assert told == [(NodeStarted, "n0"), (NodeFinished, "n0"), (NodeStarted, "n1"), (NodeFinished, "n1")]


def test_several_readers_read_all_of_it_also_one_that_comes_when_it_is_over(house):
    async def read(run):
        return [event async for event in run.stream()]

    async def work(harness):
        run = await harness.start(chain(3))
        early = await asyncio.gather(read(run), read(run))
        late = await read(run)
        assert early[0] == early[1] == late
        assert len(late) == 6

    house.run(work)


def test_a_reader_that_reads_nothing_stops_no_run_and_is_told_what_it_missed(house):
    async def work(harness):
        written = chain(40)
        run = await harness.engine.record(_order(harness, written))
        handle = RunHandle(harness.engine, run.run_id, person="ada", capacity=10)
        slow = handle.stream()
        first = await anext(slow)
        assert (await handle.outcome()).run.status is RunStatus.COMPLETED
        rest = [event async for event in slow]
        return first, rest

    first, rest = house.run(work)
    assert first == NodeStarted("n0", None)
    assert rest[0] == EventsDropped(69)
    assert [each.node for each in rest[1:]] == [f"n{number}" for number in range(35, 40) for _ in range(2)]


def _order(harness, written):
    from harness.engines.embedded import RunOrder

    folder = harness.settings.home
    return RunOrder(harness.load(written), {}, "ada", None, folder, folder, 1)


def test_answers_are_streamed_in_words_where_the_house_streams(scripted):
    async def work():
        async with scripted.opened(stream=True) as harness:
            run = await harness.start("audit", {"count": 1})
            words = [each.text async for each in run.stream() if isinstance(each, Words) and each.node == "summarise"]
            assert "".join(words) == "All of them are under MIT."

    asyncio.run(work())


def test_a_run_is_cancelled_by_its_handle_and_resumed(house):
    written, began = hanging()

    async def work(harness):
        run = await harness.start(written)
        await began.wait()
        asked = await run.cancel()
        assert asked.cancel_requested_by == "ada"
        outcome = await asyncio.wait_for(run.outcome(), 1)
        assert isinstance(outcome.error, RunCancelled)
        assert outcome.run.status is RunStatus.CANCELLED
        assert [event async for event in run.stream()] == [NodeStarted("hang", None)]
        harness.load(flow("hanging", {"hang": {}}, {"hang": lambda: None}))
        again = await harness.resume(run.run_id)
        assert (await again.outcome()).run.status is RunStatus.COMPLETED

    house.run(work)


def test_a_caller_that_stops_waiting_stops_no_run(house):
    let_go = asyncio.Event()
    written = flow("waiting", {"wait": {}}, {"wait": let_go.wait})

    async def work(harness):
        run = await harness.start(written)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(run.outcome(), 0.1)
        assert not run.done
        let_go.set()
        assert (await run.outcome()).run.status is RunStatus.COMPLETED

    house.run(work)


def test_closing_the_house_leaves_its_runs_to_be_resumed(house):
    written, began = hanging()

    async def main():
        harness = house.opened()
        run = await harness.start(written)
        await began.wait()
        await harness.close()
        with pytest.raises(RunInterrupted):
            await run.outcome()
        return run.run_id

    run_id = asyncio.run(main())
    assert house.home.rows("runs", "SELECT run_id, status, owner FROM runs") == [(run_id, "interrupted", None)]


def test_a_workflow_with_problems_is_not_started(house):
    async def work(harness):
        with pytest.raises(SpecificationInvalid, match="no edge leads here"):
            await harness.start(flow("apart", {"a": {}, "b": {}}, {"a": lambda: None, "b": lambda: None}))
        with pytest.raises(NameUnknown, match="no workflow 'chian'; did you mean 'chain'"):
            await harness.start("chian")
        assert await harness.runs.runs() == []

    house.run(work, chain(1))
