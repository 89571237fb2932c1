"""The bounds of a run: its steps and its time over all resumes, its money held before each call."""

import asyncio
from decimal import Decimal

import pytest

from harness.budgets.limits import Limit, ScopeKind, Unit
from harness.budgets.periods import Period
from harness.engines.run_store import RunStatus
from harness.exceptions import BudgetExceeded, LimitOfRunReached, NodeFailed
from tests.engines.conftest import advanced, flow, recorded, resumed


class Steps:
    """A chain of nodes that note that they ran; one fails as often as it is told."""

    def __init__(self, count, failures=0, at=0):
        self.ran = []
        self.failures = failures
        self.names = [f"n{number}" for number in range(count)]
        self.at = self.names[at]

    def one(self, name):
        def work() -> None:
            if name == self.at and self.failures:
                self.failures -= 1
                raise ValueError("not yet")
            self.ran.append(name)

        return work

    def flow(self, **limits):
        return flow(
            "chain",
            {name: {} for name in self.names},
            {name: self.one(name) for name in self.names},
            edges=list(zip(self.names, self.names[1:], strict=False)),
            limits=limits,
        )


@pytest.mark.parametrize(("steps", "status"), [(3, RunStatus.COMPLETED), (2, RunStatus.FAILED), (1, RunStatus.FAILED)])
def test_a_run_takes_as_many_steps_as_it_may_and_not_one_more(house, steps, status):
    chain = Steps(3)

    async def work(harness):
        return await advanced(harness, chain.flow(steps=steps))

    ended = house.run(work)
    assert ended.run.status is status
    assert chain.ran == chain.names[:steps]
    if status is RunStatus.FAILED:
        assert isinstance(ended.error, LimitOfRunReached)
        assert f"steps={steps}" in str(ended.error)


@pytest.mark.parametrize("steps", [3, 4, 5, 6])
@pytest.mark.parametrize("failing_at", [0, 2, 4])
def test_steps_are_counted_over_all_resumes(house, steps, failing_at):
    chain = Steps(5, failures=2, at=failing_at)

    async def work(harness):
        run = await recorded(harness, chain.flow(steps=steps))
        return [await resumed(harness, run.run_id) for _ in range(5)][-1]

    ended = house.run(work)
    assert chain.ran == chain.names[:steps]
    assert ended.run.status is (RunStatus.COMPLETED if steps >= 5 else RunStatus.FAILED)


def test_time_is_counted_over_all_resumes_and_waiting_in_between_is_not(house):
    slept = []

    async def sleep() -> None:
        slept.append(1)
        await asyncio.sleep(0.5)
        if len(slept) < 4:
            raise ValueError("again")

    slow = flow("slow", {"sleep": {}}, {"sleep": sleep}, limits={"seconds": 1.4})

    async def work(harness):
        await advanced(harness, flow("other", {"pass_by": {}}, {"pass_by": lambda: None}))  # imports and compiles
        run = await recorded(harness, slow)
        outcomes = []
        for _ in range(3):
            outcomes.append(await resumed(harness, run.run_id))
            await asyncio.sleep(0.2)
        return outcomes

    first, second, third = house.run(work)
    assert [type(each.error) for each in (first, second, third)] == [NodeFailed, NodeFailed, LimitOfRunReached]
    assert "seconds=1.4" in str(third.error)
    assert 0.5 <= first.run.active_seconds < second.run.active_seconds < 1.4 <= third.run.active_seconds < 1.8


def test_a_run_that_is_over_its_time_is_stopped_at_once(house):
    async def work(harness):
        run = await recorded(
            harness, flow("slow", {"sleep": {}}, {"sleep": asyncio.Event().wait}, limits={"seconds": 0.2})
        )
        await resumed(harness, run.run_id)
        began = asyncio.get_running_loop().time()
        ended = await resumed(harness, run.run_id)
        assert asyncio.get_running_loop().time() - began < 0.2
        return ended

    assert isinstance(house.run(work).error, LimitOfRunReached)


def limited(scripted, usd):
    scripted.edit("workflow.yaml", "outcome:", f"limits: {{usd: {usd}}}\noutcome:")


def test_no_run_costs_more_than_its_workflow_says_and_that_is_a_failure(scripted):
    limited(scripted, 0.0018)

    async def work():
        async with scripted.opened() as harness:
            ended = await scripted.advance(harness, count=6)
            again = await resumed(harness, ended.run.run_id)
            costs = harness.reports.run_costs("default", ended.run.run_id)
            return ended, again, costs.usd

    ended, again, spent = asyncio.run(work())
    for each in (ended, again):
        assert isinstance(each.error, BudgetExceeded)
        assert each.error.scope == f"run:{ended.run.run_id}"
        assert each.run.status is RunStatus.FAILED
    assert Decimal(0) < spent <= Decimal("0.0018")
    limits = scripted.home.rows("money", "SELECT scope_kind, scope_id, amount FROM limits")
    assert limits == [("run", ended.run.run_id, 1_800_000)]


def test_a_limit_that_somebody_raised_is_kept_and_the_run_goes_on(scripted):
    limited(scripted, 0.0001)

    async def work():
        async with scripted.opened() as harness:
            stopped = await scripted.advance(harness, count=1)
            assert isinstance(stopped.error, BudgetExceeded)
            run_id, now = stopped.run.run_id, harness._ambient.clock()
            raised = Limit("raised", "default", ScopeKind.RUN, run_id, Unit.USD, 10**9, Period.NONE, "UTC", "ada", now)
            await harness.money.set_limit(raised)
            return await resumed(harness, run_id)

    ended = asyncio.run(work())
    assert (ended.run.status, ended.error) == (RunStatus.COMPLETED, None)


def test_a_part_of_a_run_is_capped_once(scripted):
    async def work():
        async with scripted.opened() as harness:
            ended = await scripted.advance(harness, count=1)
            caps = harness._limits_for(_identity(ended.run, scripted))
            for _ in range(2):
                await caps.cap("research[2]", Decimal("0.25"))
            return ended.run.run_id

    run_id = asyncio.run(work())
    limits = scripted.home.rows("money", "SELECT scope_kind, scope_id, amount FROM limits WHERE scope_kind = 'node'")
    assert limits == [("node", f"{run_id}/research[2]", 250_000_000)]


def _identity(run, scripted):
    from harness.workflow.nodes.node_services import RunIdentity

    return RunIdentity(run.run_id, "w", run.task_id, "default", "ada", None, scripted.folder, scripted.folder, False)
