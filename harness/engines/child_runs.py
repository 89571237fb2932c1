"""Workflows as steps: the run that one is, recorded below its parent's and advanced with it.

A step is a run of its own: its checkpoints, its task, its limits, its place in the list of runs. It has no life beside
its parent's: the same process advances both, it is stopped and cancelled with it, and is found again by its place when
the parent goes on.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

from harness.engines.run_orders import RunOrder, RunOutcome, StoredOrder
from harness.engines.run_store import NewRun, Run, RunStore
from harness.exceptions import (
    BudgetExceeded,
    HarnessError,
    LeaseHeld,
    NodeFailed,
    RunCancelled,
    RunInterrupted,
    WaitsForPerson,
)
from harness.json_values import JsonObject
from harness.ledger.tasks import task_id_for
from harness.workflow.events import ChildRunStarted, OnRunEvent, RunEvent
from harness.workflow.nodes.node_services import ChildRuns, RunIdentity
from harness.workflow.origins import Carried, Origin, origin_of_failure

_A_LITTLE_LATER = 0.05  # seconds
Advance = Callable[[Run, OnRunEvent], Awaitable[RunOutcome]]


class StepRuns(ChildRuns):
    """Implements `ChildRuns` for one run; made where no graph runs yet.

    Args:
        advance: advances a run that is a step.
        origin_of: what a run's state carries in the end, all of it together.
    """

    def __init__(
        self,
        runs: RunStore,
        parent: Run,
        stored: StoredOrder,
        identity: RunIdentity,
        on_event: OnRunEvent,
        *,
        advance: Advance,
        origin_of: Callable[[Run], Awaitable[Origin]],
        clock: Callable[[], datetime],
    ) -> None:
        self._runs = runs
        self._parent = parent
        self._stored = stored
        self._identity = identity
        self._on_event = on_event
        self._advance = advance
        self._origin_of = origin_of
        self._clock = clock
        # LangGraph takes a graph that is run within a node for a part of the outer one, by the context; this has none.
        self._context = contextvars.copy_context()

    async def run(
        self,
        workflow: str,
        inputs: JsonObject,
        *,
        node: str,
        path: str,
        task_id: str,
        carried: Carried | None = None,
    ) -> JsonObject:
        """See the port."""
        carried = carried or Carried()
        child = await self._runs.child(self._parent.run_id, path)
        if child is None:
            child = await self._recorded(workflow, inputs, path, task_id, carried.origin)
        self._on_event(ChildRunStarted(node, child.run_id, workflow))

        def hear(event: RunEvent) -> None:
            self._on_event(replace(event, node=f"{node}/{event.node}"))

        try:
            # A context of its own for each, so that steps that run at the same time do not share what they set in it.
            outcome = await asyncio.create_task(self._advanced(child, hear), context=self._context.copy())
        except (LeaseHeld, RunInterrupted) as error:
            raise self._as_of_node(error, node, child) from error  # of the step's lease; ours is another matter
        carried.add(await self._origin_of(child))
        if outcome.error is not None:
            # Its words may be made of what its node had in hand, which no checkpoint holds.
            carried.add(origin_of_failure(outcome.error) or _of_nobody(workflow))
            raise self._as_of_node(outcome.error, node, child)
        return outcome.state

    async def _recorded(self, workflow: str, inputs: JsonObject, path: str, task_id: str, origin: Origin) -> Run:
        loaded = self._stored.loaded.step_workflow(workflow)
        parent = self._parent
        order = RunOrder(
            loaded=loaded,
            inputs=inputs,
            person=parent.person,
            team=self._stored.team,
            working_folder=self._stored.working_folder,
            project_folder=self._identity.project_folder,
            binding_version=parent.binding_version_at_start,
        )
        order.check()
        return await self._runs.record(
            NewRun(
                person=parent.person,
                workflow=loaded.spec.workflow,
                spec=replace(order.stored(), parent_task_id=task_id, origin=origin).to_json(),
                inputs=inputs,
                project=parent.project,
                binding_version=parent.binding_version_at_start,
                task_id=task_id_for(parent.run_id, loaded.spec.workflow, path),
                parent_run_id=parent.run_id,
                parent_path=path,
            )
        )

    async def _advanced(self, child: Run, on_event: OnRunEvent) -> RunOutcome:
        """The child's outcome. A process that died with both leaves its lease, which may end a little after ours did."""
        try:
            return await self._advance(child, on_event)
        except LeaseHeld as held:
            await asyncio.sleep(max(0.0, (held.lease_until - self._clock()).total_seconds()) + _A_LITTLE_LATER)
            return await self._advance(child, on_event)

    def _as_of_node(self, error: HarnessError, node: str, child: Run) -> HarnessError:
        """What a step failed with or waits for, as the node's: what can be mended by whoever sees the parent."""
        if isinstance(error, WaitsForPerson):
            return WaitsForPerson(self._parent.run_id, f"{node}/{error.node}", error.question)
        lease = isinstance(error, LeaseHeld | RunInterrupted)
        if isinstance(error, BudgetExceeded | RunCancelled) or (error.retryable and not lease):
            return error
        reason = f"node {error.node!r}: {error.reason}" if isinstance(error, NodeFailed) else str(error)
        return NodeFailed(self._parent.run_id, node, f"workflow {child.workflow!r} (run {child.run_id}): {reason}")


def _of_nobody(workflow: str) -> Origin:
    """What a failure carries that no node noted, such as a limit of the run."""
    return Origin(untrusted=True, trust="inferred", sources=(workflow,))
