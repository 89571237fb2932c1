"""Advancing one run in this process and saying what became of it: shared by `run` and `resume`."""

import asyncio
from pathlib import Path

from harness.assembly import Harness
from harness.cli.context import CommandContext
from harness.cli.exit_codes import ExitCode, exit_code_of_run
from harness.cli.progress import RunProgress
from harness.cli.run_views import cost_words, costs_object, run_object, state_lines
from harness.engines.embedded import RunOutcome
from harness.engines.run_store import Run, RunStatus
from harness.exceptions import HarnessError, WaitsForPerson
from harness.project import PROJECT_FILE, Project, load_project


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
    async with context.house(project) as other:
        return await _advance(context, other, run)


async def _advance(context: CommandContext, harness: Harness, run: Run) -> ExitCode:
    output = context.output
    quiet = harness.settings.no_progress
    moving = output.messages.is_terminal and not quiet
    try:
        with RunProgress(output, moving=moving, quiet=quiet, stream=context.stream) as progress:
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
    if isinstance(error, WaitsForPerson):
        answering = context.command(f"approve {error.run_id}")
        return f"run {error.run_id} waits at {error.node!r}: {error.question}\nanswer it: `{answering}`"
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
