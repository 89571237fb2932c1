"""The commands `runs`, `show` and `outcome`: what ran, how far it came, what it cost, and whether it did its job."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

import typer

from harness.assembly import Harness, utc_now
from harness.budgets.limits import ScopeKind, Unit, parse_amount, shown_amount
from harness.cli.advancing import cost_words, costs_object, run_object, state_lines
from harness.cli.budget_commands import LimitRow, limit_row
from harness.cli.completion import run_ids, workflow_names
from harness.cli.context import context_of
from harness.cli.global_options import Commands
from harness.cli.output import Column, Output, counted, json_line, time_text, usd_text
from harness.cli.run_reach import Reached, reached
from harness.engines.run_store import Run, RunStatus
from harness.engines.run_tasks import ended_task_of_run
from harness.ledger.reports import CostLine, Entry

commands = Commands()

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="A run, or the beginning of its id.", autocompletion=run_ids)
]


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run with what it cost."""

    run: Run
    costs: CostLine

    @property
    def status(self) -> str:
        """Where it stands; a running one whose lease has ended is nobody's and can be resumed."""
        return _status(self.run)

    def as_object(self) -> dict[str, object]:
        """For programs."""
        return {**run_object(self.run), "process_gone": _process_gone(self.run), "costs": costs_object(self.costs)}


@dataclass(frozen=True, slots=True)
class RunView:
    """Everything that `show` says of a run."""

    line: RunLine
    reached: Reached
    entries: tuple[Entry, ...]
    caps: tuple[LimitRow, ...]
    error: str | None


@commands.command("runs")
def runs(
    ctx: typer.Context,
    status: Annotated[RunStatus | None, typer.Option("--status", help="Only those that stand so.")] = None,
    workflow: Annotated[
        str | None,
        typer.Option("--workflow", metavar="NAME", help="Only this workflow's.", autocompletion=workflow_names),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 50,
) -> None:
    """List runs, the newest first, with what each cost."""
    context = context_of(ctx)

    async def body(harness: Harness) -> list[RunLine]:
        found = await harness.runs.runs(status=status, workflow=workflow, limit=limit)
        return [_line(harness, each) for each in found]

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
            Column("a completed task", lambda row: _each(row.costs), right=True),
        ],
        as_object=RunLine.as_object,
        empty="there are no runs",
    )


@commands.command("show")
def show(
    ctx: typer.Context,
    run_id: RunArgument,
    state: Annotated[bool, typer.Option("--state", help="Print its state as far as it came, whole, as JSON.")] = False,
    entries: Annotated[bool, typer.Option("--entries", help="Print its lines of the ledger.")] = False,
) -> None:
    """Show one run: where it stands, its nodes, what it cost, and the caps it counts against."""
    context = context_of(ctx)
    view = context.work(lambda harness: _view(harness, run_id))
    if state:
        _print_state(context.output, view)
    elif entries:
        _print_entries(context.output, view)
    else:
        context.output.record(_view_object(view), _view_text(view))


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
        run = await harness.runs.run(run_id)
        said = f"{harness.settings.person}: {evidence}"
        task = ended_task_of_run(run, success=success, evidence=said, at=utc_now(), value_usd=worth)
        await harness.money.end_task(task)
        return _line(harness, run)

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


async def _view(harness: Harness, typed: str) -> RunView:
    run = await harness.runs.run(typed)
    entries = harness.reports.run_entries(run.organisation, run.run_id)
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
    return RunView(
        line=_line(harness, run),
        reached=await reached(harness, run),
        entries=entries,
        caps=tuple(limit_row(each) for each in balances),
        error=run.error,
    )


def _line(harness: Harness, run: Run) -> RunLine:
    return RunLine(run, harness.reports.run_costs(run.organisation, run.run_id))


def _process_gone(run: Run) -> bool:
    return run.status is RunStatus.RUNNING and run.lease_until is not None and run.lease_until <= utc_now()


def _status(run: Run) -> str:
    return f"{run.status} (its process is gone)" if _process_gone(run) else str(run.status)


def _each(costs: CostLine) -> str:
    return "none completed" if costs.usd_per_completed is None else usd_text(costs.usd_per_completed)


def _print_state(output: Output, view: RunView) -> None:
    if output.as_json:
        output.event(view.reached.state)
        return
    for key, value in view.reached.state.items():
        output.text(f"{key}: {json_line(value)}")


def _print_entries(output: Output, view: RunView) -> None:
    output.rows(
        view.entries,
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


def _charged(view: RunView, node: str) -> tuple[int, int, Decimal]:
    """Calls, tokens and dollars of one node; holds are left out, what closed them counts."""
    of_node = [entry for entry in view.entries if entry.node == node and entry.kind != "hold"]
    tokens = sum((entry.input_tokens or 0) + (entry.output_tokens or 0) for entry in of_node)
    return sum(entry.calls for entry in of_node), tokens, sum((entry.usd for entry in of_node), Decimal(0))


def _nodes(view: RunView) -> list[str]:
    """The nodes that were charged, in that order, then the others that are done."""
    charged = (entry.node for entry in view.entries if entry.node)
    return list(dict.fromkeys([*charged, *sorted(view.reached.finished)]))


def _view_object(view: RunView) -> dict[str, object]:
    nodes: list[dict[str, object]] = []
    for node in _nodes(view):
        calls, tokens, dollars = _charged(view, node)
        done = node in view.reached.finished
        visits = view.reached.visits.get(node)
        nodes.append({"node": node, "done": done, "visits": visits, "calls": calls, "tokens": tokens, "usd": dollars})
    return {**view.line.as_object(), "error": view.error, "nodes": nodes, "caps": view.caps}


def _view_text(view: RunView) -> str:
    run = view.line.run
    started, finished = time_text(run.started_at), time_text(run.finished_at)
    lines = [
        f"run {run.run_id} of {run.workflow}: {view.line.status}",
        f"  person {run.person}, organisation {run.organisation}, bindings version {run.binding_version_at_start}",
        f"  created {time_text(run.created_at)}, started {started}, finished {finished}",
        f"  project {run.project}",
    ]
    if view.error:
        lines += [f"  {line}" for line in f"error: {view.error}".splitlines()]
    for node in _nodes(view):
        calls, tokens, dollars = _charged(view, node)
        done = "done" if node in view.reached.finished else "not finished"
        lines.append(f"  node {node}: {done}; {counted(calls, 'call')}, {tokens:,} tokens, {usd_text(dollars)}")
    lines += [f"  {line}" for line in state_lines(view.reached.state)]
    lines += [f"  cap of {cap}" for cap in view.caps]
    return "\n".join([*lines, cost_words(view.line.costs)])
