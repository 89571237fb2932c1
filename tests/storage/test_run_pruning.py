"""Pruning drops what ended long ago, to the depth asked for, and leaves what goes on, and what can be resumed, whole."""

import asyncio
import itertools
from datetime import timedelta

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.base.id import uuid6

from harness.engines.run_store import Pruned, PruneDepth, RunStatus
from harness.exceptions import NameUnknown
from harness.storage import run_pruning
from harness.storage.checkpoint_saver import SqlCheckpointSaver
from harness.storage.runs_tables import metadata
from harness.storage.sql_questions import AskingRun, SqlQuestions, SqlRunQuestions
from harness.storage.sql_result_cache import SqlResultCache
from harness.storage.sql_step_journal import SqlStepJournal
from harness.workflow.nodes.questions import APPROVAL_SCHEMA, Question, QuestionKind
from harness.workflow.nodes.step_journal import StepStatus
from tests.storage.run_samples import NEW, Clock, a_step, a_store, count

STEPS = 5
DOCUMENT = "Grace's document " * 100


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(writer, clock):
    return a_store(writer, clock)


@pytest.fixture
def saver(writer, clock):
    return SqlCheckpointSaver(writer, organisation="acme", person="ada", clock=clock)


@pytest.fixture
def fill(store, saver, writer, clock):
    """Records a run that did something of everything, and puts it down."""

    async def filled(status, *, parent_id=None):
        run = await (a_step(store, parent_id, "place") if parent_id else store.record(NEW))
        run_id = run.run_id
        await store.claim(run_id, owner="one", lease_seconds=30)
        config = {"configurable": {"thread_id": run_id, "checkpoint_ns": ""}}
        for step in range(1, STEPS + 1):
            config = await _put(saver, config, step)
            await saver.aput_writes(config, [("log", [f"write {step}"])], "task")
        scope = {"organisation": "acme", "run_id": run_id, "person": "ada"}
        journal = SqlStepJournal(writer, **scope, owner="one", clock=clock, row_lock="")
        for place in ("done", "begun"):
            await journal.begin(place, "tool", "d", durable=True)
        await journal.finish("done", "d", "sent for Grace")
        await SqlRunQuestions(writer, run=AskingRun("acme", run_id, run_id, "audit", "ada"), clock=clock).ask(
            Question("ask", "ask", QuestionKind.ANSWER, "?", None, APPROVAL_SCHEMA, "d")
        )
        cache = SqlResultCache(writer, organisation="acme", person="ada", clock=clock)
        await cache.keep(run_id, "cached", run_id=run_id, seconds=10_000)
        if status is not RunStatus.RUNNING:
            await store.release(run_id, owner="one", status=status, error="why")
        return run_id

    return filled


async def _put(saver, config, step):
    checkpoint = empty_checkpoint()
    checkpoint["id"] = str(uuid6(clock_seq=step))
    values = {"document": DOCUMENT, "n": f"step {step}", "long": [f"{place}" * 500 for place in range(step * 10)]}
    checkpoint["channel_values"] = values
    checkpoint["channel_versions"] = {"document": 1, "n": step, "long": step}
    changed = dict.fromkeys(("n", "long"), step) | ({"document": 1} if step == 1 else {})
    return await saver.aput(config, checkpoint, {"source": "loop", "step": step, "parents": {}}, changed)


def _everything(engine):
    return {table: count(engine, table) for table in metadata.tables}


async def _steps(writer, clock, run_id):
    journal = SqlStepJournal(
        writer, organisation="acme", run_id=run_id, person="ada", owner="one", clock=clock, row_lock=""
    )
    return [(step.path, step.status, step.result) for step in await journal.steps()]


def test_to_the_depth_of_checkpoints_a_completed_run_stays_as_it_ended(store, saver, fill, writer, engine, clock):
    async def drive():
        run_id = await fill(RunStatus.COMPLETED)
        before = await store.run(run_id)
        newest = await saver.aget_tuple({"configurable": {"thread_id": run_id}})
        clock.advance(60)
        planned = await store.prune(before=clock.now, depth=PruneDepth.CHECKPOINTS, dry_run=True)
        assert await _steps(writer, clock, run_id) != []
        pruned = await store.prune(before=clock.now, depth=PruneDepth.CHECKPOINTS)
        assert planned == pruned
        assert (pruned.runs, pruned.checkpoints, pruned.steps) == (1, STEPS - 1, 2)
        assert pruned.bytes > 10_000
        assert await store.run(run_id) == before
        assert await store.spec(run_id) == NEW.spec
        kept = await saver.aget_tuple({"configurable": {"thread_id": run_id}})
        assert kept == newest
        assert [each async for each in saver.alist({"configurable": {"thread_id": run_id}})] == [newest]
        assert await _steps(writer, clock, run_id) == []
        assert len(await SqlQuestions(writer, organisation="acme", clock=clock).open(run_id)) == 1
        assert await store.prune(before=clock.now, depth=PruneDepth.CHECKPOINTS) == Pruned(0, 0, 0, 0)

    asyncio.run(drive())
    # Spec, inputs, error, question, cached result; document, n, four parts or fewer of the list, one pending write.
    assert count(engine, "payloads", "holder = 'checkpoint'") < 12
    assert count(engine, "payloads", "holder = 'step'") == 0


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.CANCELLED])
def test_a_run_that_can_be_resumed_keeps_its_journal(store, saver, fill, writer, clock, status):
    async def drive():
        run_id = await fill(status)
        clock.advance(60)
        pruned = await store.prune(before=clock.now, depth=PruneDepth.CHECKPOINTS)
        assert (pruned.checkpoints, pruned.steps) == (STEPS - 1, 0)
        assert await _steps(writer, clock, run_id) == [
            ("done", StepStatus.DONE, "sent for Grace"),
            ("begun", StepStatus.BEGUN, None),
        ]
        await store.claim(run_id, owner="two", lease_seconds=30)
        found = await saver.aget_tuple({"configurable": {"thread_id": run_id}})
        assert found.checkpoint["channel_values"]["n"] == f"step {STEPS}"
        assert found.pending_writes == [("task", "log", [f"write {STEPS}"])]

    asyncio.run(drive())


def test_to_the_whole_depth_nothing_of_a_run_and_its_steps_stays(store, fill, engine, clock):
    async def drive():
        await fill(RunStatus.RUNNING)
        left = _everything(engine)
        root = await fill(RunStatus.FAILED)
        step = await fill(RunStatus.COMPLETED, parent_id=root)
        await fill(RunStatus.CANCELLED, parent_id=step)
        clock.advance(60)
        planned = await store.prune(before=clock.now, depth=PruneDepth.ALL, dry_run=True)
        pruned = await store.prune(before=clock.now, depth=PruneDepth.ALL)
        assert (planned, planned.runs, planned.checkpoints, planned.steps) == (pruned, 3, 3 * STEPS, 6)
        with pytest.raises(NameUnknown):
            await store.run(root)
        assert _everything(engine) == left

    asyncio.run(drive())


def test_what_goes_on_what_is_young_and_what_is_somebody_elses_is_not_touched(store, fill, writer, engine, clock):
    async def drive():
        for status in (RunStatus.RUNNING, RunStatus.WAITING, RunStatus.INTERRUPTED):
            await fill(status)
        await store.record(NEW)
        failed = await fill(RunStatus.FAILED)
        await fill(RunStatus.WAITING, parent_id=failed)
        clock.advance(3600)
        before = clock.now
        clock.advance(1)
        await fill(RunStatus.COMPLETED)  # after the moment
        all_of_it = _everything(engine)
        stranger = a_store(writer, clock, organisation="other")
        for depth, dry_run in itertools.product(PruneDepth, (True, False)):
            assert await store.prune(before=before, depth=depth, dry_run=dry_run) == Pruned(0, 0, 0, 0)
            far = before + timedelta(days=1)
            assert await stranger.prune(before=far, depth=depth, dry_run=dry_run) == Pruned(0, 0, 0, 0)
        assert _everything(engine) == all_of_it
        for status in RunStatus:
            if not status.ended:
                with pytest.raises(ValueError, match="only runs that have ended"):
                    await store.prune(before=before, depth=PruneDepth.ALL, statuses={RunStatus.FAILED, status})

    asyncio.run(drive())


def test_only_the_statuses_asked_for_are_pruned(store, fill, clock):
    async def drive():
        kept, gone = await fill(RunStatus.FAILED), await fill(RunStatus.COMPLETED)
        clock.advance(60)
        assert (await store.prune(before=clock.now, depth=PruneDepth.ALL, statuses=())).runs == 0
        pruned = await store.prune(before=clock.now, depth=PruneDepth.ALL, statuses={RunStatus.COMPLETED})
        assert pruned.runs == 1
        assert [run.run_id for run in await store.runs()] == [kept] != [gone]

    asyncio.run(drive())


class _Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("status", [RunStatus.COMPLETED, RunStatus.FAILED])
def test_after_a_stop_between_any_two_transactions_each_run_can_be_read_and_pruning_goes_on(
    store, saver, fill, writer, engine, clock, monkeypatch, status
):
    monkeypatch.setattr(run_pruning, "_CHECKPOINTS_AT_ONCE", 2)
    monkeypatch.setattr(run_pruning, "_PAYLOADS_AT_ONCE", 3)

    class Stopping:
        """The writer, up to so many transactions."""

        def __init__(self, left):
            self.left = left

        async def run(self, start, **how):
            if self.left == 0:
                raise _Killed
            self.left -= 1
            return await writer.run(start, **how)

    async def drive():
        run_id = await fill(status)
        clock.advance(60)
        order = run_pruning.PruneOrder("acme", clock.now, PruneDepth.ALL, frozenset({status}), dry_run=False)
        stops = 0
        for left in itertools.count(1):
            try:
                await run_pruning.prune_runs(Stopping(left), order)
                break
            except _Killed:
                stops += 1
            if await store.runs():
                tuples = [each async for each in saver.alist({"configurable": {"thread_id": run_id}})]
                assert tuples[0].checkpoint["channel_values"]["n"] == f"step {STEPS}"
                if status is RunStatus.FAILED:
                    assert len(await _steps(writer, clock, run_id)) == 2
        assert stops > 4
        assert set(_everything(engine).values()) == {0}

    asyncio.run(drive())


def test_a_run_that_is_claimed_while_it_is_pruned_loses_nothing_more(store, fill, writer, engine, clock):
    async def drive():
        run_id = await fill(RunStatus.FAILED)
        clock.advance(60)
        claimed: list[int] = []

        class Claiming:
            """The writer; somebody resumes the run before the third transaction."""

            async def run(self, start, **how):
                claimed.append(1)
                if len(claimed) == 3:
                    await store.claim(run_id, owner="two", lease_seconds=30)
                return await writer.run(start, **how)

        order = run_pruning.PruneOrder("acme", clock.now, PruneDepth.ALL, frozenset({RunStatus.FAILED}), dry_run=False)
        before = _everything(engine)
        assert await run_pruning.prune_runs(Claiming(), order) == Pruned(0, 0, 0, 0)
        assert _everything(engine) == before

    asyncio.run(drive())
