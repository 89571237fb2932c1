"""Advancing one run in this process and saying what became of it: shared by `run` and `resume`."""

import asyncio
from decimal import Decimal
from pathlib import Path

from harness.assembly import Harness
from harness.cli.context import CommandContext
from harness.cli.exit_codes import ExitCode, exit_code_of_run
from harness.cli.output import counted, json_line, usd_text
from harness.cli.progress import RunProgress
from harness.engines.embedded import RunOutcome
from harness.engines.run_store import Run, RunStatus
from harness.exceptions import HarnessError
from harness.json_values import Json, JsonObject
from harness.ledger.reports import CostLine
from harness.project import PROJECT_FILE, Project, load_project

_VALUE_WIDTH = 160


async def advance(context: CommandContext, harness: Harness, run: Run) -> ExitCode:
    """Advance a run to its end, or to where it cannot go on; print what became of it.

    Raises:
        LeaseHeld: another process advances it.
    """
    if harness.project is not None and str(harness.project.folder) == run.project:
        return await _advance(context, harness, run)
    project = _project_of(run)
    if project is None and harness.project is None:
        return await _advance(context, harness, run)
    # Its tools and code are those of the project that it was started in.
    async with Harness(harness.settings, project) as other:
        return await _advance(context, other, run)


async def _advance(context: CommandContext, harness: Harness, run: Run) -> ExitCode:
    output = context.output
    moving = output.messages.is_terminal and not harness.settings.no_progress
    try:
        with RunProgress(output, moving=moving) as progress:
            outcome = await harness.engine.advance(run.run_id, progress.hear)
    except asyncio.CancelledError:
        left = await harness.runs.run(run.run_id)
        said = f"run {run.run_id} was interrupted; resume it: `{_resuming(context, run)}`"
        return _report(context, harness, RunOutcome(left, {}, None), ExitCode.INTERRUPTED, said)
    error = outcome.error
    said = None if error is None else _said(context, run, error)
    return _report(context, harness, outcome, exit_code_of_run(error), said)


def _project_of(run: Run) -> Project | None:
    path = Path(run.project) / PROJECT_FILE
    return load_project(path) if path.is_file() else None


def _resuming(context: CommandContext, run: Run) -> str:
    return context.command(f"resume {run.run_id}")


def _said(context: CommandContext, run: Run, error: HarnessError) -> str:
    """The error in its own words, with the command to go on where they do not hold it."""
    text = str(error)
    return text if "`harness resume " in text else f"{text}\nresume it: `{_resuming(context, run)}`"


def _report(
    context: CommandContext, harness: Harness, outcome: RunOutcome, code: ExitCode, said: str | None
) -> ExitCode:
    output, run = context.output, outcome.run
    costs = harness.reports.run_costs(run.organisation, run.run_id)
    if output.as_json:
        result: dict[str, object] = {
            "event": "result",
            **run_object(run),
            "exit_code": int(code),
            "error": said if outcome.error is None else str(outcome.error),
            "error_class": type(outcome.error).__name__ if outcome.error else None,
            "costs": costs_object(costs),
            "state": outcome.state,
        }
        output.event(result)
        return code
    if run.status is RunStatus.COMPLETED:
        for line in state_lines(outcome.state):
            output.text(line)
    if said is not None:
        output.problem(said)
    output.say(f"run {run.run_id} {run.status}: {cost_words(costs)}")
    return code


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
    first = text.strip().replace("\n", " ")
    return first if len(first) <= _VALUE_WIDTH else f"{first[:_VALUE_WIDTH]}... ({len(text):,} characters)"
