"""Advancing one run in this process and saying what became of it: shared by `run` and `resume`."""

import asyncio
from pathlib import Path

from harness.assembly import Harness
from harness.cli.context import CommandContext
from harness.cli.exit_codes import ExitCode, exit_code_of_run
from harness.cli.forecast import bindings_in_force
from harness.cli.progress import RunProgress
from harness.cli.run_views import cost_words, costs_object, run_object, state_lines
from harness.cli.workflow_files import recorded_workflow, workflow_now
from harness.engines.embedded import RunOutcome
from harness.engines.run_store import Run, RunStatus
from harness.engines.workflow_changes import spec_difference
from harness.exceptions import HarnessError, NameUnknown, SpecificationInvalid, WaitsForPerson
from harness.project import PROJECT_FILE, Project, load_project
from harness.workflow.checking.checks import require_valid
from harness.workflow.checking.registry import Registry
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.visible_text import visible_text


async def advance(context: CommandContext, harness: Harness, run: Run, *, migrate: bool = False) -> ExitCode:
    """Advance a run to its end, or to where it cannot go on; print what became of it.

    Args:
        migrate: whether it goes on with its workflow as the files have it now.

    Raises:
        LeaseHeld: another process advances it.
        MigrationRefused: it would not be the run it was.
        SpecificationInvalid, NameUnknown: the workflow that it is to migrate to cannot be used.
    """
    run = await harness.runs.root_of(run.run_id)  # a step of another run goes on with that one
    if harness.project is not None and str(harness.project.folder) == run.project:
        return await _advance(context, harness, run, migrate=migrate)
    project = _project_of(run)
    if project is None and harness.project is None:
        return await _advance(context, harness, run, migrate=migrate)
    # Its tools and code are those of the project that it was started in.
    async with context.house(project) as other:
        return await _advance(context, other, run, migrate=migrate)


async def _advance(context: CommandContext, harness: Harness, run: Run, *, migrate: bool) -> ExitCode:
    output = context.output
    changed = await _changed(context, harness, run, migrate=migrate)
    quiet = harness.settings.no_progress
    moving = output.messages.is_terminal and not quiet
    try:
        with RunProgress(output, moving=moving, quiet=quiet, stream=context.stream) as progress:
            outcome = await harness.engine.advance(run.run_id, progress.hear, migrate=changed if migrate else None)
    except asyncio.CancelledError:
        left = await harness.runs.run(run.run_id)
        said = f"run {run.run_id} was interrupted; resume it: `{_resuming(context, run)}`"
        return _report(context, harness, RunOutcome(left, {}, None), ExitCode.INTERRUPTED, said)
    error = outcome.error
    said = None if error is None else _said(context, run, error)
    return _report(context, harness, outcome, exit_code_of_run(error), said)


async def _changed(context: CommandContext, harness: Harness, run: Run, *, migrate: bool) -> LoadedWorkflow | None:
    """The workflow as its files have it now, where that is not what the run goes on with; told on the way."""
    if run.started_at is None and not migrate:
        return None  # it begins here and now
    try:
        now = await workflow_now(harness, run)
    except (NameUnknown, SpecificationInvalid):
        if migrate:
            raise
        return None  # it goes on with what it began with, which needs no file
    difference = spec_difference(await recorded_workflow(harness, run), now)
    if not difference:
        return None
    if migrate:
        in_force = await bindings_in_force(harness)
        require_valid(now, harness.project.registry() if harness.project else Registry(), in_force.bindings.is_bound)
    _say_difference(context, run, difference, migrate=migrate)
    return now


def _say_difference(context: CommandContext, run: Run, difference: list[str], *, migrate: bool) -> None:
    output = context.output
    if output.as_json:
        output.event({"event": "workflow_changed", "run_id": run.run_id, "difference": difference, "migrated": migrate})
        return
    goes_on = "with the workflow as it is now" if migrate else "with the workflow it began with"
    output.say(f"the workflow has changed since the run began; it goes on {goes_on}")
    for line in difference:
        output.say(f"  {line}")
    if not migrate:
        output.say(f"to go on with the new one: `{context.command(f'resume {run.run_id} --migrate')}`")


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
        # What a provider or a tool said of a failure begins no line.
        output.problem("\n  ".join(visible_text(said).split("\n")))
    output.say(f"run {run.run_id} {run.status}: {cost_words(costs)}")
    return code
