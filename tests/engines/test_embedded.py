"""The engine of this machine: recorded before it starts, one advance at a time, its end as it was."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.engines.embedded import RunOrder
from harness.engines.run_store import RunStatus
from harness.exceptions import LeaseHeld, LimitOfRunReached, NodeFailed, SpecificationInvalid
from harness.workflow.events import CallAnswered, ItemFinished, NodeFinished, NodeStarted, Words
from harness.workflow.loading import load_workflow
from tests.storage.money_samples import a_send


def running(scripted, work, **given):
    async def main():
        async with scripted.opened(**given) as harness:
            return await work(harness)

    return asyncio.run(main())


def order(scripted, harness, inputs):
    loaded = load_workflow(harness.project.workflow_path("audit"))
    return RunOrder(loaded, inputs, "ada", "licences", Path("/nowhere"), scripted.folder, 1)


def test_a_run_is_recorded_pending_before_anything_of_it_is_done(scripted):
    async def work(harness):
        run = await harness.engine.record(order(scripted, harness, {"count": 2}))
        assert (run.status, run.started_at, run.task_id) == (RunStatus.PENDING, None, run.run_id)
        assert await harness.runs.inputs(run.run_id) == {"count": 2}

    running(scripted, work)
    assert scripted.home.rows("money", "SELECT COUNT(*) FROM entries") == [(0,)]


@pytest.mark.parametrize(
    ("inputs", "words"),
    [({"cuont": 1}, "no input 'cuont'; it takes count, prefix"), ({"count": "two"}, "'count' holds integer, not str")],
)
def test_inputs_that_the_workflow_does_not_take_are_refused(scripted, inputs, words):
    async def work(harness):
        with pytest.raises(SpecificationInvalid, match=words):
            await harness.engine.record(order(scripted, harness, inputs))
        assert await harness.runs.runs() == []

    running(scripted, work)


def test_events_tell_of_nodes_items_and_calls_and_a_completed_run_is_returned_as_it_ended(scripted):
    async def work(harness):
        events = []
        ended = await scripted.advance(harness, events.append, count=3)
        assert (ended.run.status, ended.error) == (RunStatus.COMPLETED, None)
        again = await harness.engine.advance(ended.run.run_id, events.append)
        assert (again.state, again.run.status) == (ended.state, RunStatus.COMPLETED)
        return events

    events = running(scripted, work)
    nodes = ["prepare", "classify", "check", "findings", "remember", "summarise", "report"]
    assert [each.node for each in events if isinstance(each, NodeStarted)] == nodes
    assert [each.node for each in events if isinstance(each, NodeFinished)] == nodes
    assert [(each.done, each.items) for each in events if isinstance(each, ItemFinished)] == [(1, 3), (2, 3), (3, 3)]
    calls = [each for each in events if isinstance(each, CallAnswered)]
    assert [each.replayed for each in calls] == [False] * 4
    assert all(each.cost_usd > 0 for each in calls)


def test_words_are_heard_as_they_arrive_where_they_are_asked_for(scripted):
    async def work(harness):
        events = []
        await scripted.advance(harness, events.append, count=1)
        return "".join(each.text for each in events if isinstance(each, Words) and each.node == "summarise")

    assert running(scripted, work, stream=True) == "All of them are under MIT."
    assert running(scripted, work) == ""


def test_a_listener_that_fails_stops_nothing(scripted):
    def deaf(event):
        raise BrokenPipeError

    async def work(harness):
        return await scripted.advance(harness, deaf, count=1)

    assert running(scripted, work).run.status is RunStatus.COMPLETED


def test_a_process_does_not_advance_a_run_twice_at_once(scripted):
    async def work(harness):
        run = await harness.engine.record(order(scripted, harness, {"count": 2}))
        results = await asyncio.gather(
            *(harness.engine.advance(run.run_id, lambda _: None) for _ in range(3)), return_exceptions=True
        )
        assert [type(each) for each in results[1:]] == [LeaseHeld, LeaseHeld]
        assert results[0].run.status is RunStatus.COMPLETED
        assert harness.reports.run_costs("default", run.run_id).calls == 3

    # The bindings are seeded by the first run otherwise.
    running(scripted, lambda harness: harness.binding_version())
    running(scripted, work)


def test_two_processes_have_two_names_though_host_and_number_be_the_same(scripted):
    one, other = scripted.opened(), scripted.opened()
    assert one._ambient.owner != other._ambient.owner
    for each in (one, other):
        each.databases.close()


def test_a_workflow_that_changed_on_disk_changes_no_run_that_has_begun(scripted):
    scripted.step("    known = [", "    raise ValueError\n    known = [")

    async def begun(harness):
        return await scripted.advance(harness, count=1)

    failed = running(scripted, begun)
    assert isinstance(failed.error, NodeFailed)
    assert failed.run.error == str(failed.error)
    scripted.edit("workflow.yaml", "outcome: report.done", "outcome: report.words")
    scripted.edit("summary.md", "Summarise", "Do not summarise")
    scripted.step("    raise ValueError\n", "")

    async def resumed(harness):
        ended = await harness.engine.advance(failed.run.run_id, lambda _: None)
        assert (ended.run.status, ended.run.error) == (RunStatus.COMPLETED, None)

    running(scripted, resumed)
    assert scripted.home.rows("money", "SELECT success FROM tasks WHERE parent_id IS NULL") == [(1,)]


def test_a_run_that_came_to_its_bound_goes_on_once_the_workflow_gives_it_more(scripted):
    scripted.edit("workflow.yaml", "outcome:", "limits: {steps: 3}\noutcome:")

    async def work(harness):
        stopped = await scripted.advance(harness, count=1)
        assert isinstance(stopped.error, LimitOfRunReached)
        assert "steps=3" in str(stopped.error)
        assert stopped.run.status is RunStatus.FAILED
        again = await harness.engine.advance(stopped.run.run_id, lambda _: None)
        assert isinstance(again.error, LimitOfRunReached)
        scripted.edit("workflow.yaml", "steps: 3", "steps: 30")
        ended = await harness.engine.advance(stopped.run.run_id, lambda _: None, migrate=harness.load("audit"))
        assert ended.run.status is RunStatus.COMPLETED

    running(scripted, work)


def test_the_runs_outcome_and_the_items_tasks_are_recorded(scripted):
    async def work(harness):
        ended = await scripted.advance(harness, count=2)
        costs = harness.reports.run_costs("default", ended.run.run_id, kind="package")
        assert (costs.completed, costs.failed) == (2, 0)
        return ended.run.run_id

    run_id = running(scripted, work)
    tasks = scripted.home.rows("money", "SELECT kind, key, parent_id, success FROM tasks ORDER BY kind, key")
    assert tasks == [
        ("audit", "", None, 1),
        ("package", "item-0", run_id, 1),
        ("package", "item-1", run_id, 1),
    ]
    charged = scripted.home.rows(
        "money",
        "SELECT t.key, COUNT(*) FROM entries e JOIN tasks t ON t.task_id = e.task_id WHERE e.kind = 'settle' "
        "GROUP BY t.key ORDER BY t.key",
    )
    assert charged == [("", 1), ("item-0", 1), ("item-1", 1)]


def test_a_run_whose_business_failed_completes_with_a_task_that_did_not(scripted):
    scripted.step('"done": True', '"done": False')

    async def work(harness):
        return (await scripted.advance(harness, count=1)).run.status

    assert running(scripted, work) is RunStatus.COMPLETED
    assert scripted.home.rows("money", "SELECT success FROM tasks WHERE parent_id IS NULL") == [(0,)]


def test_what_finished_beside_a_node_that_failed_is_not_done_again(scripted):
    """Two branches, each with a call: one answers outside its schema at once, the other later."""
    scripted.edit("workflow.yaml", "start: prepare", "start: [prepare, aside]")
    node = "  aside: {kind: model, role: writer, prompt: aside.md, output: aside}\n  prepare:"
    scripted.edit("workflow.yaml", "  prepare:", node)
    scripted.edit("workflow.yaml", "  found: {", "  aside: {type: string}\n  found: {")
    (scripted.folder / "aside.md").write_text("Say something aside.\n")
    scripted.step("    return [{", "    raise ValueError\n    return [{")
    scripted.replies('- {when: "aside", delay_ms: 60, text: "Aside."}')

    async def work(harness):
        events = []
        failed = await scripted.advance(harness, events.append, count=1)
        assert isinstance(failed.error, NodeFailed)
        assert failed.error.node == "prepare"
        scripted.step("    raise ValueError\n", "")
        ended = await harness.engine.advance(failed.run.run_id, events.append)
        assert (ended.run.status, ended.state["aside"]) == (RunStatus.COMPLETED, "Aside.")
        assert [each.node for each in events if isinstance(each, NodeStarted)].count("aside") == 1
        costs = harness.reports.run_costs("default", ended.run.run_id)
        assert (costs.calls, costs.estimated_usd) == (3, 0)

    running(scripted, work)


def test_what_a_dead_process_left_held_is_settled_before_a_run_is_advanced(scripted):
    async def work(harness):
        dead = a_send("of a dead process")
        await harness.money.hold(dead, at=datetime.now(UTC) - timedelta(minutes=5), lease_seconds=60)
        assert (await scripted.advance(harness, count=1)).error is None

    running(scripted, work)
    assert scripted.home.rows("money", "SELECT status FROM holds WHERE send_id = 'of a dead process'") == [("expired",)]
