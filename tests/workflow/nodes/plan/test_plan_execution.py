"""Running the steps of plans: order, parallelism, failures, and that nothing depends on what finishes first."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.exceptions import BudgetExceeded, RunInterrupted, WaitsForPerson
from harness.workflow.nodes.plan.execution import StepFailure, run_steps
from harness.workflow.nodes.plan.plan import PlanStep, before, dependencies


def plan_of(needs):
    return tuple(PlanStep(id=name, worker="w", depends_on=tuple(needed)) for name, needed in needs.items())


@st.composite
def _courses(draw):
    """A plan without cycles in any order, how long each step takes in turns of the loop, and which steps fail."""
    names = [f"s{number}" for number in range(draw(st.integers(1, 9)))]
    needs = {
        name: draw(st.lists(st.sampled_from(names[:place]), max_size=3, unique=True)) if place else []
        for place, name in enumerate(names)
    }
    order = draw(st.permutations(names))
    turns = {name: draw(st.integers(0, 5)) for name in names}
    failing = draw(st.sets(st.sampled_from(names), max_size=2))
    return plan_of({name: needs[name] for name in order}), turns, failing, draw(st.integers(1, 4))


def _reference(plan, failing):
    """The same one after the other: what each step yields, and what cannot run."""
    needs, ancestors = dependencies(plan), before(plan)
    done = {}
    for step in sorted(plan, key=lambda each: len(ancestors[each.id])):
        if step.id not in failing and not ancestors[step.id] & failing:
            done[step.id] = [step.id, [done[each] for each in needs[step.id]]]
    return done, {step.id for step in plan if step.id in failing and not ancestors[step.id] & failing}


@given(_courses())
def test_results_are_those_of_running_one_after_the_other_whatever_finishes_first(course):
    plan, turns, failing, most = course
    finished, now, widest = [], 0, 0
    needs = dependencies(plan)

    async def work(step, results):
        nonlocal now, widest
        now, widest = now + 1, max(widest, now + 1)
        assert set(needs[step.id]) <= set(finished)
        assert results.keys() == set(needs[step.id])
        for _ in range(turns[step.id]):
            await asyncio.sleep(0)
        now -= 1
        if step.id in failing:
            raise StepFailure(step.id, ValueError(step.id))
        finished.append(step.id)
        return [step.id, [results[each] for each in needs[step.id]]]

    outcome = asyncio.run(run_steps(plan, work, max_concurrency=most))
    done, failed = _reference(plan, failing)
    assert outcome.done == done
    assert outcome.failed.keys() == failed
    assert sorted(finished) == sorted(done)
    assert widest <= most


def test_two_independent_steps_meet():
    barrier = asyncio.Barrier(2)

    async def work(step, _):
        await barrier.wait()
        return step.id

    async def met():
        async with asyncio.timeout(5):
            return await run_steps(plan_of({"a": [], "b": []}), work, max_concurrency=2)

    assert asyncio.run(met()).done == {"a": "a", "b": "b"}


def _waiting():
    return WaitsForPerson("run", "n", "may it?")


def _run(errors, needs, most=4):
    """What ran, and what was raised."""
    ran = []

    async def work(step, _):
        ran.append(step.id)
        await asyncio.sleep(0)
        if step.id in errors:
            raise errors[step.id]
        return step.id

    with pytest.raises(Exception) as raised:
        asyncio.run(run_steps(plan_of(needs), work, max_concurrency=most))
    return ran, raised.value


def test_a_step_that_waits_for_a_person_keeps_no_other_from_running():
    ran, raised = _run({"a": _waiting()}, {"a": [], "b": [], "c": ["a"], "d": ["b"]}, most=1)
    assert ran == ["a", "b", "d"]
    assert isinstance(raised, WaitsForPerson)


def test_after_a_refused_budget_nothing_begins_and_it_is_told_before_what_waits():
    spent = BudgetExceeded("person:ada", "usd", 1, 1, 0, 1, None)
    ran, raised = _run({"a": _waiting(), "b": spent}, {"a": [], "b": [], "c": [], "d": ["c"]}, most=2)
    assert raised is spent
    assert "d" not in ran


def test_what_stops_the_run_is_raised_before_a_failure_is_reported():
    stop = RunInterrupted("run")
    _, raised = _run({"a": StepFailure("a", ValueError()), "b": stop}, {"a": [], "b": []})
    assert raised is stop


def test_what_is_under_way_ends_when_the_caller_goes_away():
    ended = []

    async def work(step, _):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(step.id)

    async def gone():
        task = asyncio.ensure_future(run_steps(plan_of({"a": [], "b": []}), work, max_concurrency=2))
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()

    asyncio.run(gone())
    assert sorted(ended) == ["a", "b"]
