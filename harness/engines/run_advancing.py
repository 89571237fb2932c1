"""Advances one run under its lease, from where it is to its end or to where it cannot go on.

Every way out gives the lease back with what became of the run. What a node may use comes in as `EngineParts`; which
run is advanced when, and for whom, is left to the engine.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from harness.engines.child_runs import StepRuns
from harness.engines.failure_node import run_failure_node
from harness.engines.run_lease import HeldLease, renewed_lease
from harness.engines.run_limits import MoneyRunLimits, is_own_limit
from harness.engines.run_orders import RunOutcome, StoredOrder
from harness.engines.run_store import Run, RunStatus, RunStore
from harness.engines.run_tasks import task_of_run
from harness.engines.workflow_changes import require_migratable
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
        self._parts = parts
        self._runs = parts.runs
        self._advancing: set[str] = set()
        self._leases: dict[str, HeldLease] = {}

    async def advance(
        self, before: Run, on_event: OnRunEvent, *, root_run_id: str, migrate: LoadedWorkflow | None = None
    ) -> RunOutcome:
        """As `EmbeddedEngine.advance`, for exactly this run.

        Args:
            root_run_id: the run that this one is a step of, or itself.
        """
        if before.run_id in self._advancing:
            # The store lets an owner claim again, because a process may come back; not while it is at it.
            raise LeaseHeld(before.run_id, self._parts.owner, before.lease_until or before.created_at)
        self._advancing.add(before.run_id)
        try:
            run = await self._runs.claim(
                before.run_id, owner=self._parts.owner, lease_seconds=self._parts.lease_seconds
            )
            return await self._claimed(before, run, _unfailing(on_event), root_run_id, migrate)
        finally:
            self._advancing.discard(before.run_id)

    def look(self, run_id: str) -> None:
        """Let whoever advances a run in this process see at once that it is to be stopped."""
        if run_id in self._leases:
            self._leases[run_id].look()

    async def _claimed(
        self, before: Run, run: Run, on_event: OnRunEvent, root_run_id: str, migrate: LoadedWorkflow | None
    ) -> RunOutcome:
        if run.status is RunStatus.COMPLETED:
            return RunOutcome(run, await self.state(run), None)
        if before.status is RunStatus.RUNNING and before.cancel_requested_at is not None:
            # Its process died before it heard of it.
            return await self._ended(run, RunCancelled(run.run_id, before.cancel_requested_by or ""))
        stored = StoredOrder.from_json(await self._runs.spec(run.run_id))
        if migrate is not None:
            stored = await self._migrated(before, run, stored, migrate)
        resumed = before.started_at is not None
        lease: HeldLease | None = None
        try:
            async with self._lease(run) as lease:
                state = await self._execute(run, stored, on_event, root_run_id, resumed=resumed)
        except asyncio.CancelledError:
            await asyncio.shield(self._release(run, RunStatus.INTERRUPTED, RunInterrupted(run.run_id), lease))
            raise
        except (LeaseHeld, RunInterrupted):
            raise  # it is not ours any more, so there is nothing of it to write
        except HarnessError as error:
            return await self._ended(run, error, lease)
        except BaseException as error:
            # A fault of ours or of the machine: leave the run resumable, and let it be seen.
            await asyncio.shield(self._release(run, RunStatus.FAILED, error, lease))
            raise
        ended = await self._release(run, RunStatus.COMPLETED, None, lease)
        return RunOutcome(ended, state, None)
