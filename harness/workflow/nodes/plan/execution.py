"""Running the steps of a plan: each when what it waits for is done, so many at a time.

What a step does is handed in. Which steps run does not depend on which finishes first: all but those that wait, over
however many steps, for one that failed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from harness.exceptions import WaitsForPerson
from harness.json_values import Json
from harness.workflow.nodes.plan.plan import Plan, PlanStep, dependencies


class StepFailure(Exception):
    """A step failed with something that another plan may answer; it stays inside the plan node."""

    def __init__(self, step_id: str, cause: Exception) -> None:
        super().__init__(step_id, cause)
        self.step_id = step_id
        self.cause = cause


@dataclass(slots=True)
class StepsOutcome:
    """What became of the steps of one plan: results and failures by id, those that failed in the plan's order."""

    done: dict[str, Json] = field(default_factory=dict[str, Json])
    failed: dict[str, StepFailure] = field(default_factory=dict[str, StepFailure])


# Does a step, given the results of the steps before it.
Work = Callable[[PlanStep, Mapping[str, Json]], Awaitable[Json]]


async def run_steps(plan: Plan, work: Work, *, max_concurrency: int) -> StepsOutcome:
    """Run a plan that was checked.

    After a `StepFailure` whatever does not depend on the step runs all the same. A step that waits for a person keeps
    no other from running, so that all are asked at once; after any other error no step begins, and those under way
    are waited for.

    Raises:
        Exception: what `work` raised that is no `StepFailure`; what waits for a person comes last.
    """
    course = _Course(plan, work, max_concurrency)
    try:
        await course.run()
    finally:
        await course.cancelled()
    if course.stops:
        places = {step.id: place for place, step in enumerate(plan)}
        first = min(course.stops, key=lambda each: (isinstance(course.stops[each], WaitsForPerson), places[each]))
        raise course.stops[first]
    order = [step.id for step in plan]
    failed = {each: course.failed[each] for each in order if each in course.failed}
    return StepsOutcome({each: course.done[each] for each in order if each in course.done}, failed)


class _Course:
    """One execution under way."""

    def __init__(self, plan: Plan, work: Work, max_concurrency: int) -> None:
        self._work = work
        self._most = max_concurrency
        self._needs = dependencies(plan)
        self._waiting = list(plan)
        self._running: dict[asyncio.Task[Json], PlanStep] = {}
        self.done: dict[str, Json] = {}
        self.failed: dict[str, StepFailure] = {}
        self.stops: dict[str, Exception] = {}

    async def run(self) -> None:
        self._begin()
        while self._running:
            finished, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            for task in finished:
                self._note(task)
            self._begin()

    def _begin(self) -> None:
        """Start what is ready, in the plan's order."""
        if any(not isinstance(each, WaitsForPerson) for each in self.stops.values()):
            return
        for step in list(self._waiting):
            if len(self._running) >= self._most:
                return
            needed = self._needs[step.id]
            if all(each in self.done for each in needed):
                self._waiting.remove(step)
                results = {each: self.done[each] for each in needed}
                self._running[asyncio.ensure_future(self._work(step, results))] = step

    def _note(self, task: asyncio.Future[Json]) -> None:
        assert isinstance(task, asyncio.Task)
        step = self._running.pop(task)
        try:
            self.done[step.id] = task.result()
        except StepFailure as failure:
            self.failed[step.id] = failure
        except Exception as error:  # noqa: BLE001 - raised once the others are done
            self.stops[step.id] = error

    async def cancelled(self) -> None:
        """End what is still under way, where the caller goes away."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
