"""The commands `runs`, `runs prune` and `outcome`: what ran and what it cost, what of it is kept, and whether it did its job."""

import re
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import typer

from harness.assembly import Harness, utc_now
from harness.budgets.limits import Unit, parse_amount, shown_amount
from harness.cli.completion import run_ids, workflow_names
from harness.cli.context import CommandContext, context_of
from harness.cli.exit_codes import ExitCode
from harness.cli.global_options import Commands
from harness.cli.output import Column, counted, time_text, usd_text
from harness.cli.recorded import has_state, recorded_run
from harness.cli.run_views import RunLine, cost_words, costs_object, each_completed, run_line
from harness.engines.run_store import ENDED, Pruned, PruneDepth, RunStatus
from harness.engines.run_tasks import ended_task_of_run

commands = Commands()
runs_group = Commands(invoke_without_command=True)
commands.add_typer(runs_group, name="runs")

_AGE = re.compile(r"(?P<count>[0-9]{1,6})(?P<unit>[hdw])")
_HOURS = {"h": 1, "d": 24, "w": 7 * 24}

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="A run, or the beginning of its id.", autocompletion=run_ids)
]


@runs_group.callback()
def runs(
    ctx: typer.Context,
    status: Annotated[RunStatus | None, typer.Option("--status", help="Only those that stand so.")] = None,
    workflow: Annotated[
        str | None,
        typer.Option("--workflow", metavar="NAME", help="Only this workflow's.", autocompletion=workflow_names),
    ] = None,
    steps: Annotated[bool, typer.Option("--steps", help="Also those that are steps of others.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 50,
) -> None:
    """List runs, the newest first, with what each cost. `harness runs prune` drops what ended long ago."""
    if ctx.invoked_subcommand is not None:
        return
    context = context_of(ctx)

    async def body(harness: Harness) -> list[RunLine]:
        if not has_state(harness):
            return []
        found = await harness.runs.runs(status=status, workflow=workflow, limit=limit, steps=steps)
        return [run_line(harness, each) for each in found]

    context.output.rows(
        context.work(body),
        [
            Column("run", lambda row: row.run.run_id),
            Column("workflow", lambda row: row.run.workflow),
            Column("status", lambda row: row.status),
            Column("person", lambda row: row.run.person),
            Column("started", lambda row: time_text(row.run.started_at)),
            Column("calls", lambda row: f"{row.costs.calls:,}", right=True),
            Column("dollars", lambda row: usd_text(row.costs.usd), right=True),
            Column("a completed task", lambda row: each_completed(row.costs), right=True),
        ],
        as_object=RunLine.as_object,
        empty="there are no runs",
    )


@runs_group.command("prune")
def prune(
    ctx: typer.Context,
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than", metavar="AGE", help="What ended so long ago: 12h, 30d, 8w; else the setting retention_days."
        ),
    ] = None,
    mode: Annotated[
        PruneDepth,
        typer.Option("--mode", help="checkpoints: the history, but not how it ended; all: the run with all its text."),
    ] = PruneDepth.CHECKPOINTS,
    status: Annotated[
        list[RunStatus] | None, typer.Option("--status", help="Only those that ended so; may be repeated.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; drop nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Drop what is kept of runs that ended long ago. What they cost stays in the ledger.

    A failed or cancelled run keeps what it needs to be resumed, unless it goes whole.
    """
    context = context_of(ctx)
    age = _age(context, older_than)
    statuses = _ended(status)
    if not (dry_run or yes):
        would = _prune(context, age, mode, statuses, dry_run=True)
        _require_yes(context, would)
    pruned = _prune(context, age, mode, statuses, dry_run=dry_run)
    context.output.record(
        {
            "dry_run": dry_run,
            "mode": mode.value,
            "runs": pruned.runs,
            "checkpoints": pruned.checkpoints,
            "steps": pruned.steps,
            "bytes": pruned.bytes,
        },
        f"{'would drop' if dry_run else 'dropped'} {_pruned_words(pruned)}",
    )


def _age(context: CommandContext, typed: str | None) -> timedelta:
    if typed is None:
        days = context.settings.retention_days
        if days is None:
            raise typer.BadParameter("say how old, such as 30d, or set retention_days", param_hint="--older-than")
        return timedelta(days=days)
    match = _AGE.fullmatch(typed.strip().lower())
    if match is None:
        raise typer.BadParameter(f"{typed!r}: write hours, days or weeks: 12h, 30d, 8w", param_hint="--older-than")
    return timedelta(hours=int(match["count"]) * _HOURS[match["unit"]])


def _ended(status: Sequence[RunStatus] | None) -> frozenset[RunStatus]:
    asked = frozenset(status or ENDED)
    if asked - ENDED:
        words = ", ".join(sorted(ENDED))
        raise typer.BadParameter(f"only what has ended is dropped: {words}", param_hint="--status")
    return asked


def _prune(
    context: CommandContext, age: timedelta, mode: PruneDepth, statuses: frozenset[RunStatus], *, dry_run: bool
) -> Pruned:
    async def body(harness: Harness) -> Pruned:
        if not has_state(harness):
            return Pruned(0, 0, 0, 0)
        return await harness.runs.prune(before=utc_now() - age, depth=mode, statuses=statuses, dry_run=dry_run)

    return context.work(body)


def _require_yes(context: CommandContext, would: Pruned) -> None:
    """Ask on a terminal; elsewhere --yes is asked for."""
    words = f"this drops {_pruned_words(would)}"
    if context.output.as_json or not sys.stdin.isatty():
        raise typer.BadParameter(f"{words}: say --yes, or --dry-run to look only")
    if not typer.confirm(f"{words}. Go on?", err=True):
        raise typer.Exit(ExitCode.RUN_FAILED)


def _pruned_words(pruned: Pruned) -> str:
    parts = f"{counted(pruned.checkpoints, 'checkpoint')}, {counted(pruned.steps, 'step')}, {pruned.bytes:,} bytes"
    return f"{parts} of {counted(pruned.runs, 'run')}"


@commands.command("outcome")
def outcome(
    ctx: typer.Context,
    run_id: RunArgument,
    evidence: Annotated[
        str, typer.Option("--evidence", metavar="TEXT", help="Why, in a few words; kept with the task.")
    ],
    success: Annotated[bool, typer.Option("--success/--failure", help="Whether its business is done.")],
    value: Annotated[str | None, typer.Option("--value", metavar="USD", help="What it is worth, in dollars.")] = None,
) -> None:
    """Say whether a run's business is done. The last word counts, and costs a completed task follow it."""
    context = context_of(ctx)
    worth = None if value is None else shown_amount(parse_amount(value, Unit.USD), Unit.USD)

    async def body(harness: Harness) -> RunLine:
        run = await recorded_run(harness, run_id)
        said = f"{harness.settings.person}: {evidence}"
        task = ended_task_of_run(run, success=success, evidence=said, at=utc_now(), value_usd=worth)
        await harness.money.end_task(task)
        return run_line(harness, run)

    line = context.work(body)
    word = "completed" if success else "failed"
    context.output.record(
        {
            "run_id": line.run.run_id,
            "success": success,
            "evidence": evidence,
            "value_usd": worth,
            "costs": costs_object(line.costs),
        },
        f"run {line.run.run_id}: {word}; {cost_words(line.costs)}",
    )
