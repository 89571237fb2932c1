"""The commands `cancel` and `fork`: stop a run, and start another one from a step of it."""

import asyncio
from typing import Annotated

import typer

from harness.assembly import Harness
from harness.cli.advancing import advance
from harness.cli.completion import run_ids
from harness.cli.context import CommandContext, context_of
from harness.cli.exit_codes import ExitCode
from harness.cli.global_options import Commands
from harness.cli.recorded import recorded_run
from harness.cli.run_commands import StreamOption
from harness.cli.run_inputs import read_changes
from harness.cli.run_views import run_line, run_object
from harness.cli.workflow_files import recorded_workflow
from harness.engines.run_store import Run, RunStatus

commands = Commands()

_LOOK_AGAIN_SECONDS = 0.2

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="A run, or the beginning of its id.", autocompletion=run_ids)
]


@commands.command("cancel")
def cancel(
    ctx: typer.Context,
    run_id: RunArgument,
    wait: Annotated[bool, typer.Option("--wait", help="Come back when it has stopped.")] = False,
) -> None:
    """Stop a run, wherever it is advanced. The call in flight is given up and its money settled.

    What was done is kept: `harness resume` goes on from there.
    """
    context = context_of(ctx)
    run, line = context.work(lambda harness: _cancel(harness, run_id, wait=wait))
    context.output.record(run_object(run), line)


@commands.command("fork")
def fork(
    ctx: typer.Context,
    run_id: RunArgument,
    at: Annotated[
        int, typer.Option("--at", metavar="STEP", min=0, help="The step to start from: `harness show RUN` lists them.")
    ],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A state key that holds something else from there on."),
    ] = None,
    run: Annotated[bool, typer.Option("--run/--no-run", help="Run it here and now.")] = True,
    stream: StreamOption = False,
) -> None:
    """Start a new run from a step of another one, whose state it has; what runs from there is paid for anew."""
    context = context_of(ctx, stream=stream)
    raise typer.Exit(context.work(lambda harness: _fork(context, harness, run_id, at, changes or [], run=run)))


async def _cancel(harness: Harness, typed: str, *, wait: bool) -> tuple[Run, str]:
    found = await recorded_run(harness, typed)
    run = await harness.engine.cancel(found.run_id, person=harness.settings.person)
    while wait and run.status is RunStatus.RUNNING and not run_line(harness, run).process_gone:
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        run = await harness.runs.run(run.run_id)
    if run.status is RunStatus.RUNNING:
        return run, f"run {run.run_id} is asked to stop"
    return run, f"run {run.run_id} is {run.status}"


async def _fork(
    context: CommandContext, harness: Harness, typed: str, step: int, changes: list[str], *, run: bool
) -> ExitCode:
    origin = await recorded_run(harness, typed)
    spec = (await recorded_workflow(harness, origin)).spec
    forked = await harness.engine.fork(origin.run_id, step, read_changes(spec, changes), person=harness.settings.person)
    output = context.output
    if output.as_json:
        output.event({"event": "run_forked", **run_object(forked)})
    else:
        output.say(f"run {forked.run_id} of {forked.workflow} starts from run {origin.run_id} at step {step}")
    if not run:
        output.say(f"run it: `{context.command(f'resume {forked.run_id}')}`")
        return ExitCode.DONE
    return await advance(context, harness, forked)
