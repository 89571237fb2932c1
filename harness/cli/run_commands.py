"""The commands `run` and `resume`."""

from pathlib import Path
from typing import Annotated

import typer

from harness.assembly import Harness
from harness.cli.advancing import advance
from harness.cli.completion import run_ids, workflow_names
from harness.cli.context import CommandContext, context_of
from harness.cli.exit_codes import ExitCode, exit_code_of
from harness.cli.forecast import Forecast, bindings_in_force, forecast
from harness.cli.global_options import Commands
from harness.cli.recorded import has_state, recorded_run
from harness.cli.run_inputs import read_inputs
from harness.cli.workflow_files import loaded_workflow, workflow_file
from harness.engines.embedded import RunOrder
from harness.engines.run_store import Run
from harness.exceptions import HarnessError
from harness.json_values import JsonObject
from harness.workflow.checking.checks import require_valid
from harness.workflow.checking.registry import Registry
from harness.workflow.loading import LoadedWorkflow

commands = Commands()

StreamOption = Annotated[bool, typer.Option("--stream", help="Print models' words as they come, on stderr.")]


@commands.command("run")
def run(
    ctx: typer.Context,
    workflow: Annotated[
        str,
        typer.Argument(help="A workflow of the project, or a workflow file.", autocompletion=workflow_names),
    ],
    inputs: Annotated[
        list[str] | None, typer.Option("--input", "-i", metavar="KEY=VALUE", help="One input; may be repeated.")
    ] = None,
    input_file: Annotated[
        Path | None, typer.Option("--input-file", metavar="FILE", help="Inputs as a YAML or JSON mapping.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check it and print its worst case; run and record nothing.")
    ] = False,
    items: Annotated[
        int | None,
        typer.Option("--items", min=0, help="For the worst case: how long to assume lists that are not known."),
    ] = None,
    stream: StreamOption = False,
) -> None:
    """Run a workflow.

    Its worst case in dollars is printed first, then progress, on stderr; what it made comes on stdout. With --json
    every event is one line and the last line is the result.
    """
    context = context_of(ctx, stream=stream)
    path = workflow_file(context, workflow)
    loaded = loaded_workflow(path, context.project)
    given = read_inputs(loaded.spec, inputs or [], input_file)
    if dry_run:
        raise typer.Exit(context.work(lambda harness: _dry_run(context, harness, loaded, given, items)))
    raise typer.Exit(context.work(lambda harness: _run(context, harness, loaded, given, items)))


@commands.command("resume")
def resume(
    ctx: typer.Context,
    run_id: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help="A run, or the beginning of its id; without it, all whose process is gone.",
            autocompletion=run_ids,
        ),
    ] = None,
    migrate: Annotated[
        bool,
        typer.Option("--migrate", help="Go on with the workflow as its files have it now; not as the run began."),
    ] = False,
    stream: StreamOption = False,
) -> None:
    """Continue a run where it stopped; nothing that was finished or paid for is done again.

    A run goes on with the workflow that it began with. Where its files say something else by now, that is printed;
    with --migrate it goes on with those, if every node that is finished is still there.
    """
    context = context_of(ctx, stream=stream)
    if run_id is None:
        if migrate:
            raise typer.BadParameter("name the run that is to go on with another workflow", param_hint="--migrate")
        raise typer.Exit(context.work(lambda harness: _resume_all(context, harness)))
    raise typer.Exit(context.work(lambda harness: _resume(context, harness, run_id, migrate=migrate)))


async def _dry_run(
    context: CommandContext, harness: Harness, loaded: LoadedWorkflow, inputs: JsonObject, items: int | None
) -> ExitCode:
    ahead = await _ahead(harness, loaded, inputs, items)
    context.output.record({"event": "worst_case", **ahead.as_object()}, ahead.as_text())
    return ExitCode.DONE


async def _run(
    context: CommandContext, harness: Harness, loaded: LoadedWorkflow, inputs: JsonObject, items: int | None
) -> ExitCode:
    output = context.output
    ahead = await _ahead(harness, loaded, inputs, items)
    version = await harness.binding_version()
    recorded = await harness.engine.record(
        RunOrder(
            loaded=loaded,
            inputs=inputs,
            person=harness.settings.person,
            team=None,
            working_folder=Path.cwd(),
            project_folder=_project_folder(harness, loaded),
            binding_version=version.version,
        )
    )
    if output.as_json:
        output.event({"event": "worst_case", **ahead.as_object()})
        output.event({"event": "run_recorded", "run_id": recorded.run_id, "workflow": recorded.workflow})
    else:
        output.say(f"{ahead.as_text()}\nrun {recorded.run_id} of {recorded.workflow}, paid for by {recorded.person}")
    return await advance(context, harness, recorded)


def _project_folder(harness: Harness, loaded: LoadedWorkflow) -> Path:
    """Where a resumed run looks for its tools and files; without a project the workflow's own folder."""
    return harness.project.folder if harness.project else Path(loaded.name).resolve().parent


async def _ahead(harness: Harness, loaded: LoadedWorkflow, inputs: JsonObject, items: int | None) -> Forecast:
    """Check the workflow, then its worst case.

    Raises:
        SpecificationInvalid: with every problem.
    """
    in_force = await bindings_in_force(harness)
    names = harness.project.registry() if harness.project else Registry()
    require_valid(loaded, names, in_force.bindings.is_bound)
    values = {key: spec.default for key, spec in loaded.spec.state.items()} | inputs
    return await forecast(harness, loaded, in_force, values=values, items=items)


async def _resume(context: CommandContext, harness: Harness, typed: str, *, migrate: bool) -> ExitCode:
    found = await recorded_run(harness, typed)
    _announce(context, found)
    return await advance(context, harness, found, migrate=migrate)


async def _resume_all(context: CommandContext, harness: Harness) -> ExitCode:
    """Continue every run whose process is gone; the worst of their exit codes, a lease taken meanwhile left out."""
    waiting = await harness.engine.expired() if has_state(harness) else ()
    if not waiting:
        context.output.say("no run has lost its process")
    worst = ExitCode.DONE
    for run_id in waiting:
        found = await harness.runs.run(run_id)
        _announce(context, found)
        try:
            code = await advance(context, harness, found)
        except HarnessError as error:
            # One that cannot go on must not keep the others waiting.
            context.output.problem(str(error))
            code = exit_code_of(error)
        if code is ExitCode.INTERRUPTED:
            return code
        worst = worst if code in (ExitCode.DONE, ExitCode.LEASE_HELD) else max(worst, code)
    return worst


def _announce(context: CommandContext, found: Run) -> None:
    if context.output.as_json:
        context.output.event({"event": "run_resumed", "run_id": found.run_id, "workflow": found.workflow})
    else:
        context.output.say(f"run {found.run_id} of {found.workflow}, paid for by {found.person}, goes on")
