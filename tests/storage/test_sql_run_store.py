"""Runs are recorded, leased to one owner at a time, and found by the beginning of their id, on both databases."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from harness.engines.run_store import NewRun, RunStatus, new_run_id, time_of_run_id, typed_run_id
from harness.exceptions import LeaseHeld, NameUnknown, RunInterrupted, StateRefused
from harness.json_values import digest_of
from harness.storage.sql_run_store import SqlRunStore
from tests.storage.run_samples import NEW, Clock, a_held_run, a_step, a_store

CLAIMING_PROCESS = Path(__file__).with_name("claiming_process.py")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(writer, clock):
    return a_store(writer, clock)


def test_a_run_is_pending_until_it_is_claimed_and_keeps_what_it_was_given(store, clock):
    async def drive():
        run = await store.record(NEW)
        assert (run.status, run.owner, run.started_at) == (RunStatus.PENDING, None, None)
        assert (run.person, run.workflow, run.task_id, run.binding_version_at_start) == (
            "ada",
            "licence_audit",
            run.run_id,
            3,
        )
        assert await store.spec(run.run_id) == NEW.spec
        assert await store.inputs(run.run_id) == NEW.inputs
        claimed = await store.claim(run.run_id, owner="one", lease_seconds=30)
        assert (claimed.status, claimed.owner) == (RunStatus.RUNNING, "one")
        assert claimed.lease_until == clock.now + timedelta(seconds=30)
        assert claimed.started_at == clock.now

    asyncio.run(drive())


def test_a_live_lease_keeps_others_out_and_an_ended_one_is_taken(store, clock):
    async def drive():
        run_id = (await store.record(NEW)).run_id
        await store.claim(run_id, owner="one", lease_seconds=30)
        clock.advance(29)
        with pytest.raises(LeaseHeld) as held:
            await store.claim(run_id, owner="two", lease_seconds=30)
        assert held.value.owner == "one"
        await store.renew(run_id, owner="one", lease_seconds=30)
        clock.advance(29)
        assert await store.expired() == []
        clock.advance(1)
        assert [run.run_id for run in await store.expired()] == [run_id]
        assert (await store.claim(run_id, owner="two", lease_seconds=30)).owner == "two"
        for late in (
            store.renew(run_id, owner="one", lease_seconds=30),
            store.release(run_id, owner="one", status=RunStatus.COMPLETED),
        ):
            with pytest.raises(LeaseHeld):
                await late
        assert (await store.run(run_id)).owner == "two"

    asyncio.run(drive())


def test_a_run_that_was_recorded_and_never_started_has_lost_its_process(store, clock):
    async def drive():
        run = await store.record(NEW)
        clock.advance(29)
        assert await store.expired() == []
        clock.advance(1)
        assert [each.run_id for each in await store.expired()] == [run.run_id]
        await store.claim(run.run_id, owner="one", lease_seconds=30)
        assert await store.expired() == []

    asyncio.run(drive())


def test_an_ended_lease_can_be_renewed_while_nobody_took_it(store, clock):
    async def drive():
        run_id = (await store.record(NEW)).run_id
        await store.claim(run_id, owner="one", lease_seconds=30)
        clock.advance(100)
        assert (await store.renew(run_id, owner="one", lease_seconds=30)).lease_until > clock.now

    asyncio.run(drive())


def test_a_released_run_says_what_became_of_it_and_only_a_completed_one_stays_so(store, engine):
    async def drive():
        run_id = (await store.record(NEW)).run_id
        await store.claim(run_id, owner="one", lease_seconds=30)
        failed = await store.release(run_id, owner="one", status=RunStatus.FAILED, error="Grace's text broke it")
        assert (failed.status, failed.owner, failed.error) == (RunStatus.FAILED, None, "Grace's text broke it")
        assert failed.finished_at is not None
        with engine.connect() as connection:
            assert "Grace" not in repr(connection.execute(text("SELECT * FROM runs")).all())
        with pytest.raises(RunInterrupted):
            await store.renew(run_id, owner="one", lease_seconds=30)
        again = await store.claim(run_id, owner="two", lease_seconds=30)
        assert (again.status, again.error, again.finished_at) == (RunStatus.RUNNING, None, None)
        assert again.started_at < again.lease_until
        await store.release(run_id, owner="two", status=RunStatus.COMPLETED)
        completed = await store.claim(run_id, owner="three", lease_seconds=30)
        assert (completed.status, completed.owner) == (RunStatus.COMPLETED, None)

    asyncio.run(drive())


def test_runs_are_listed_newest_first_by_status_and_workflow(store):
    async def drive():
        ids = [(await store.record(NEW)).run_id for _ in range(3)]
        await store.claim(ids[1], owner="one", lease_seconds=30)
        assert [run.run_id for run in await store.runs()] == ids[::-1]
        assert [run.run_id for run in await store.runs(limit=2)] == ids[:0:-1]
        assert [run.run_id for run in await store.runs(status=RunStatus.RUNNING)] == [ids[1]]
        assert len(await store.runs(workflow="licence_audit", status=RunStatus.PENDING)) == 2
        assert await store.runs(workflow="other") == []

    asyncio.run(drive())


def test_the_beginning_of_an_id_is_enough_where_no_other_begins_so(store, clock):
    async def drive():
        first = (await store.record(NEW)).run_id
        clock.advance(3600 * 24 * 400)
        second = (await store.record(NEW)).run_id
        length = next(place for place in range(16) if first[place] != second[place])
        common, unique = first[:length], first[: length + 1]
        assert (await store.run(unique.upper())).run_id == first
        with pytest.raises(NameUnknown) as ambiguous:
            await store.run(common)
        assert ambiguous.value.nearest == (second, first)
        with pytest.raises(NameUnknown) as mistyped:
            await store.claim(first[:-2] + "zz", owner="one", lease_seconds=1)
        assert first in mistyped.value.nearest
        for nothing in ("", "~", "%"):
            with pytest.raises(NameUnknown):
                await store.run(nothing)

    asyncio.run(drive())


def test_another_organisation_sees_no_run_and_no_payload(store, writer, clock):
    async def drive():
        run = await store.record(NEW)
        payload_id = await store.write_payload(run.run_id, {"a": 1}, subject="grace")
        assert await store.write_payload(run.run_id, {"a": 1}) == payload_id
        assert await store.read_payload(payload_id) == {"a": 1}
        stranger = SqlRunStore(writer, organisation="other", clock=clock, new_id=str)
        for hidden in (stranger.run(run.run_id), stranger.read_payload(payload_id)):
            with pytest.raises(NameUnknown):
                await hidden
        assert await stranger.runs() == []

    asyncio.run(drive())


def test_inputs_that_are_not_json_are_refused_before_anything_is_recorded(store):
    async def drive():
        with pytest.raises(StateRefused, match="inputs"):
            await store.record(NewRun("ada", "w", {}, {"path": Path("/")}, "/", 1))
        assert await store.runs() == []

    asyncio.run(drive())


def test_steps_are_found_from_the_run_they_belong_to_and_are_no_runs_of_their_own(store, clock):
    async def drive():
        root = await a_held_run(store)
        first = (await a_step(store, root, "research")).run_id
        second = (await a_step(store, root, "write:2")).run_id
        below = (await a_step(store, first, "look")).run_id
        assert (await store.child(root, "write:2")).run_id == second
        assert await store.child(root, "write") is None
        assert [run.run_id for run in await store.children(root)] == [first, second]
        assert (await store.root_of(below)).run_id == (await store.root_of(root)).run_id == root
        assert [run.run_id for run in await store.runs()] == [root]
        assert len(await store.runs(steps=True)) == 4
        clock.advance(3600)
        assert [run.run_id for run in await store.expired()] == [root]
        found = await store.run(below)
        assert (found.parent_run_id, found.parent_path) == (first, "look")

    asyncio.run(drive())


def test_the_beginning_of_a_run_and_its_steps_means_the_run(store):
    async def drive():
        root = (await store.record(NEW)).run_id
        steps = [(await a_step(store, root, f"place {place}")).run_id for place in range(6)]
        assert (await store.run(root[:5])).run_id == root
        assert (await store.run(steps[3])).run_id == steps[3]

    asyncio.run(drive())


def test_a_step_at_one_place_is_the_newest_and_nobody_elses(store, writer, clock):
    async def drive():
        root = await a_held_run(store)
        await a_step(store, root, "research")
        newest = await a_step(store, root, "research")
        assert (await store.child(root, "research")).run_id == newest.run_id
        stranger = SqlRunStore(writer, organisation="other", clock=clock, new_id=str)
        assert await stranger.child(root, "research") is None

    asyncio.run(drive())


def test_a_fork_says_where_it_comes_from(store):
    async def drive():
        fork = await store.record(NewRun("ada", "w", {}, {}, "/", 1, forked_from="0abc", forked_step=7))
        assert (fork.forked_from, fork.forked_step, fork.parent_run_id) == ("0abc", 7, None)

    asyncio.run(drive())


def test_active_time_adds_up_over_renewals_and_processes(store):
    async def drive():
        run_id = await a_held_run(store)
        assert (await store.run(run_id)).active_seconds == 0
        await store.renew(run_id, owner="one", lease_seconds=30, active_seconds=1.25)
        assert (await store.renew(run_id, owner="one", lease_seconds=30)).active_seconds == 1.25
        await store.release(run_id, owner="one", status=RunStatus.WAITING, active_seconds=0.5)
        await store.claim(run_id, owner="two", lease_seconds=30)
        ended = await store.release(run_id, owner="two", status=RunStatus.COMPLETED, active_seconds=0.25)
        assert ended.active_seconds == 2.0

    asyncio.run(drive())


def test_who_advances_a_run_hears_of_a_request_to_cancel_it_and_a_new_claim_forgets_it(store, clock):
    async def drive():
        run_id = await a_held_run(store)
        asked = await store.request_cancel(run_id[:8], person="grace")
        assert (asked.status, asked.owner) == (RunStatus.RUNNING, "one")
        heard = await store.renew(run_id, owner="one", lease_seconds=30)
        assert (heard.cancel_requested_at, heard.cancel_requested_by) == (clock.now, "grace")
        released = await store.release(run_id, owner="one", status=RunStatus.CANCELLED)
        assert (released.status, released.finished_at) == (RunStatus.CANCELLED, clock.now)
        again = await store.claim(run_id, owner="two", lease_seconds=30)
        assert (again.status, again.cancel_requested_at, again.cancel_requested_by) == (RunStatus.RUNNING, None, None)

    asyncio.run(drive())


@pytest.mark.parametrize("how", ["pending", "waiting", "failed", "lease over"])
def test_a_run_that_nobody_advances_is_cancelled_at_once(store, clock, how):
    async def drive():
        run_id = (await store.record(NEW)).run_id
        if how != "pending":
            await store.claim(run_id, owner="one", lease_seconds=30)
        if how in ("waiting", "failed"):
            await store.release(run_id, owner="one", status=RunStatus(how), error="it broke")
        clock.advance(30)
        cancelled = await store.request_cancel(run_id, person="grace")
        assert (cancelled.status, cancelled.owner, cancelled.cancel_requested_by) == (
            RunStatus.CANCELLED,
            None,
            "grace",
        )
        assert cancelled.finished_at is not None
        assert cancelled.error == ("it broke" if how in ("waiting", "failed") else None)
        assert await store.expired() == []
        with pytest.raises(RunInterrupted):  # which a process hears that was stopped for longer than its lease
            await store.renew(run_id, owner="one", lease_seconds=30)
        assert (await store.request_cancel(run_id, person="ada")).cancel_requested_by == "grace"

    asyncio.run(drive())


def test_a_completed_run_is_not_cancelled(store):
    async def drive():
        run_id = await a_held_run(store)
        await store.release(run_id, owner="one", status=RunStatus.COMPLETED)
        kept = await store.request_cancel(run_id, person="grace")
        assert (kept.status, kept.cancel_requested_at) == (RunStatus.COMPLETED, None)

    asyncio.run(drive())


@pytest.mark.parametrize("by", ["request", "release"])
def test_with_a_run_the_steps_that_nobody_advances_are_cancelled(store, by):
    async def drive():
        root = await a_held_run(store)
        waiting, done, elsewhere = [(await a_step(store, root, f"place {place}")).run_id for place in range(3)]
        below = (await a_step(store, waiting, "below")).run_id
        for step, owner in ((waiting, "one"), (done, "one"), (elsewhere, "two")):
            await store.claim(step, owner=owner, lease_seconds=300)
        await store.release(waiting, owner="one", status=RunStatus.WAITING)
        await store.release(done, owner="one", status=RunStatus.COMPLETED)
        if by == "request":
            await store.release(root, owner="one", status=RunStatus.WAITING)
            await store.request_cancel(root, person="grace")
        else:
            await store.release(root, owner="one", status=RunStatus.CANCELLED)
        stood = {run.run_id: run.status for run in await store.runs(steps=True)}
        assert stood == {
            root: RunStatus.CANCELLED,
            waiting: RunStatus.CANCELLED,
            below: RunStatus.CANCELLED,
            done: RunStatus.COMPLETED,
            elsewhere: RunStatus.RUNNING,
        }

    asyncio.run(drive())


def test_a_request_that_its_process_never_heard_is_done_when_the_run_is_put_down_or_looked_for(store, clock):
    async def drive():
        put_down, dead = await a_held_run(store), await a_held_run(store)
        for run_id in (put_down, dead):
            await store.request_cancel(run_id, person="grace")
        released = await store.release(put_down, owner="one", status=RunStatus.WAITING)
        assert (released.status, released.finished_at) == (RunStatus.CANCELLED, clock.now)
        clock.advance(31)
        assert await store.expired() == []
        assert (await store.run(dead)).status is RunStatus.CANCELLED

    asyncio.run(drive())


def test_a_run_goes_on_by_another_specification_only_for_its_owner(store):
    async def drive():
        run_id = await a_held_run(store)
        with pytest.raises(LeaseHeld):
            await store.replace_spec(run_id, owner="two", spec={"nodes": {}})
        assert await store.spec(run_id) == NEW.spec
        replaced = await store.replace_spec(run_id, owner="one", spec={"nodes": {}})
        assert replaced.spec_digest == digest_of({"nodes": {}})
        assert await store.spec(run_id) == {"nodes": {}}
        await store.release(run_id, owner="one", status=RunStatus.INTERRUPTED)
        with pytest.raises(RunInterrupted):
            await store.replace_spec(run_id, owner="one", spec={})

    asyncio.run(drive())


@pytest.mark.slow
def test_of_several_processes_that_claim_a_run_exactly_one_wins(store, runs_url):
    async def record():
        return [(await store.record(NEW)).run_id for _ in range(25)]

    run_ids = asyncio.run(record())
    processes = [
        subprocess.Popen(
            [sys.executable, str(CLAIMING_PROCESS), runs_url, owner, *run_ids],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for owner in ("one", "two", "three")
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    won = [json.loads(process.communicate()[0]) for process in processes]

    assert sorted(itertools.chain(*won)) == run_ids


_moments = st.integers(min_value=1_700_000_000_000, max_value=20_000_000_000_000).map(
    lambda milliseconds: datetime.fromtimestamp(milliseconds / 1000, UTC)
)


@given(_moments, _moments, st.integers(min_value=0, max_value=2**64))
def test_run_ids_sort_by_time_and_survive_being_typed(earlier, later, chance):
    first, second = new_run_id(earlier, chance), new_run_id(later, chance)

    assert len(first) == 16
    assert typed_run_id(f" {first.upper()} ") == first
    assert abs(time_of_run_id(first) - earlier) < timedelta(milliseconds=2)
    if int(earlier.timestamp() * 1000) < int(later.timestamp() * 1000):
        assert first < second
