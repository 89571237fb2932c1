"""The engine of this machine: runs a workflow in this process and continues those whose process is gone.

A run is recorded before it starts and advanced under a lease. What LangGraph's graph did is in our checkpoints,
written before the next step begins; what models answered is in the money store's journal. So after a kill another
process continues, and nothing that was finished or paid for is done again.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import cast

from harness.engines.run_advancing import EngineParts, OnEnded, RunAdvancing
from harness.engines.run_orders import HistoryStep, RunOrder, RunOutcome, StoredOrder
from harness.engines.run_store import NewRun, Run
from harness.json_values import JsonObject
from harness.workflow.events import OnRunEvent
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.nodes.node_services import RunContext
from harness.workflow.origins import Origin

__all__ = [
    "LEASE_SECONDS",
    "EmbeddedEngine",
    "EngineParts",
    "HistoryStep",
    "OnEnded",
    "RunOrder",
    "RunOutcome",
]

LEASE_SECONDS = 15.0


class EmbeddedEngine:
    """Runs of one organisation, advanced in this process."""

    def __init__(self, parts: EngineParts) -> None:
        self._runs = parts.runs
        self._advancing = RunAdvancing(parts)

    async def record(self, order: RunOrder) -> Run:
        """Record a run, so that it is known before anything of it is done.

        Raises:
            SpecificationInvalid: inputs that the workflow does not take.
        """
        order.check()
        return await self._runs.record(
            NewRun(
                person=order.person,
                workflow=order.loaded.spec.workflow,
                spec=order.stored().to_json(),
                inputs=order.inputs,
                project=str(order.project_folder),
                binding_version=order.binding_version,
            )
        )

    async def advance(self, run_id: str, on_event: OnRunEvent, *, migrate: LoadedWorkflow | None = None) -> RunOutcome:
        """Start a recorded run or continue one that stopped, to its end or to where it cannot go on.

        A completed run is returned as it ended. A failure of the run is in the outcome, not raised. Of a run that is a
        step of another, that one is advanced.

        Args:
            migrate: the workflow that it goes on with from here; without it the one that it is recorded with.

        Raises:
            LeaseHeld: somebody else advances it, from the start or from now on.
            RunInterrupted: it was taken from us and given back since, or the database is gone for as long as the lease.
            MigrationRefused: it cannot go on with that workflow; it was left as it is.
            NameUnknown: there is no such run.
            asyncio.CancelledError: the caller was cancelled; the run is left interrupted and can be resumed.
        """
        root = await self._runs.root_of(run_id)
        return await self._advancing.advance(root, on_event, migrate=migrate)

    @asynccontextmanager
    async def held(self, run_id: str, on_event: OnRunEvent) -> AsyncGenerator[RunContext]:
        """Hold a recorded run for somebody who runs its graph by themselves; it ends as the block does.

        Raises:
            LeaseHeld, RunInterrupted, RunCancelled: as `advance`; the block is cancelled.
        """
        run = await self._runs.run(run_id)
        async with self._advancing.held(run, on_event) as context:
            yield context

    async def cancel(self, run_id: str, person: str) -> Run:
        """Ask for a run to be stopped, with the runs that are its steps; it can be resumed.

        One that nobody advances is cancelled at once. Who advances one hears of it within a second, stops within what
        is in flight and settles what that may have cost. A completed run stays what it is.

        Raises:
            NameUnknown: there is no such run.
        """
        root = await self._runs.root_of(run_id)
        run = await self._runs.request_cancel(root.run_id, person=person)
        self._advancing.look(run.run_id)
        return run

    async def expired(self) -> tuple[str, ...]:
        """Runs whose process is gone, the longest first: what a sweeper continues."""
        return tuple(run.run_id for run in await self._runs.expired())

    async def history(self, run_id: str) -> Sequence[HistoryStep]:
        """The steps of a run, oldest first; empty before it started.

        Raises:
            NameUnknown: there is no such run.
        """
        from harness.engines.history import history_of  # imports langgraph, as all that reads checkpoints

        run, stored = await self._recorded(run_id)
        return await history_of(self._advancing.threads.of(run, stored.loaded))

    async def state_at(self, run_id: str, step: int) -> JsonObject:
        """The state of a run after a step; 0 is its inputs.

        Raises:
            NameUnknown: there is no such run, or it has no such step.
        """
        from harness.engines.history import state_at

        run, stored = await self._recorded(run_id)
        return await state_at(self._advancing.threads.of(run, stored.loaded), step)

    async def origins_at(self, run_id: str, step: int) -> Mapping[str, Origin]:
        """Where the values of a run's state came from after a step; keys that carry nothing are left out.

        Raises:
            NameUnknown: there is no such run, or it has no such step.
        """
        from harness.engines.history import origins_at

        run, stored = await self._recorded(run_id)
        return await origins_at(self._advancing.threads.of(run, stored.loaded), step)

    async def fork(self, run_id: str, step: int, changes: JsonObject, person: str) -> Run:
        """Record another run that starts where a run was after a step, with some keys of the state changed.

        The run it comes from stays as it is. What a condition decided at that step is decided anew, because what was
        changed may decide it; steps count from where the run came from.

        Raises:
            NameUnknown: there is no such run, or it has no such step.
            SpecificationInvalid: changes that the state does not take.
        """
        from harness.engines.history import fork_at

        run, stored = await self._recorded(run_id)
        fork = await fork_at(self._advancing.threads.of(run, stored.loaded), stored.loaded, step, changes)
        return await self._runs.record(
            NewRun(
                person=person,
                workflow=run.workflow,
                spec=replace(stored, fork=fork, parent_task_id=None).to_json(),
                inputs=cast("JsonObject", await self._runs.inputs(run.run_id)),
                project=run.project,
                binding_version=run.binding_version_at_start,
                forked_from=run.run_id,
                forked_step=step,
            )
        )

    async def _recorded(self, run_id: str) -> tuple[Run, StoredOrder]:
        run = await self._runs.run(run_id)
        return run, StoredOrder.from_json(await self._runs.spec(run.run_id))
