"""A workflow as a step: a run of its own below its parent's, found again, told of and stopped with it."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from harness.engines.graph_threads import thread_config
from harness.engines.run_store import RunStatus
from harness.exceptions import BudgetExceeded, NodeFailed, SpecificationInvalid, WaitsForPerson
from harness.workflow.events import ChildRunStarted, NodeFinished
from harness.workflow.loading import load_workflow
from harness.workflow.spec import StateKeySpec
from tests.engines.conftest import advanced, flow, recorded, resumed

CHILD = {"kind": "workflow", "workflow": "inner"}


class Inner:
    """A workflow of two nodes that notes what it was given; it fails as often as it is told."""

    def __init__(self, failures=0):
        self.given = []
        self.doubled = 0
        self.failures = failures

    def note(self, number: int) -> int:
        self.given.append(number)
        return number

    def double(self, noted: int) -> int:
        if self.failures:
            self.failures -= 1
            raise ValueError("not yet")
        self.doubled += 1
        return 2 * noted

    def flow(self, **settings):
        arguments = {"number": {"from": "number"}}, {"noted": {"from": "noted"}}
        return flow(
            "inner",
            {
                "note": {"arguments": arguments[0], "output": "noted"},
                "double": {"arguments": arguments[1], "output": "twice"},
            },
            {"note": self.note, "double": self.double},
            state={"number": int, "noted": int, "twice": int},
            inputs=["number"],
            edges=[("note", "double")],
            **settings,
        )


def outer(node=None, **settings):
    return flow(
        "outer",
        {"step": {**CHILD, "inputs": {"number": {"from": "number"}}, "output": "found", **(node or {})}},
        state={"number": int, "numbers": list, "found": dict},
        inputs=["number", "numbers"],
        **settings,
    )


def test_a_step_is_a_run_of_its_own_with_its_task_and_its_state_comes_back(house):
    inner = Inner()

    async def work(harness):
        events = []
        ended = await advanced(harness, outer(), {"number": 4}, events.append)
        (child,) = await harness.runs.children(ended.run.run_id)
        assert ended.state["found"] == {"number": 4, "noted": 4, "twice": 8}
        assert (child.status, child.parent_path, child.workflow) == (RunStatus.COMPLETED, "step", "inner")
        assert await harness.runs.runs() == [await harness.runs.run(ended.run.run_id)]
        assert [each.run_id for each in events if isinstance(each, ChildRunStarted)] == [child.run_id]
        finished = [each.node for each in events if isinstance(each, NodeFinished)]
        assert finished == ["step/note", "step/double", "step"]
        return ended.run, child

    parent, child = house.run(work, inner.flow())
    tasks = house.home.rows("money", "SELECT task_id, kind, key, run_id, parent_id FROM tasks ORDER BY started_at")
    assert tasks == [
        (parent.run_id, "outer", "", parent.run_id, None),
        (child.task_id, "inner", "step", child.run_id, parent.run_id),
    ]


def test_the_outputs_that_are_named_make_the_output(house):
    async def work(harness):
        return (await advanced(harness, outer({"outputs": ["twice"]}), {"number": 4})).state["found"]

    assert house.run(work, Inner().flow()) == {"twice": 8}


def test_a_list_of_steps_has_a_run_for_each_item_in_order(house):
    inner = Inner()
    node = {"for_each": "numbers", "item": "n", "inputs": {"number": {"from": "n"}}, "outputs": ["twice"]}
    several = flow(
        "outer",
        {"step": {**CHILD, **node, "output": "found", "max_concurrency": 3}},
        state={"numbers": list, "found": list},
        inputs=["numbers"],
    )

    async def work(harness):
        ended = await advanced(harness, several, {"numbers": [1, 2, 3, 4]})
        children = await harness.runs.children(ended.run.run_id)
        return ended.state["found"], sorted(each.parent_path for each in children)

    found, paths = house.run(work, inner.flow())
    assert found == [{"twice": 2}, {"twice": 4}, {"twice": 6}, {"twice": 8}]
    assert paths == ["step[0]", "step[1]", "step[2]", "step[3]"]


def test_a_step_that_failed_fails_its_node_and_goes_on_where_it_was_when_the_parent_does(house):
    inner = Inner(failures=1)

    async def work(harness):
        failed = await advanced(harness, outer({"retry": {"attempts": 1}}), {"number": 4})
        (child,) = await harness.runs.children(failed.run.run_id)
        assert (failed.run.status, child.status) == (RunStatus.FAILED, RunStatus.FAILED)
        assert isinstance(failed.error, NodeFailed)
        assert failed.error.node == "step"
        assert f"workflow 'inner' (run {child.run_id}): node 'double': ValueError: not yet" in str(failed.error)
        assert f"harness resume {failed.run.run_id}" in str(failed.error)
        ended = await resumed(harness, failed.run.run_id)
        assert (ended.run.status, ended.state["found"]["twice"]) == (RunStatus.COMPLETED, 8)
        assert len(await harness.runs.children(failed.run.run_id)) == 1

    house.run(work, inner.flow())
    assert (inner.given, inner.doubled) == ([4], 1)


def test_resuming_a_step_resumes_what_it_is_a_step_of(house):
    inner = Inner(failures=1)

    async def work(harness):
        failed = await advanced(harness, outer(), {"number": 4})
        (child,) = await harness.runs.children(failed.run.run_id)
        ended = await resumed(harness, child.run_id)
        assert (ended.run.run_id, ended.run.status) == (failed.run.run_id, RunStatus.COMPLETED)

    house.run(work, inner.flow())


def test_a_step_that_waits_makes_its_parent_wait(house):
    asking = flow(
        "inner",
        {"ask": {"kind": "human", "question": "ask.md", "output": "answer"}},
        state={"number": int, "answer": dict},
        inputs=["number"],
        files={"ask.md": "May {{ number }} be?"},
    )

    async def work(harness):
        waits = await advanced(harness, outer(), {"number": 4})
        assert isinstance(waits.error, WaitsForPerson)
        assert (waits.error.run_id, waits.error.node) == (waits.run.run_id, "step/ask")
        assert waits.run.status is RunStatus.WAITING
        (child,) = await harness.runs.children(waits.run.run_id)
        assert child.status is RunStatus.WAITING
        (asked,) = await harness.questions.open(waits.run.run_id)
        assert (asked.run_id, asked.root_run_id) == (child.run_id, waits.run.run_id)
        await harness.questions.answer(
            asked.question_id, {"approved": True}, digest=asked.question.digest, person="ada"
        )
        ended = await resumed(harness, waits.run.run_id)
        assert ended.state["found"]["answer"] == {"approved": True}

    house.run(work, asking)


def test_inputs_that_the_step_does_not_take_fail_the_node(house):
    async def work(harness):
        failed = await advanced(harness, outer({"inputs": {"nmuber": 1}}), {"number": 4})
        assert isinstance(failed.error, SpecificationInvalid)
        assert "inner: no input 'nmuber'; it takes number" in str(failed.error)
        assert await harness.runs.children(failed.run.run_id) == []

    house.run(work, Inner().flow())


def test_steps_of_steps_run_and_are_told_of_by_their_whole_way(house):
    middle = flow(
        "middle",
        {"down": {**CHILD, "inputs": {"number": {"from": "number"}}, "output": "found"}},
        state={"number": int, "found": dict},
        inputs=["number"],
    )

    async def work(harness):
        events = []
        ended = await advanced(harness, outer({"workflow": "middle"}), {"number": 4}, events.append)
        assert ended.state["found"]["found"]["twice"] == 8
        finished = [each.node for each in events if isinstance(each, NodeFinished)]
        assert finished == ["step/down/note", "step/down/double", "step/down", "step"]

    house.run(work, middle, Inner().flow())


def test_python_workflows_that_would_run_each_other_for_ever_are_refused(house):
    one = flow("one", {"step": {**CHILD, "workflow": "two"}}, start="step")
    two = flow("two", {"step": {**CHILD, "workflow": "one"}}, start="step")

    async def work(harness):
        with pytest.raises(SpecificationInvalid, match=r"'one' would come to run itself \(one -> two -> one\)"):
            harness.load(one)

    house.run(work, one, two)


def test_the_lease_of_a_step_whose_process_died_with_its_parents_is_waited_for(house):
    inner = Inner(failures=1)

    async def work(harness):
        failed = await advanced(harness, outer(), {"number": 4})
        (child,) = await harness.runs.children(failed.run.run_id)
        await harness.runs.claim(child.run_id, owner="somebody gone", lease_seconds=0.4)
        assert (await resumed(harness, failed.run.run_id)).run.status is RunStatus.COMPLETED

    house.run(work, inner.flow())
    assert inner.doubled == 1


def test_a_step_that_somebody_else_advances_fails_the_node_and_not_the_parents_lease(house):
    inner = Inner(failures=1)

    async def work(harness):
        failed = await advanced(harness, outer(), {"number": 4})
        (child,) = await harness.runs.children(failed.run.run_id)
        harness.engine._advancing._advancing.add(child.run_id)
        again = await resumed(harness, failed.run.run_id)
        assert isinstance(again.error, NodeFailed)
        assert f"run {child.run_id} is advanced by" in str(again.error)
        assert (again.run.status, again.run.owner) == (RunStatus.FAILED, None)

    house.run(work, inner.flow())


def test_a_node_that_is_out_of_time_leaves_its_step_to_be_resumed(house):
    waiting = asyncio.Event()

    async def hang() -> None:
        if not waiting.is_set():
            waiting.set()
            await asyncio.Event().wait()

    hanging = flow("inner", {"hang": {}}, {"hang": hang}, state={"number": int}, inputs=["number"])

    async def work(harness):
        failed = await advanced(harness, outer({"timeout_seconds": 0.3, "retry": {"attempts": 1}}), {"number": 4})
        (child,) = await harness.runs.children(failed.run.run_id)
        assert child.status is RunStatus.INTERRUPTED
        assert (await resumed(harness, failed.run.run_id)).run.status is RunStatus.COMPLETED

    house.run(work, hanging)


OUTER = """\
workflow: outer
state: {found: {type: array}, counts: {type: array, default: [1, 1]}}
nodes:
  each:
    kind: workflow
    workflow: audit
    for_each: counts
    item: count
    inputs: {count: {from: count}}
    outputs: [report]
    max_concurrency: 2
    output: found
start: each
"""


def outer_audit(scripted, limits=""):
    (scripted.folder / "outer.yaml").write_text(OUTER + limits)
    return load_workflow(scripted.folder / "outer.yaml", {"audit": scripted.folder / "workflow.yaml"})


def test_what_steps_cost_is_part_of_what_their_parent_costs(scripted):
    async def work():
        async with scripted.opened() as harness:
            await harness.binding_version()
            ended = await advanced(harness, outer_audit(scripted))
            assert (ended.run.status, ended.error) == (RunStatus.COMPLETED, None)
            children = await harness.runs.children(ended.run.run_id)
            costs = [harness.reports.run_costs("default", each.run_id) for each in children]
            whole = harness.reports.run_costs("default", ended.run.run_id)
            assert [each.calls for each in costs] == [2, 2]
            assert whole.calls == 4
            assert whole.usd == sum(each.usd for each in costs) > 0
            assert (whole.completed, whole.failed) == (2, 0)

    asyncio.run(work())


def test_steps_together_cost_no_more_than_their_parent_may(scripted):
    loaded = outer_audit(scripted, "limits: {usd: 0.0018}\n")

    async def work():
        async with scripted.opened() as harness:
            await harness.binding_version()
            ended = await advanced(harness, loaded)
            assert isinstance(ended.error, BudgetExceeded)
            assert ended.error.scope == f"run:{ended.run.run_id}"
            assert ended.run.status is RunStatus.FAILED
            spent = harness.reports.run_costs("default", ended.run.run_id).usd
            # Raising it later counts what the steps have spent.
            caps = harness._limits_for(_identity(ended.run, scripted))
            await caps.replace_cap_of_run(Decimal(1))
            (balance,) = await harness.money.balances(
                "default", [("run", ended.run.run_id)], at=harness._ambient.clock() + timedelta(seconds=1)
            )
            assert balance.spent == int(spent * 10**9) > 0
            assert (await resumed(harness, ended.run.run_id)).error is None

    asyncio.run(work())


def _identity(run, scripted):
    from harness.workflow.nodes.node_services import RunIdentity

    return RunIdentity(run.run_id, "w", run.task_id, "default", "ada", None, scripted.folder, scripted.folder, False)


def test_a_run_that_is_not_started_can_be_a_parent_later(house):
    """What Python wrote is stored with its steps, so another process needs them only for their functions."""
    inner = Inner()

    async def first(harness):
        return (await recorded(harness, outer(), {"number": 3})).run_id

    async def second(harness):
        return (await resumed(harness, run_id)).state["found"]["twice"]

    run_id = house.run(first, inner.flow())
    assert house.run(second, inner.flow()) == 6


def test_what_a_steps_inputs_came_from_goes_with_them_and_what_it_brings_in_comes_back(house):
    """The step's own file says nothing of its input; what it makes is private by its own word."""
    inner = flow(
        "inner",
        {"copy": {"arguments": {"text": {"from": "text"}}, "output": "copied"}},
        {"copy": lambda text: text},
        state={"text": str, "copied": str, "secret": StateKeySpec(type="string", private=True, default="s")},
        inputs=["text"],
    )
    letters = flow(
        "outer",
        {"step": {**CHILD, "inputs": {"text": {"from": "letter"}}, "output": "found"}},
        state={"letter": StateKeySpec(type="string", untrusted=True), "found": dict},
        inputs=["letter"],
    )

    async def work(harness):
        ended = await advanced(harness, letters, {"letter": "hello"})
        (child,) = await harness.runs.children(ended.run.run_id)
        saver = harness._saver_for("ada")
        found = [await saver.aget_tuple(thread_config(each.run_id)) for each in (child, ended.run)]
        return [each.checkpoint["channel_values"]["_origins"] for each in found]

    of_child, of_parent = house.run(work, inner)
    assert of_child["text"]["untrusted"]
    assert of_child["copied"]["untrusted"]
    assert (of_parent["found"]["untrusted"], of_parent["found"]["private"]) == (True, True)


async def carried_at(harness, outcome, step):
    return await harness.engine.origins_at(outcome.run.run_id, step)


SECRET = StateKeySpec(type="integer", untrusted=True, private=True)


def test_what_goes_through_a_workflow_that_brings_nothing_in_carries_what_it_was_given(house):
    middle = flow(
        "middle",
        {"below": {**CHILD, "inputs": {"number": {"from": "number"}}, "output": "found"}},
        state={"number": int, "found": dict},
        inputs=["number"],
    )
    top = flow(
        "top",
        {"step": {**CHILD, "workflow": "middle", "inputs": {"number": {"from": "number"}}, "output": "found"}},
        state={"number": SECRET, "found": dict},
        inputs=["number"],
    )

    async def work(harness):
        ended = await advanced(harness, top, {"number": 4})
        assert ended.state["found"]["found"]["twice"] == 8
        (child,) = await harness.runs.children(ended.run.run_id)
        (below,) = await harness.runs.children(child.run_id)
        assert (await harness.engine.origins_at(below.run_id, 2))["number"].confined
        assert (await carried_at(harness, ended, 1))["found"].confined

    house.run(work, Inner().flow(), middle)


def test_a_workflow_that_fails_tells_of_what_it_had(house):
    nodes = {
        "step": {
            **CHILD,
            "for_each": "numbers",
            "inputs": {"number": {"from": "item"}},
            "output": "found",
            "on_item_error": "skip",
            "errors": "errors",
        }
    }
    top = flow("top", nodes, state={"numbers": list, "found": list, "errors": list}, inputs=["numbers"])
    inner = Inner(failures=1)
    below = inner.flow()
    below._state["number"] = StateKeySpec(type="integer", untrusted=True)

    async def work(harness):
        ended = await advanced(harness, top, {"numbers": [4]})
        assert ended.state["found"] == [None]
        assert (await carried_at(harness, ended, 1))["errors"].untrusted

    house.run(work, below)
