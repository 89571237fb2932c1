"""Time travel: the steps of a run, its state at each, and runs that start from there."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.engines.run_store import RunStatus
from harness.exceptions import NameUnknown, SpecificationInvalid
from harness.workflow.spec import StateKeySpec
from tests.engines.conftest import House, advanced, flow, recorded, resumed
from tests.must_hold.conftest import Home


class Sums:
    """Two branches that meet, then a choice: all of it whole numbers, and each node notes that it ran."""

    def __init__(self):
        self.ran = []
        self.broken = False

    def node(self, name, work):
        def run(x: int | None = None, y: int | None = None) -> int:
            self.ran.append(name)
            if self.broken and name == "meet":
                raise ValueError("broken")
            return work(x or 0, y or 0)

        return run

    def flow(self):
        work = {
            "begin": (lambda x, _: x + 1, "x"),
            "left": (lambda x, _: x * 10, "y"),
            "right": (lambda x, _: x * 100, "z"),
            "meet": (lambda x, y: x + y, "x"),
            "small": (lambda x, _: -x, "x"),
            "big": (lambda x, _: x * 2, "x"),
        }
        arguments = {"x": {"from": "x"}, "y": {"from": "y"}}
        return flow(
            "sums",
            {name: {"arguments": arguments, "output": output} for name, (_, output) in work.items()},
            {name: self.node(name, each) for name, (each, _) in work.items()},
            state={"x": int, "y": int, "z": int, "log": StateKeySpec(type="array", reducer="append", default=[])},
            inputs=["x"],
            edges=[
                ("begin", "left", "right"),
                ("left", "meet"),
                ("right", "meet"),
                ("meet", "big", {"when": "x > 20"}),
                ("meet", "small"),
            ],
        )


@pytest.fixture
def sums():
    return Sums()


def test_the_steps_of_a_run_are_told_with_what_ran_and_what_came_next(house, sums):
    async def work(harness):
        ended = await advanced(harness, sums.flow(), {"x": 0})
        return await harness.engine.history(ended.run.run_id), ended

    steps, ended = house.run(work)
    assert [(each.step, each.ran, each.next) for each in steps] == [
        (0, (), ("begin",)),
        (1, ("begin",), ("left", "right")),
        (2, ("left", "right"), ("meet",)),
        (3, ("meet",), ("small",)),
        (4, ("small",), ()),
    ]
    assert ended.run.started_at <= steps[0].at < steps[-1].at <= ended.run.finished_at


def test_the_state_at_a_step_is_what_the_run_had_then(house, sums):
    async def work(harness):
        run_id = (await advanced(harness, sums.flow(), {"x": 0})).run.run_id
        states = [await harness.engine.state_at(run_id, step) for step in range(5)]
        with pytest.raises(NameUnknown, match=rf"no step of run {run_id} '9'; did you mean '3' or '4'\?"):
            await harness.engine.state_at(run_id, 9)
        return states

    states = house.run(work)
    assert [(each["x"], each["y"], each["z"]) for each in states] == [
        (0, None, None),
        (1, None, None),
        (1, 10, 100),
        (11, 10, 100),
        (-11, 10, 100),
    ]


def test_a_run_that_has_not_started_has_no_steps(house, sums):
    async def work(harness):
        run = await recorded(harness, sums.flow(), {"x": 0})
        assert await harness.engine.history(run.run_id) == []
        with pytest.raises(NameUnknown, match="no step of run"):
            await harness.engine.state_at(run.run_id, 0)

    house.run(work)


def test_where_nothing_runs_any_more_nothing_forks(house, sums):
    async def work(harness):
        origin = (await advanced(harness, sums.flow(), {"x": 0})).run
        with pytest.raises(SpecificationInvalid, match="nothing runs after step 4"):
            await harness.engine.fork(origin.run_id, 4, {}, "ada")

    house.run(work)


def test_a_fork_runs_from_its_step_on_and_nothing_before_again(house, sums):
    async def work(harness):
        origin = (await advanced(harness, sums.flow(), {"x": 0})).run
        sums.ran.clear()
        fork = await harness.engine.fork(origin.run_id, 2, {"y": 5}, "grace")
        assert (fork.status, fork.forked_from, fork.forked_step) == (RunStatus.PENDING, origin.run_id, 2)
        assert (fork.person, fork.task_id) == ("grace", fork.run_id)
        before = await harness.engine.history(origin.run_id)
        ended = await resumed(harness, fork.run_id)
        assert sums.ran == ["meet", "small"]
        assert ended.state == {"x": -6, "y": 5, "z": 100, "log": []}
        steps = await harness.engine.history(fork.run_id)
        assert [(each.step, each.ran) for each in steps] == [(2, ()), (3, ("meet",)), (4, ("small",))]
        # The run it came from is as it was.
        assert await harness.engine.history(origin.run_id) == before
        assert (await harness.engine.state_at(origin.run_id, 4))["x"] == -11

    house.run(work)


def test_what_a_condition_chose_is_chosen_anew_where_something_was_changed(house, sums):
    async def work(harness):
        origin = (await advanced(harness, sums.flow(), {"x": 0})).run
        same = await harness.engine.fork(origin.run_id, 3, {}, "ada")
        other = await harness.engine.fork(origin.run_id, 3, {"x": 50}, "ada")
        states = [(await resumed(harness, each.run_id)).state["x"] for each in (same, other)]
        # A fork of a fork, at its first step: it knows what ran before it.
        back = await harness.engine.fork(other.run_id, 3, {"x": 3}, "ada")
        return [*states, (await resumed(harness, back.run_id)).state["x"]]

    assert house.run(work) == [-11, 100, -3]


def test_a_fork_of_a_run_that_failed_repeats_nothing_that_was_done_before_its_step(house, sums):
    async def work(harness):
        sums.broken = True
        failed = (await advanced(harness, sums.flow(), {"x": 0})).run
        assert failed.status is RunStatus.FAILED
        sums.broken = False
        sums.ran.clear()
        fork = await harness.engine.fork(failed.run_id, 1, {"x": 2}, "ada")
        ended = await resumed(harness, fork.run_id)
        assert sorted(sums.ran) == ["big", "left", "meet", "right"]
        assert ended.state["x"] == 44

    house.run(work)


def test_a_fork_at_the_inputs_is_the_run_with_other_inputs(house, sums):
    async def work(harness):
        origin = (await advanced(harness, sums.flow(), {"x": 0})).run
        fork = await harness.engine.fork(origin.run_id, 0, {"x": 9}, "ada")
        return (await resumed(harness, fork.run_id)).state["x"]

    assert house.run(work) == 220


def test_a_fork_of_a_fork_and_of_an_interrupted_one_stand_alone(house, sums):
    async def work(harness):
        origin = (await advanced(harness, sums.flow(), {"x": 0})).run
        first = await harness.engine.fork(origin.run_id, 1, {"x": 3}, "ada")
        await resumed(harness, first.run_id)
        second = await harness.engine.fork(first.run_id, 2, {"z": 7}, "ada")
        await harness._saver_for("ada").adelete_thread(origin.run_id)
        ended = await resumed(harness, second.run_id)
        assert ended.state == {"x": 66, "y": 30, "z": 7, "log": []}

    house.run(work)


def test_a_key_with_a_reducer_holds_what_it_was_changed_to_and_not_both(house):
    seen = []

    def add(log: list[str]) -> list[str]:
        seen.append(log)
        return ["new"]

    node = {"arguments": {"log": {"from": "log"}}, "output": "log"}
    twice = flow(
        "twice",
        {"one": node, "two": node},
        {"one": add, "two": add},
        state={"log": StateKeySpec(type="array", reducer="append", default=["old"])},
        edges=[("one", "two")],
    )

    async def work(harness):
        origin = (await advanced(harness, twice)).run
        fork = await harness.engine.fork(origin.run_id, 1, {"log": ["mine"]}, "ada")
        return (await resumed(harness, fork.run_id)).state["log"]

    assert house.run(work) == ["mine", "new"]
    assert seen == [["old"], ["old", "new"], ["mine"]]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"xx": 1}, "no state key 'xx'; did you mean 'x'"),
        ({"x": "one"}, "state key 'x' holds integer, not str"),
        ({"_visits": {}}, "no state key '_visits'"),
    ],
)
def test_changes_that_the_state_does_not_take_are_refused_and_nothing_is_recorded(house, sums, changes, words):
    async def work(harness):
        origin = (await advanced(harness, sums.flow(), {"x": 0})).run
        with pytest.raises(SpecificationInvalid, match=words):
            await harness.engine.fork(origin.run_id, 1, changes, "ada")
        assert len(await harness.runs.runs()) == 1

    house.run(work)


def test_a_fork_has_keys_of_its_own_for_its_effects_and_journals(house):
    """What an item made is journalled by run, so a fork makes it anew."""
    made = []

    def make(item: int) -> int:
        made.append(item)
        return item

    def stop() -> None:
        raise ValueError

    listing = flow(
        "listing",
        {"make": {"for_each": "items", "arguments": {"item": {"from": "item"}}, "output": "items"}, "stop": {}},
        {"make": make, "stop": stop},
        state={"items": list},
        inputs=["items"],
        edges=[("make", "stop")],
    )

    async def work(harness):
        origin = (await advanced(harness, listing, {"items": [1, 2]})).run
        fork = await harness.engine.fork(origin.run_id, 0, {}, "ada")
        await resumed(harness, fork.run_id)

    house.run(work)
    assert sorted(made) == [1, 1, 2, 2]


LAYERS = st.lists(st.integers(1, 3), min_size=1, max_size=4)


def layered(widths):
    """Layers of parallel nodes that all meet in a node before the next layer; each works on what came before."""

    def work(x: int, y: int, factor: int) -> int:
        return (x * factor + y) % 10_007

    nodes, edges, last = {}, [], None
    for layer, width in enumerate(widths):
        names = [f"n{layer}_{place}" for place in range(width)]
        for place, name in enumerate(names):
            output = "y" if width == 1 else f"p{place}"
            nodes[name] = {"code": "work", "output": output}
            nodes[name]["arguments"] = {"x": {"from": "x"}, "y": {"from": "y"}, "factor": place + layer + 2}
        meeting = f"m{layer}"
        nodes[meeting] = {"code": "work", "output": "x"}
        nodes[meeting]["arguments"] = {"x": {"from": "x"}, "y": {"from": "y" if width == 1 else "p0"}, "factor": 3}
        edges += [(last, *names)] if last else []
        edges += [(name, meeting) for name in names]
        last = meeting
    keys = {"x": int, "y": StateKeySpec(type="integer", default=1), "p0": int, "p1": int, "p2": int}
    first = [name for name in nodes if name.startswith("n0_")]
    return flow("layers", nodes, {"work": work}, state=keys, inputs=["x"], edges=edges, start=first)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(widths=LAYERS, x=st.integers(0, 99), at=st.integers(0, 8), again=st.integers(0, 8))
def test_a_fork_without_changes_ends_in_the_same_state(empty_home, tmp_path_factory, widths, x, at, again):
    folder = Path(shutil.copytree(empty_home, tmp_path_factory.mktemp("forks") / "home"))
    written = layered(widths)

    async def work(harness):
        origin = await advanced(harness, written, {"x": x})
        assert origin.run.status is RunStatus.COMPLETED
        steps = 2 * len(widths)
        fork = await harness.engine.fork(origin.run.run_id, at % steps, {}, "ada")
        forked = await resumed(harness, fork.run_id)
        assert (forked.run.status, forked.state) == (RunStatus.COMPLETED, origin.state)
        known = [each.step for each in await harness.engine.history(fork.run_id)]
        other = await harness.engine.fork(fork.run_id, known[again % (len(known) - 1)], {}, "ada")
        assert (await resumed(harness, other.run_id)).state == origin.state

    House(Home(folder)).run(work)
    shutil.rmtree(folder)
