"""The command `show`: one run, how far it came and by which steps, what it waits for, what it cost."""

from typing import Annotated

import typer

from harness.assembly import Harness, utc_now
from harness.budgets.limits import ScopeKind
from harness.cli.budget_commands import LimitRow, limit_row
from harness.cli.completion import run_ids
from harness.cli.context import context_of
from harness.cli.global_options import Commands
from harness.cli.output import Column, Output, time_text, usd_text
from harness.cli.readable_values import folded, readable_lines
from harness.cli.recorded import recorded_run
from harness.cli.run_reach import reached, recorded_steps
from harness.cli.run_views import run_line
from harness.cli.show_views import RunView, view_object, view_text
from harness.engines.run_store import Run
from harness.json_values import JsonObject
from harness.ledger.reports import Entry
from harness.workflow.origins import Origin

commands = Commands()


@commands.command("show")
def show(
    ctx: typer.Context,
    run_id: Annotated[
        str, typer.Argument(metavar="RUN", help="A run, or the beginning of its id.", autocompletion=run_ids)
    ],
    at: Annotated[
        int | None,
        typer.Option("--at", metavar="STEP", min=0, help="Print the state after this step; 0 is what it began with."),
    ] = None,
    origins: Annotated[
        bool, typer.Option("--origins", help="With --at: print where the values came from, and not the values.")
    ] = False,
    state: Annotated[bool, typer.Option("--state", help="Print its state as far as it came, whole.")] = False,
    entries: Annotated[bool, typer.Option("--entries", help="Print its lines of the ledger.")] = False,
) -> None:
    """Show one run: where it stands, its steps and nodes, what waits for a person, what it cost, its caps.

    The steps are those that `--at` and `harness fork --at` take.
    """
    context = context_of(ctx)
    if origins:
        if at is None:
            raise typer.BadParameter("say after which step: `--at STEP --origins`")
        _print_origins(context.output, context.work(lambda harness: _origins_at(harness, run_id, at)))
        return
    if at is not None:
        _print_state(context.output, context.work(lambda harness: _state_at(harness, run_id, at)))
        return
    view = context.work(lambda harness: _view(harness, run_id))
    if state:
        _print_state(context.output, view.reached.state)
    elif entries:
        _print_entries(context.output, view.entries)
    else:
        context.output.record(view_object(view), view_text(view))


async def _state_at(harness: Harness, typed: str, step: int) -> JsonObject:
    run = await recorded_run(harness, typed)
    return await harness.engine.state_at(run.run_id, step)


async def _origins_at(harness: Harness, typed: str, step: int) -> dict[str, Origin]:
    run = await recorded_run(harness, typed)
    return dict(await harness.engine.origins_at(run.run_id, step))


async def _view(harness: Harness, typed: str) -> RunView:
    run = await recorded_run(harness, typed)
    entries = harness.reports.run_entries(run.organisation, run.run_id)
    return RunView(
        line=run_line(harness, run),
        reached=await reached(harness, run),
        history=tuple(await harness.engine.history(run.run_id)),
        steps=await recorded_steps(harness, run),
        questions=tuple(await harness.questions.open(run.run_id)),
        children=tuple([run_line(harness, each) for each in await harness.runs.children(run.run_id)]),
        entries=entries,
        caps=await _caps(harness, run, entries),
        error=run.error,
    )


async def _caps(harness: Harness, run: Run, entries: tuple[Entry, ...]) -> tuple[LimitRow, ...]:
    scopes = {
        (ScopeKind.ORGANISATION.value, run.organisation),
        (ScopeKind.PERSON.value, run.person),
        (ScopeKind.WORKFLOW.value, run.workflow),
        (ScopeKind.RUN.value, run.run_id),
        (ScopeKind.TASK.value, run.task_id),
        *((ScopeKind.ROLE.value, entry.role) for entry in entries),
        *((ScopeKind.MODEL.value, entry.model) for entry in entries),
    }
    balances = await harness.money.balances(run.organisation, sorted(scopes), at=utc_now())
    return tuple(limit_row(each) for each in balances)


def _print_state(output: Output, state: JsonObject) -> None:
    """A state whole: as JSON, or so that nothing in a value can pose as another key."""
    if output.as_json:
        output.event(state)
        return
    for line in folded(readable_lines(state), output.width) if state else ():
        output.text(line)


def _print_origins(output: Output, origins: dict[str, Origin]) -> None:
    output.rows(
        list(origins.items()),
        [
            Column("key", lambda row: row[0]),
            Column("made of", lambda row: ", ".join(row[1].sources) or "-"),
            Column("from outside", lambda row: "yes" if row[1].untrusted else "no"),
            Column("private", lambda row: "yes" if row[1].private else "no"),
            Column("trust", lambda row: row[1].trust),
        ],
        as_object=lambda row: {"key": row[0], **row[1].to_json()},
        empty="nothing of it came from outside or is private",
    )


def _print_entries(output: Output, entries: tuple[Entry, ...]) -> None:
    output.rows(
        entries,
        [
            Column("seq", lambda row: str(row.seq), right=True),
            Column("at", lambda row: time_text(row.at)),
            Column("kind", lambda row: row.kind),
            Column("node", lambda row: row.node or "-"),
            Column("role", lambda row: row.role),
            Column("model", lambda row: row.model),
            Column("bindings", lambda row: str(row.binding_version), right=True),
            Column("in", lambda row: _count(row.input_tokens), right=True),
            Column("out", lambda row: _count(row.output_tokens), right=True),
            Column("dollars", lambda row: usd_text(row.usd), right=True),
            Column("estimated", lambda row: "yes" if row.estimated else "no"),
            Column("error", lambda row: row.error or "-"),
        ],
        as_object=lambda row: row,
        empty="nothing of it was charged yet",
    )


def _count(tokens: int | None) -> str:
    return "-" if tokens is None else f"{tokens:,}"
