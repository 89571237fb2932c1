"""The command `costs`: dollars a completed task, by whatever they can be told apart by, or of one run."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from harness.assembly import Harness
from harness.cli.completion import run_ids
from harness.cli.context import CommandContext, context_of
from harness.cli.global_options import Commands
from harness.cli.output import Column, time_text, usd_text
from harness.cli.recorded import has_state, recorded_run
from harness.engines.run_store import typed_run_id
from harness.ledger.reports import CostLine, Entry, GroupBy

commands = Commands()

_TOTAL = "total"


@dataclass(frozen=True, slots=True)
class CostRow:
    """A line of costs as it is shown; `by` is "total" for that of everything together."""

    by: str
    line: CostLine

    @property
    def estimated_share(self) -> float | None:
        """The part of the dollars that is a held bound, 0 to 1; None where there are none."""
        return round(float(self.line.estimated_usd / self.line.usd), 4) if self.line.usd else None

    def as_object(self) -> dict[str, object]:
        """As programs read it."""
        per_completed = self.line.usd_per_completed
        return {
            "by": self.by,
            **asdict(self.line),
            "usd_per_completed": per_completed,
            "estimated_share": self.estimated_share,
        }


def per_completed_text(line: CostLine) -> str:
    """Dollars a completed task, in words where none is completed."""
    return "none completed" if line.usd_per_completed is None else usd_text(line.usd_per_completed)


@commands.command("costs")
def costs(
    ctx: typer.Context,
    by: Annotated[GroupBy, typer.Option("--by", help="What costs are told apart by.")] = GroupBy.KIND,
    since: Annotated[
        datetime | None,
        typer.Option("--since", formats=["%Y-%m-%d"], metavar="DATE", help="From this day on, in your time zone."),
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="Of this run, call by call.", autocompletion=run_ids)
    ] = None,
) -> None:
    """Show what completed tasks cost, failed attempts included; "none completed" is never $0.

    By kind a task's cost includes that of the tasks that are part of it, so the lines can add up to more than the
    total, which stands last.
    """
    context = context_of(ctx)
    if run is not None:
        _show_run(context, typed_run_id(run))
        return
    start = _start_of_day(since, context.settings.zone) if since else None

    async def body(harness: Harness) -> list[CostRow]:
        if not has_state(harness):
            return []
        lines = harness.reports.costs(harness.organisation, by, since=start)
        # Every charge has one person, so their lines add up to all of it.
        whole = _total(harness.reports.costs(harness.organisation, GroupBy.PERSON, since=start))
        return [*(CostRow(by, line) for line in lines), CostRow(_TOTAL, whole)] if lines else []

    context.output.rows(
        context.work(body), _columns(by), as_object=CostRow.as_object, empty="nothing was charged to any task yet"
    )


def _columns(by: GroupBy) -> list[Column]:
    return [
        Column(by, lambda row: row.line.group),
        Column("calls", lambda row: f"{row.line.calls:,}", right=True),
        Column("tokens in", lambda row: f"{row.line.input_tokens:,}", right=True),
        Column("out", lambda row: f"{row.line.output_tokens:,}", right=True),
        Column("cost", lambda row: usd_text(row.line.usd), right=True),
        Column("estimated", lambda row: _share_text(row.estimated_share), right=True),
        Column("completed", lambda row: f"{row.line.completed:,}", right=True),
        Column("failed", lambda row: f"{row.line.failed:,}", right=True),
        Column("a completed task", lambda row: per_completed_text(row.line), right=True),
    ]


def _share_text(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}" if share in {0, 1} else f"{share:.1%}"


def _total(lines: Iterable[CostLine]) -> CostLine:
    zero = CostLine(_TOTAL, 0, 0, 0, Decimal(0), Decimal(0), 0, 0)
    for line in lines:
        zero = CostLine(
            _TOTAL,
            zero.calls + line.calls,
            zero.input_tokens + line.input_tokens,
            zero.output_tokens + line.output_tokens,
            zero.usd + line.usd,
            zero.estimated_usd + line.estimated_usd,
            zero.completed + line.completed,
            zero.failed + line.failed,
        )
    return zero


def _start_of_day(day: datetime, zone: str) -> datetime:
    return datetime.combine(day.date(), time.min, ZoneInfo(zone)).astimezone(UTC)


def _show_run(context: CommandContext, run_id: str) -> None:
    async def body(harness: Harness) -> tuple[CostLine, tuple[Entry, ...]]:
        await recorded_run(harness, run_id)
        reports, organisation = harness.reports, harness.organisation
        return reports.run_costs(organisation, run_id), reports.run_entries(organisation, run_id)

    line, entries = context.work(body)
    output = context.output
    if output.as_json:
        output.event({**CostRow(GroupBy.RUN, line).as_object(), "entries": entries})
        return
    output.rows(
        entries,
        [
            Column("at", lambda row: time_text(row.at)),
            Column("entry", lambda row: row.kind),
            Column("node", lambda row: row.node or "-"),
            Column("role", lambda row: row.role),
            Column("model", lambda row: row.model),
            Column("bindings", lambda row: str(row.binding_version), right=True),
            Column("tokens in", lambda row: _count(row.input_tokens), right=True),
            Column("out", lambda row: _count(row.output_tokens), right=True),
            Column("cost", lambda row: usd_text(row.usd) + (" estimated" if row.estimated else ""), right=True),
            Column("error", lambda row: row.error or "-"),
        ],
        as_object=lambda row: row,
        empty=f"run {run_id} made no call",
    )
    share = _share_text(CostRow(GroupBy.RUN, line).estimated_share)
    output.text(
        f"{line.calls:,} calls, {line.input_tokens:,} tokens in, {line.output_tokens:,} out, {usd_text(line.usd)} "
        f"({share} estimated); {line.completed:,} completed, {line.failed:,} failed; "
        f"a completed task: {per_completed_text(line)}"
    )


def _count(tokens: int | None) -> str:
    return "unknown" if tokens is None else f"{tokens:,}"
