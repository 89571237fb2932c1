"""A run, its state and its costs, as they are shown to people and to programs."""

from dataclasses import dataclass
from decimal import Decimal

from harness.assembly import Harness, utc_now
from harness.cli.output import counted, json_line, usd_text
from harness.cli.readable_values import one_line
from harness.engines.run_store import Run, RunStatus
from harness.json_values import Json, JsonObject
from harness.ledger.reports import CostLine

_VALUE_WIDTH = 160


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run with what it cost."""

    run: Run
    costs: CostLine

    @property
    def status(self) -> str:
        """Where it stands; a running one whose lease has ended is nobody's and can be resumed."""
        if self.process_gone:
            return f"{self.run.status} (its process is gone)"
        cancelling = self.run.status is RunStatus.RUNNING and self.run.cancel_requested_at is not None
        return f"{self.run.status} (to be cancelled)" if cancelling else str(self.run.status)

    @property
    def process_gone(self) -> bool:
        """Whether it says that it is running, and no process has held its lease for as long as it lasts."""
        run = self.run
        return run.status is RunStatus.RUNNING and run.lease_until is not None and run.lease_until <= utc_now()

    def as_object(self) -> dict[str, object]:
        """For programs."""
        return {**run_object(self.run), "process_gone": self.process_gone, "costs": costs_object(self.costs)}


def run_line(harness: Harness, run: Run) -> RunLine:
    """A run with what it cost, from the ledger."""
    return RunLine(run, harness.reports.run_costs(run.organisation, run.run_id))


def run_object(run: Run) -> dict[str, object]:
    """A run for programs."""
    return {
        "run_id": run.run_id,
        "workflow": run.workflow,
        "status": str(run.status),
        "person": run.person,
        "organisation": run.organisation,
        "project": run.project,
        "task_id": run.task_id,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "binding_version_at_start": run.binding_version_at_start,
        "owner": run.owner,
        "lease_until": run.lease_until,
        "parent_run_id": run.parent_run_id,
        "forked_from": run.forked_from,
        "forked_step": run.forked_step,
        "cancel_requested_by": run.cancel_requested_by,
        "active_seconds": run.active_seconds,
    }


def costs_object(costs: CostLine) -> dict[str, object]:
    """What a run cost, for programs; `usd_per_completed` is null where no task is completed."""
    return {
        "calls": costs.calls,
        "input_tokens": costs.input_tokens,
        "output_tokens": costs.output_tokens,
        "usd": costs.usd,
        "estimated_usd": costs.estimated_usd,
        "completed": costs.completed,
        "failed": costs.failed,
        "usd_per_completed": costs.usd_per_completed,
    }


def each_completed(costs: CostLine) -> str:
    """Dollars a completed task, in words where none is completed."""
    return "none completed" if costs.usd_per_completed is None else usd_text(costs.usd_per_completed)


def cost_words(costs: CostLine) -> str:
    """What a run cost for each completed task, which is never nothing where none is."""
    tokens = costs.input_tokens + costs.output_tokens
    each = costs.usd_per_completed
    completed = "none completed" if each is None else f"{usd_text(each)} a completed task ({costs.completed} completed)"
    failed = f", {costs.failed} failed" if costs.failed else ""
    estimated = f", {usd_text(costs.estimated_usd)} of it estimated" if costs.estimated_usd > Decimal(0) else ""
    return f"{counted(costs.calls, 'call')}, {tokens:,} tokens, {usd_text(costs.usd)}{estimated}; {completed}{failed}"


def state_lines(state: JsonObject) -> list[str]:
    """Each key of the state on one line, shortened."""
    return [f"{key}: {_shortened(value)}" for key, value in state.items() if value is not None]


def _shortened(value: Json) -> str:
    text = value if isinstance(value, str) else json_line(value)
    first = one_line(text)
    return first if len(first) <= _VALUE_WIDTH else f"{first[:_VALUE_WIDTH]}... ({len(text):,} characters)"
