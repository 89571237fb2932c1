"""The engine of this machine: runs a workflow in this process and continues those whose process is gone.

A run is recorded before it starts and advanced under a lease. What LangGraph's graph did is in our checkpoints,
written before the next step begins; what models answered is in the money store's journal. So after a kill another
process continues, and nothing that was finished or paid for is done again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from harness.engines.run_lease import renewed_lease
from harness.engines.run_store import NewRun, Run, RunStatus, RunStore
from harness.engines.run_tasks import task_of_run
from harness.exceptions import (
    BudgetExceeded,
    HarnessError,
    LeaseHeld,
    LimitOfRunReached,
    RunInterrupted,
    SpecificationInvalid,
    WaitsForPerson,
)
from harness.json_values import Json, JsonObject
from harness.workflow.events import OnRunEvent, RunEvent
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.nodes.node_services import NodeServices, RunContext, RunIdentity
from harness.workflow.spec import WorkflowSpec
from harness.workflow.state_values import initial_state, misfit

LEASE_SECONDS = 15.0

# LangGraph numbers a run's steps; one more than ours, because it counts the input as a step of its own.
_INPUT_STEP = 1
_GRAPHS_KEPT = 32


@dataclass(frozen=True, slots=True)
class RunOrder:
    """A run that is asked for.

    Args:
        working_folder: where its files for people go.
        project_folder: the folder of harness.yaml.
    """

    loaded: LoadedWorkflow
    inputs: JsonObject
    person: str
    team: str | None
    working_folder: Path
    project_folder: Path
    binding_version: int


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What became of a run, and its state as far as it came."""

    run: Run
    state: JsonObject
    error: HarnessError | None


# Hears that a run came to its end, with its final state; idempotent, because it may be called again.
OnEnded = Callable[[Run, WorkflowSpec, JsonObject], Awaitable[None]]


class EmbeddedEngine:
    """Advances runs of one organisation in this process.

    Args:
        owner: names this process to others, e.g. "host:pid".
        services_for: what the nodes of a run get.
        saver_for: the checkpoint saver for a person's run.
        lease_seconds: after this long without a sign a run is anybody's.
        sweep: settles what processes that are gone left open; done before a run is advanced.
        on_ended: hears how a run ended before its lease is given back.
    """

    def __init__(
        self,
        *,
        organisation: str,
        owner: str,
        runs: RunStore,
        services_for: Callable[[RunIdentity, OnRunEvent], NodeServices],
        saver_for: Callable[[str], Any],
        sweep: Callable[[], Awaitable[object]],
        on_ended: OnEnded,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._organisation = organisation
        self._owner = owner
        self._runs = runs
        self._services_for = services_for
        self._saver_for = saver_for
        self._sweep = sweep
        self._on_ended = on_ended
        self._lease_seconds = lease_seconds
        self._graphs: dict[tuple[str, str], Any] = {}
        self._advancing: set[str] = set()

    async def record(self, order: RunOrder) -> Run:
        """Record a run, so that it is known before anything of it is done.

        Raises:
            SpecificationInvalid: inputs that the workflow does not take.
        """
        _check_inputs(order)
        spec: JsonObject = {
            "workflow": order.loaded.to_json(),
            "working_folder": str(order.working_folder),
            "team": order.team,
        }
        return await self._runs.record(
            NewRun(
                person=order.person,
                workflow=order.loaded.spec.workflow,
                spec=spec,
                inputs=order.inputs,
                project=str(order.project_folder),
                binding_version=order.binding_version,
            )
        )

    async def advance(self, run_id: str, on_event: OnRunEvent) -> RunOutcome:
        """Start a recorded run or continue one that stopped, to its end or to where it cannot go on.

        A completed run is returned as it ended. A failure of the run is in the outcome, not raised.

        Raises:
            LeaseHeld: somebody else advances it, from the start or from now on.
            RunInterrupted: it was taken from us and given back since, or the database is gone for as long as the lease.
            NameUnknown: there is no such run.
            asyncio.CancelledError: the caller was cancelled; the run is left interrupted and can be resumed.
        """
        before = await self._runs.run(run_id)
        if before.run_id in self._advancing:
            # The store lets an owner claim again, because a process may come back; not while it is at it.
            raise LeaseHeld(before.run_id, self._owner, before.lease_until or before.created_at)
        self._advancing.add(before.run_id)
        try:
            return await self._advance(before, on_event)
        finally:
            self._advancing.discard(before.run_id)

    async def _advance(self, before: Run, on_event: OnRunEvent) -> RunOutcome:
        run = await self._runs.claim(before.run_id, owner=self._owner, lease_seconds=self._lease_seconds)
        resumed = before.started_at is not None
        if run.status is RunStatus.COMPLETED:
            return RunOutcome(run, await self._state(run), None)
        try:
            async with renewed_lease(self._runs, run.run_id, owner=self._owner, lease_seconds=self._lease_seconds):
                state = await self._execute(run, _unfailing(on_event), resumed=resumed)
        except asyncio.CancelledError:
            await asyncio.shield(self._release(run, RunStatus.INTERRUPTED, RunInterrupted(run.run_id)))
            raise
        except (LeaseHeld, RunInterrupted):
            raise  # it is not ours any more, so there is nothing of it to write
        except HarnessError as error:
            ended = await self._release(run, _status_after(error), error)
            return RunOutcome(ended, await self._state(run), error)
        except BaseException as error:
            # A fault of ours or of the machine: leave the run resumable, and let it be seen.
            await asyncio.shield(self._release(run, RunStatus.FAILED, error))
            raise
        ended = await self._release(run, RunStatus.COMPLETED, None)
        return RunOutcome(ended, state, None)

    async def expired(self) -> tuple[str, ...]:
        """Runs whose process is gone, the longest first: what a sweeper continues."""
        return tuple(run.run_id for run in await self._runs.expired())

    async def _execute(self, run: Run, on_event: OnRunEvent, *, resumed: bool) -> JsonObject:
        await self._sweep()
        spec = cast("JsonObject", await self._runs.spec(run.run_id))
        loaded = LoadedWorkflow.from_json(cast("JsonObject", spec["workflow"]))
        identity = RunIdentity(
            run_id=run.run_id,
            workflow=run.workflow,
            task_id=run.task_id,
            organisation=run.organisation,
            person=run.person,
            team=cast("str | None", spec.get("team")),
            working_folder=Path(str(spec["working_folder"])),
            project_folder=Path(run.project),
            resumed=resumed,
        )
        services = self._services_for(identity, on_event)
        await services.start_task(task_of_run(run))
        graph = self._graph_of(loaded, run.person)
        inputs = cast("JsonObject", await self._runs.inputs(run.run_id))
        state = await _run_graph(graph, RunContext(identity, services), loaded, inputs)
        await self._on_ended(run, loaded.spec, state)
        return state

    def _graph_of(self, loaded: LoadedWorkflow, person: str) -> Any:
        """The compiled graph; compiling takes longer than many a run, so the last ones are kept."""
        from harness.workflow.compiler import compile_graph

        key = (loaded.digest, person)
        if key not in self._graphs:
            if len(self._graphs) >= _GRAPHS_KEPT:
                del self._graphs[next(iter(self._graphs))]
            self._graphs[key] = compile_graph(loaded, checkpointer=self._saver_for(person))
        return self._graphs[key]

    async def _state(self, run: Run) -> JsonObject:
        """The workflow's keys at the newest checkpoint; empty before the first."""
        found = await self._saver_for(run.person).aget_tuple(_config(run.run_id))
        values: dict[str, Json] = found.checkpoint["channel_values"] if found else {}
        return _own_keys(values)

    async def _release(self, run: Run, status: RunStatus, error: BaseException | None) -> Run:
        return await self._runs.release(
            run.run_id, owner=self._owner, status=status, error=str(error) if error else None
        )


def _unfailing(on_event: OnRunEvent) -> OnRunEvent:
    """A listener's fault is not the run's: a closed terminal stops nothing."""

    def hear(event: RunEvent) -> None:
        with suppress(Exception):
            on_event(event)

    return hear


def _check_inputs(order: RunOrder) -> None:
    spec = order.loaded.spec
    problems = [
        f"{order.loaded.name}: no input {key!r}; it takes {', '.join(spec.inputs) or 'none'}"
        for key in order.inputs
        if key not in spec.inputs
    ]
    for key, value in order.inputs.items():
        reason = misfit(key, value, spec.state.get(key))
        if reason:
            problems.append(f"{order.loaded.name}: input: {reason}")
    if problems:
        raise SpecificationInvalid(problems)


async def _run_graph(graph: Any, context: RunContext, loaded: LoadedWorkflow, inputs: JsonObject) -> JsonObject:
    """Run the graph from its newest checkpoint, or from the inputs where there is none."""
    from langgraph.errors import GraphRecursionError
    from langsmith import tracing_context  # pyright: ignore[reportUnknownVariableType]

    limits = loaded.spec.limits
    run_id = context.run.run_id
    config = _config(run_id) | {"recursion_limit": limits.steps + _INPUT_STEP}
    begun = await graph.checkpointer.aget_tuple(_config(run_id))
    start = None if begun else initial_state(loaded.spec, inputs)
    try:
        # Nothing of a run is ever uploaded to LangSmith, whatever the environment says.
        with tracing_context(enabled=False):
            async with asyncio.timeout(limits.seconds):
                # "sync": a step's checkpoint is written before the next one begins.
                values = await graph.ainvoke(start, config, context=context, durability="sync")
    except GraphRecursionError as error:
        raise LimitOfRunReached(run_id, "steps", limits.steps) from error
    except TimeoutError as error:
        raise LimitOfRunReached(run_id, "seconds", limits.seconds) from error
    return _own_keys(values)


def _config(run_id: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": run_id, "checkpoint_ns": ""}}


def _own_keys(values: dict[str, Json]) -> JsonObject:
    return {key: value for key, value in values.items() if not key.startswith(("_", "branch:", "join:"))}


def _status_after(error: HarnessError) -> RunStatus:
    """A refused budget and an open question wait for somebody; everything else is a failure that can be resumed."""
    return RunStatus.WAITING if isinstance(error, BudgetExceeded | WaitsForPerson) else RunStatus.FAILED
