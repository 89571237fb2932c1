"""Advances one run under its lease, from where it is to its end or to where it cannot go on.

Every way out gives the lease back with what became of the run. What a node may use comes in as `EngineParts`; which
run is advanced when, and for whom, is left to the engine.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from harness.engines.child_runs import StepRuns
from harness.engines.failure_node import run_failure_node
from harness.engines.run_lease import HeldLease, renewed_lease
from harness.engines.run_limits import MoneyRunLimits, is_own_limit
from harness.engines.run_orders import RunOutcome, StoredOrder, begun_with
from harness.engines.run_store import Run, RunStatus, RunStore
from harness.engines.run_tasks import task_of_run
from harness.engines.run_threads import RunThreads
from harness.exceptions import (
    BudgetExceeded,
    HarnessError,
    LeaseHeld,
    MigrationRefused,
    RunCancelled,
    RunInterrupted,
    WaitsForPerson,
)
from harness.json_values import JsonObject
from harness.workflow.events import OnRunEvent, RunEvent
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.nodes.node_services import ChildRuns, NodeServices, RunContext, RunIdentity
from harness.workflow.spec import WorkflowSpec

# Hears that a run came to its end, with its final state; idempotent, because it may be called again.
OnEnded = Callable[[Run, WorkflowSpec, JsonObject], Awaitable[None]]
_ON_ERROR = "on_error: "
ServicesFor = Callable[[RunIdentity, OnRunEvent, ChildRuns], NodeServices]


@dataclass(frozen=True, slots=True)
class EngineParts:
    """What an engine works with.

    Args:
        owner: names this process to others, e.g. "host:pid".
        services_for: what the nodes of a run get.
        saver_for: the checkpoint saver for a person's run.
        limits_for: what a run may cost.
        sweep: settles what processes that are gone left open; done before a run is advanced.
        on_ended: hears how a run ended before its lease is given back.
        lease_seconds: after this long without a sign a run is anybody's.
    """

    owner: str
    runs: RunStore
    services_for: ServicesFor
    saver_for: Callable[[str], Any]
    limits_for: Callable[[RunIdentity], MoneyRunLimits]
    sweep: Callable[[], Awaitable[object]]
    on_ended: OnEnded
    clock: Callable[[], datetime]
    lease_seconds: float


class RunAdvancing:
    """Advances runs of one organisation in this process."""

    def __init__(self, parts: EngineParts) -> None:
        self.threads = RunThreads(parts.saver_for)
        self._parts = parts
        self._runs = parts.runs
        self._advancing: set[str] = set()
        self._leases: dict[str, HeldLease] = {}

    async def advance(
        self,
        before: Run,
        on_event: OnRunEvent,
        *,
        within: tuple[str, ...] = (),
        migrate: LoadedWorkflow | None = None,
    ) -> RunOutcome:
        """As `EmbeddedEngine.advance`, for exactly this run.

        Args:
            within: the runs that this one is a step of, the innermost first.
        """
        if before.run_id in self._advancing:
            # The store lets an owner claim again, because a process may come back; not while it is at it.
            raise LeaseHeld(before.run_id, self._parts.owner, before.lease_until or before.created_at)
        self._advancing.add(before.run_id)
        try:
            run = await self._runs.claim(
                before.run_id, owner=self._parts.owner, lease_seconds=self._parts.lease_seconds
            )
            return await self._claimed(before, run, _unfailing(on_event), within, migrate)
        finally:
            self._advancing.discard(before.run_id)

    @asynccontextmanager
    async def held(self, before: Run, on_event: OnRunEvent) -> AsyncGenerator[RunContext]:
        """As `EmbeddedEngine.held`."""
        run = await self._runs.claim(before.run_id, owner=self._parts.owner, lease_seconds=self._parts.lease_seconds)
        lease: HeldLease | None = None
        try:
            async with self._lease(run) as lease:
                stored = StoredOrder.from_json(await self._runs.spec(run.run_id))
                yield await self._begun(run, stored, _unfailing(on_event), (), resumed=before.started_at is not None)
        except asyncio.CancelledError:
            left = self._release(run, RunStatus.INTERRUPTED, str(RunInterrupted(run.run_id)), lease)
            await asyncio.shield(left)
            raise
        except (LeaseHeld, RunInterrupted):
            raise
        except BaseException as error:
            status = status_after(error) if isinstance(error, HarnessError) else RunStatus.FAILED
            await asyncio.shield(self._release(run, status, str(error), lease))
            raise
        await self._release(run, RunStatus.COMPLETED, None, lease)

    def look(self, run_id: str) -> None:
        """Let whoever advances a run in this process see at once that it is to be stopped."""
        if run_id in self._leases:
            self._leases[run_id].look()

    async def _claimed(
        self, before: Run, run: Run, on_event: OnRunEvent, within: tuple[str, ...], migrate: LoadedWorkflow | None
    ) -> RunOutcome:
        if run.status is RunStatus.COMPLETED:
            return RunOutcome(run, await self.threads.state(run), None)
        if before.status is RunStatus.RUNNING and before.cancel_requested_at is not None:
            # Its process died before it heard of it.
            return await self._ended(run, RunCancelled(run.run_id, before.cancel_requested_by or ""), None)
        lease: HeldLease | None = None
        try:
            async with self._lease(run) as lease:
                stored = StoredOrder.from_json(await self._runs.spec(run.run_id))
                if migrate is not None:
                    stored = await self._migrated(run, stored, migrate)
                state = await self._execute(run, stored, on_event, within, resumed=before.started_at is not None)
        except asyncio.CancelledError:
            left = self._release(run, RunStatus.INTERRUPTED, str(RunInterrupted(run.run_id)), lease)
            await asyncio.shield(left)
            raise
        except MigrationRefused:
            status = RunStatus.INTERRUPTED if before.status is RunStatus.RUNNING else before.status
            await self._release(run, status, before.error, lease)
            raise
        except (LeaseHeld, RunInterrupted):
            raise  # it is not ours any more, so there is nothing of it to write
        except HarnessError as error:
            return await self._ended(run, error, lease)
        except BaseException as error:
            # A fault of ours or of the machine: leave the run resumable, and let it be seen.
            await asyncio.shield(self._release(run, RunStatus.FAILED, str(error), lease))
            raise
        return RunOutcome(await self._release(run, RunStatus.COMPLETED, None, lease), state, None)

    async def _execute(
        self, run: Run, stored: StoredOrder, on_event: OnRunEvent, within: tuple[str, ...], *, resumed: bool
    ) -> JsonObject:
        context = await self._begun(run, stored, on_event, within, resumed=resumed)
        spec = stored.loaded.spec
        thread = self.threads.of(run, stored.loaded)
        if stored.fork is not None:
            await self._begin_fork(run, stored, context)
        inputs = cast("JsonObject", await self._runs.inputs(run.run_id))
        try:
            start = begun_with(spec, inputs, stored.origin, is_step=bool(within))
            state = await thread.run(context, start, active_seconds=run.active_seconds)
        except HarnessError as error:
            if spec.on_error is not None and status_after(error) is RunStatus.FAILED:
                await self._tell_of(error, run, stored.loaded, context)
            raise
        await self._parts.on_ended(run, spec, state)
        return state

    async def _begun(
        self, run: Run, stored: StoredOrder, on_event: OnRunEvent, within: tuple[str, ...], *, resumed: bool
    ) -> RunContext:
        """What the run's nodes get, once its task and its limit are recorded."""
        if not within:
            await self._parts.sweep()
        identity = stored.identity(run, within=within, resumed=resumed)
        children = StepRuns(
            self._runs,
            run,
            stored,
            identity,
            on_event,
            advance=lambda child, hear: self.advance(child, hear, within=(run.run_id, *within)),
            origin_of=self.threads.origin,
            clock=self._parts.clock,
        )
        services = self._parts.services_for(identity, on_event, children)
        await services.start_task(task_of_run(run, parent_id=stored.parent_task_id))
        usd = _usd(stored.loaded.spec)
        if usd is not None:
            await self._parts.limits_for(identity).cap_run(usd)
        return RunContext(identity, services)

    async def _tell_of(self, error: HarnessError, run: Run, loaded: LoadedWorkflow, context: RunContext) -> None:
        """Run the node that is for failures; what it fails with stands below what it was to tell of."""
        try:
            await run_failure_node(loaded, context, await self.threads.of(run, loaded).channel_values(), error)
        except HarnessError as second:
            error.add_note(f"{_ON_ERROR}{second}")

    async def _migrated(self, run: Run, stored: StoredOrder, new: LoadedWorkflow) -> StoredOrder:
        """Let the run go on with another version of its workflow, from now on.

        Raises:
            MigrationRefused: it would not be the run it was.
        """
        from harness.engines.migration import check_migration  # imports langgraph

        old, after = stored.loaded, stored.under(new)
        if old.digest == new.digest:
            return stored
        await check_migration(old, new, self.threads.of(run, old), self.threads.of(run, new))
        await self._runs.replace_spec(run.run_id, owner=self._parts.owner, spec=after.to_json())
        if old.spec.limits.usd != new.spec.limits.usd:
            identity = after.identity(run, resumed=True)
            await self._parts.limits_for(identity).replace_cap_of_run(_usd(new.spec))
        return after

    async def _begin_fork(self, run: Run, stored: StoredOrder, context: RunContext) -> None:
        from harness.engines.history import begin_fork  # imports langgraph

        assert stored.fork is not None
        assert run.forked_from is not None
        origin = await self._runs.run(run.forked_from)
        thread, beside = self.threads.of(run, stored.loaded), self.threads.of(origin, stored.loaded)
        await begin_fork(thread, beside, stored.fork, context)

    @asynccontextmanager
    async def _lease(self, run: Run) -> AsyncGenerator[HeldLease]:
        parts = self._parts
        async with renewed_lease(self._runs, run.run_id, owner=parts.owner, lease_seconds=parts.lease_seconds) as lease:
            self._leases[run.run_id] = lease
            try:
                yield lease
            finally:
                del self._leases[run.run_id]

    async def _ended(self, run: Run, error: HarnessError, lease: HeldLease | None) -> RunOutcome:
        told = [note for note in getattr(error, "__notes__", ()) if note.startswith(_ON_ERROR)]
        ended = await self._release(run, status_after(error), "\n".join([str(error), *told]), lease)
        return RunOutcome(ended, await self.threads.state(run), error)

    async def _release(self, run: Run, status: RunStatus, error: str | None, lease: HeldLease | None) -> Run:
        return await self._runs.release(
            run.run_id,
            owner=self._parts.owner,
            status=status,
            error=error,
            active_seconds=lease.uncounted_seconds() if lease else 0.0,
        )


def status_after(error: HarnessError) -> RunStatus:
    """What a run is after it stopped with an error; all but a completed one can be resumed.

    It waits for whoever can answer a question or raise a budget. A limit that the run or a node of it has by its own
    workflow is a failure like any other: it is the workflow, and not the week, that must change.
    """
    if isinstance(error, RunCancelled):
        return RunStatus.CANCELLED
    if isinstance(error, WaitsForPerson) or (isinstance(error, BudgetExceeded) and not is_own_limit(error)):
        return RunStatus.WAITING
    return RunStatus.FAILED


def _usd(spec: WorkflowSpec) -> Decimal | None:
    return None if spec.limits.usd is None else Decimal(str(spec.limits.usd))


def _unfailing(on_event: OnRunEvent) -> OnRunEvent:
    """A listener's fault is not the run's: a closed terminal stops nothing."""

    def hear(event: RunEvent) -> None:
        with suppress(Exception):
            on_event(event)

    return hear
