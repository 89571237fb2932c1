"""A plan node: a request in words becomes steps, checked as a graph, shown, perhaps approved, and run.

A round is one plan. A step that fails, a plan that cannot be run and a person who declines with a comment are answered
by another round, at most `max_replans` times, which finds the results of earlier ones as `r1.step`; then what the
last one failed with is raised, chained to what came before. What waits for a person, a budget or another process is
never answered so.

Everything is journalled: the accepted plan at `{path}/{round}`, each step at `{path}/{round}.{step}` with where its
result came from at `{path}/{round}.{step}/origin`, and how a round ended that another followed at `{path}/{round}/end`. So a resumed run keeps its plans and runs no finished step again;
a step that failed in the last round is tried once more.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import cast

from harness.exceptions import (
    HarnessError,
    LeaseHeld,
    LimitOfRunReached,
    MoneyError,
    NodeFailed,
    PlanInvalid,
    QuestionExpired,
    RoleUnbound,
    RunCancelled,
    RunInterrupted,
    ToolChanged,
    WaitsForPerson,
)
from harness.json_values import Json, JsonObject, digest_of
from harness.workflow.events import NodeRetried, PlanMade, PlanStepFinished
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_kinds import PlanNode
from harness.workflow.nodes.asking_people import answer_of_person
from harness.workflow.nodes.node_services import SeveralKeys, Visit
from harness.workflow.nodes.plan.asking import Planner
from harness.workflow.nodes.plan.execution import StepFailure, StepsOutcome, run_steps
from harness.workflow.nodes.plan.plan import Plan, PlanStep, before, dependencies, plan_as_json, plan_from_json, sinks
from harness.workflow.nodes.plan.prompt import EndedRound
from harness.workflow.nodes.plan.workers import PlanWorkers
from harness.workflow.nodes.questions import APPROVAL_SCHEMA, QuestionKind
from harness.workflow.nodes.retrying import retried
from harness.workflow.nodes.step_journal import StepStatus
from harness.workflow.origins import Carried, Origin
from harness.workflow.prompts import variables
from ontology.exceptions import DatabaseUnavailable

_ORIGIN = "origin"
# What no other plan may answer: somebody else is to decide, or the run or its database is not ours.
_NOT_ANSWERED = (
    MoneyError,
    LimitOfRunReached,
    RoleUnbound,
    ToolChanged,
    WaitsForPerson,
    QuestionExpired,
    LeaseHeld,
    RunInterrupted,
    RunCancelled,
    DatabaseUnavailable,
)


class PlanNodeRunner:
    """Plans and runs for one node of one workflow; its files are read once."""

    def __init__(self, loaded: LoadedWorkflow, name: str, node: PlanNode) -> None:
        self.name = name
        self.node = node
        self.workers = PlanWorkers(loaded, name, node)
        self.planner = Planner(loaded, name, node)
        files = [each for each in (node.prompt, node.system) if each is not None]
        read = {each.name.partition(".")[0] for file in files for each in variables(loaded.files[file], name=file)}
        self._reads = frozenset({*read, *node.passes})
        self._meaning: JsonObject = {
            "node": node.model_dump(mode="json", by_alias=True),
            "files": [loaded.files[each] for each in files],
        }

    def digest(self, values: Mapping[str, Json]) -> str:
        """What the plans of a visit are made from: the node as it is written, and what it reads."""
        read: JsonObject = {key: value for key, value in values.items() if key in self._reads}
        return digest_of({**self._meaning, "values": read})

    async def run(self, visit: Visit) -> Json | SeveralKeys:
        """The result of the last plan's last step; of several last ones a mapping by step.

        Where the node says `results` those of all steps come with it: by id for the last plan's, by `r1.id` for those
        of earlier ones.

        Raises:
            PlanInvalid: the last plan could not be run.
            NodeFailed: a step of the last plan failed, or a person declined it.
            WaitsForPerson: for an approval, of the plan or in one of its steps.
            HarnessError: what the metered call raises, and what another plan may not answer.
        """
        output, results = await _Course(self, visit).result()
        if self.node.results is None:
            return output
        return SeveralKeys({self.node.output: output, self.node.results: results})


class _RoundFailed(Exception):
    """A round came to nothing: what the next is told of it, and what is raised where there is none.

    Args:
        digests: of the steps that are done: which of their recorded results are meant.
        because: what the error came of.
    """

    def __init__(
        self,
        ended: EndedRound,
        error: HarnessError,
        *,
        digests: Mapping[str, str] | None = None,
        because: BaseException | None = None,
    ) -> None:
        super().__init__(ended.number)
        self.ended = ended
        self.error = error
        self.digests = digests or {}
        self.because = because


class _Course:
    """One visit: its rounds, one after the other."""

    def __init__(self, runner: PlanNodeRunner, visit: Visit) -> None:
        self._runner = runner
        self._node = runner.node
        self._visit = visit
        self._journal = visit.services.journal
        self._passed = {key: visit.values[key] for key in runner.node.passes if key in visit.values}
        self._origin = visit.carried.given
        self._brought: dict[str, Origin] = {}
        self._recorded: dict[tuple[str, str], Json] = {}
        self._earlier: JsonObject = {}

    async def result(self) -> tuple[Json, JsonObject]:
        """The output, and the results of all steps."""
        steps = await self._journal.steps(self._visit.path)
        self._recorded = {(each.path, each.digest): each.result for each in steps if each.status is StepStatus.DONE}
        for each in steps:
            if each.kind == _ORIGIN and each.status is StepStatus.DONE:
                self._note(each.path.removesuffix(f"/{_ORIGIN}"), Origin.from_json(cast("JsonObject", each.result)))
        ended: list[EndedRound] = []
        last: HarnessError | None = None
        digest = self._runner.digest(self._visit.values)
        for number in range(1, self._node.max_replans + 2):
            digest = digest_of([digest, number])
            known = self._recorded_end(number, digest)
            if known is None:
                try:
                    return await self._round(number, digest, ended)
                except _RoundFailed as failed:
                    if number > self._node.max_replans:
                        raise failed.error from failed.because or last
                    known, last = failed.ended, failed.error
                    await self._record_end(digest, failed)
            ended.append(known)
            self._earlier |= {f"r{number}.{step}": result for step, result in known.done.items()}
        raise AssertionError("the last round returns or raises")

    async def _round(self, number: int, digest: str, ended: Sequence[EndedRound]) -> tuple[Json, JsonObject]:
        plan = await self._plan(number, digest, ended)
        waits = dependencies(plan)
        steps = tuple((step.id, step.worker, waits[step.id]) for step in plan)
        self._visit.services.on_event(PlanMade(self._visit.node, number, steps))
        workers = {step.id: step.worker for step in plan}
        if self._node.approval:
            await self._approve(number, plan, workers)
        digests: dict[str, str] = {}
        awaited = before(plan)
        earlier = await self._of_rounds(ended)

        async def work(step: PlanStep, results: Mapping[str, Json]) -> Json:
            of_steps = [await self._of_step(number, other, workers[other]) for other in sorted(awaited[step.id])]
            carried = Carried(earlier.joined(*of_steps))
            return await self._step(number, step, {**self._earlier, **results}, carried, digests)

        outcome = await run_steps(plan, work, max_concurrency=self._node.max_concurrency)
        if outcome.failed:
            raise self._failed_steps(number, workers, outcome, digests)
        ends = sinks(plan)
        output = outcome.done[ends[0]] if len(ends) == 1 else {each: outcome.done[each] for each in ends}
        return output, {**self._earlier, **outcome.done}

    async def _plan(self, number: int, digest: str, ended: Sequence[EndedRound]) -> Plan:
        """The round's plan: the one that was accepted, else a new one."""
        path = f"{self._visit.path}/{number}"
        recorded = await self._journal.begin(path, "plan", digest)
        if recorded.status is StepStatus.DONE:
            return plan_from_json(recorded.result)
        shapes = await self._runner.workers.shapes(self._visit)
        try:
            visit = replace(self._visit, path=path)
            plan = await self._runner.planner.plan(visit, shapes, ended, passed=self._passed, earlier=self._earlier)
        except PlanInvalid as invalid:
            await self._journal.fail(path, digest, str(invalid))
            raise _RoundFailed(EndedRound(number, {}, {}, {}, problems=invalid.problems), invalid) from invalid
        await self._journal.finish(path, digest, plan_as_json(plan))
        return plan

    async def _approve(self, number: int, plan: Plan, workers: Mapping[str, str]) -> None:
        """Let a plan pass that a person approved; what is shown is the plan itself.

        Raises:
            WaitsForPerson: nobody has answered yet.
            NodeFailed: it was declined without a word of what would be better.
        """
        answer = await answer_of_person(
            self._visit,
            QuestionKind.PLAN,
            f"May this plan of {self._visit.node!r} be run?" + (f" (plan {number})" if number > 1 else ""),
            self._runner.workers.shown(plan),
            APPROVAL_SCHEMA,
            place=str(number),
        )
        given = cast("JsonObject", answer)
        if given["approved"] is True:
            return
        comment = str(given.get("comment") or "").strip()
        declined = NodeFailed(self._visit.run.run_id, self._visit.node, f"its plan {number} was declined: {comment}")
        if not comment:
            raise NodeFailed(self._visit.run.run_id, self._visit.node, f"its plan {number} was declined")
        raise _RoundFailed(EndedRound(number, workers, {}, {}, comment=comment), declined)

    async def _of_rounds(self, ended: Sequence[EndedRound]) -> Origin:
        """What the node read, with what came of the steps of all earlier rounds, of which the planner was told."""
        found = [
            await self._of_step(each.number, step, each.workers[step])
            for each in ended
            for step in (*each.done, *each.failed)
        ]
        return self._origin.joined(*found)

    async def _of_step(self, number: int, step: str, worker: str) -> Origin:
        """What came of a step carries; one of an earlier version, which nobody noted, as much as its worker can."""
        known = self._brought.get(f"{self._visit.path}/{number}.{step}")
        return known or self._origin.joined(await self._runner.workers.origin(worker, self._visit))

    def _note(self, path: str, origin: Origin) -> None:
        self._brought[path] = self._brought.get(path, origin).joined(origin)
        self._visit.carried.add(origin)

    async def _record_origin(self, path: str, digest: str, origin: Origin) -> None:
        """Keep what comes of a step carries, before that itself is kept."""
        await self._journal.begin(f"{path}/{_ORIGIN}", _ORIGIN, digest)
        await self._journal.finish(f"{path}/{_ORIGIN}", digest, origin.to_json())
        self._note(path, origin)

    async def _step(
        self, number: int, step: PlanStep, results: Mapping[str, Json], carried: Carried, digests: dict[str, str]
    ) -> Json:
        """A step's result, once."""
        services, workers = self._visit.services, self._runner.workers
        path = f"{self._visit.path}/{number}.{step.id}"
        began = services.monotonic()
        try:
            inputs = workers.inputs(step, passed=self._passed, results=results)
        except HarnessError as error:
            self._tell(step, began, error)
            raise StepFailure(step.id, error) from error
        digest = digests[step.id] = workers.digest(step, inputs)
        recorded = await self._journal.begin(path, "plan_step", digest)
        if recorded.status is StepStatus.DONE:
            self._visit.carried.add(await self._of_step(number, step.id, step.worker))
            self._tell(step, began, None)
            return recorded.result
        try:
            visit = replace(self._visit, path=path, carried=carried)
            result = await self._tried(lambda: workers.call(step, inputs, visit))
        except Exception as error:
            if isinstance(error, _NOT_ANSWERED):
                raise
            await self._record_origin(path, digest, carried.origin)
            await self._journal.fail(path, digest, _in_words(error))
            self._tell(step, began, error)
            raise StepFailure(step.id, error) from error
        await self._record_origin(path, digest, carried.origin)
        await self._journal.finish(path, digest, result)
        self._tell(step, began, None)
        return result

    async def _tried(self, work: Callable[[], Awaitable[Json]]) -> Json:
        """A step tried as often as its node says: what a retry mends needs no other plan."""
        services, name = self._visit.services, self._visit.node
        return await retried(
            work,
            self._node.retry,
            chance=services.random,
            sleep=services.sleep,
            on_retry=lambda attempt, wait, error: services.on_event(NodeRetried(name, attempt, wait, str(error))),
        )

    def _tell(self, step: PlanStep, began: float, error: Exception | None) -> None:
        services = self._visit.services
        named = type(error).__name__ if error is not None else None
        services.on_event(PlanStepFinished(self._visit.node, step.id, services.monotonic() - began, named))

    def _failed_steps(
        self, number: int, workers: Mapping[str, str], outcome: StepsOutcome, digests: Mapping[str, str]
    ) -> _RoundFailed:
        failed = {step: _in_words(failure.cause) for step, failure in outcome.failed.items()}
        first, failure = next(iter(outcome.failed.items()))
        reason = f"step {first!r} of its plan {number} ({workers[first]}) failed: {failed[first]}"
        error = NodeFailed(self._visit.run.run_id, self._visit.node, reason)
        done = {step: digests[step] for step in outcome.done}
        return _RoundFailed(
            EndedRound(number, workers, outcome.done, failed), error, digests=done, because=failure.cause
        )

    async def _record_end(self, digest: str, failed: _RoundFailed) -> None:
        """Keep how a round ended that another follows, so that a resumed run does not go through it again."""
        ended = failed.ended
        path = f"{self._visit.path}/{ended.number}/end"
        await self._journal.begin(path, "plan_round", digest)
        result: JsonObject = {
            "workers": dict(ended.workers),
            "done": dict(failed.digests),
            "failed": dict(ended.failed),
            "problems": list(ended.problems),
            "comment": ended.comment,
        }
        await self._journal.finish(path, digest, result)

    def _recorded_end(self, number: int, digest: str) -> EndedRound | None:
        """How a round ended, where that is recorded with the results of all its steps that were done."""
        found = self._recorded.get((f"{self._visit.path}/{number}/end", digest))
        if not isinstance(found, dict):
            return None
        done = cast("dict[str, str]", found["done"])
        places = {step: (f"{self._visit.path}/{number}.{step}", of_step) for step, of_step in done.items()}
        if not all(place in self._recorded for place in places.values()):
            return None
        return EndedRound(
            number=number,
            workers=cast("dict[str, str]", found["workers"]),
            done={step: self._recorded[place] for step, place in places.items()},
            failed=cast("dict[str, str]", found["failed"]),
            problems=cast("list[str]", found["problems"]),
            comment=cast("str | None", found["comment"]),
        )


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
