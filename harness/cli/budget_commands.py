"""The commands `budget set`, `budget list` and `budget remove`: who may spend how much, and what is left of it."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import typer

from harness.assembly import Harness, utc_now
from harness.budgets.limits import Limit, ScopeKind, Unit, check_zone, parse_amount, parse_scope, shown_amount
from harness.budgets.periods import Period
from harness.budgets.reservations import Balance
from harness.cli.binding_places import workflows_of
from harness.cli.context import context_of
from harness.cli.global_options import Commands
from harness.cli.output import Column, time_text, usd_text
from harness.exceptions import LimitInvalid, NameUnknown
from harness.names import nearest_names
from harness.routing.binding_changes import check_models

commands = Commands()
budget = Commands(help="Set, show and end limits. No call that would pass one is ever sent.")
commands.add_typer(budget, name="budget")

ScopeArgument = Annotated[
    str, typer.Argument(metavar="SCOPE", help=f"KIND:NAME, such as person:ada; KIND one of {', '.join(ScopeKind)}.")
]


@dataclass(frozen=True, slots=True)
class LimitRow:
    """A limit with what is used of it in the period of now; amounts are in dollars, tokens or calls."""

    scope: str
    unit: Unit
    limit: Decimal
    per: Period
    zone: str
    spent: Decimal
    held: Decimal
    left: Decimal
    resets_at: datetime | None
    made_by: str
    made_at: datetime
    reason: str
    limit_id: str

    def shown(self, amount: Decimal) -> str:
        """An amount of it in words."""
        return usd_text(amount) if self.unit is Unit.USD else f"{amount:,f} {self.unit}"

    def __str__(self) -> str:
        per = "for ever" if self.per is Period.NONE else f"a {self.per} ({self.zone})"
        resets = f", resets {time_text(self.resets_at)}" if self.resets_at else ""
        used = f"spent {self.shown(self.spent)}, held {self.shown(self.held)}, left {self.shown(self.left)}"
        return f"{self.scope}: {self.shown(self.limit)} {per}; {used}{resets}"


def limit_row(balance: Balance) -> LimitRow:
    """A balance as it is shown; what is left is never below zero."""
    limit = balance.limit
    left = max(limit.amount - balance.spent - balance.held, 0)
    return LimitRow(
        scope=limit.scope,
        unit=limit.unit,
        limit=shown_amount(limit.amount, limit.unit),
        per=limit.period,
        zone=limit.zone,
        spent=shown_amount(balance.spent, limit.unit),
        held=shown_amount(balance.held, limit.unit),
        left=shown_amount(left, limit.unit),
        resets_at=balance.span.ends_at,
        made_by=limit.made_by,
        made_at=limit.made_at,
        reason=limit.reason,
        limit_id=limit.limit_id,
    )


@budget.command("set", context_settings={"ignore_unknown_options": True})  # so that "-1" is an amount to refuse
def set_(
    ctx: typer.Context,
    scope: ScopeArgument,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="Such as 200 or 0.01.")],
    unit: Annotated[Unit, typer.Option("--unit", help="What is counted.")] = Unit.USD,
    per: Annotated[Period, typer.Option("--per", help="When it starts anew; none is never.")] = Period.WEEK,
    zone: Annotated[
        str | None, typer.Option("--zone", metavar="ZONE", help="Whose midnight; default: the setting `zone`.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept with the limit.")] = "",
) -> None:
    """Set a limit, in place of an earlier one of the same scope, unit and period.

    It acts from the next call on, in running processes too. What the period already spent counts.
    """
    context = context_of(ctx)
    kind, scope_id = parse_scope(scope)
    limit = Limit(
        limit_id=secrets.token_hex(16),
        organisation=context.settings.organisation,
        scope_kind=kind,
        scope_id=scope_id,
        unit=unit,
        amount=parse_amount(amount, unit),
        period=per,
        zone=check_zone(zone or context.settings.zone),
        made_by=context.settings.person,
        made_at=utc_now(),
        reason=reason,
    )

    async def body(harness: Harness) -> LimitRow:
        await _check_scope(harness, kind, scope_id)
        await harness.money.set_limit(limit)
        balances = await harness.money.balances(limit.organisation, [(kind, scope_id)], at=limit.made_at)
        return next(limit_row(each) for each in balances if each.limit.limit_id == limit.limit_id)

    row = context.work(body)
    context.output.record(row, str(row))
    if not row.left:
        context.output.say("nothing is left of it now: a call that it counts is refused", style="yellow")


@budget.command("list")
def list_(ctx: typer.Context) -> None:
    """Show the limits in force, with what is spent, held and left of each in the period of now."""
    context = context_of(ctx)

    async def body(harness: Harness) -> list[LimitRow]:
        return [limit_row(each) for each in await harness.money.balances(harness.organisation, None, at=utc_now())]

    context.output.rows(
        context.work(body),
        [
            Column("scope", lambda row: row.scope),
            Column("limit", lambda row: row.shown(row.limit), right=True),
            Column("per", lambda row: "-" if row.per is Period.NONE else row.per),
            Column("zone", lambda row: row.zone),
            Column("spent", lambda row: row.shown(row.spent), right=True),
            Column("held", lambda row: row.shown(row.held), right=True),
            Column("left", lambda row: row.shown(row.left), right=True),
            Column("resets", lambda row: time_text(row.resets_at)),
            Column("by", lambda row: row.made_by),
            Column("reason", lambda row: row.reason or "-"),
        ],
        as_object=lambda row: row,
        empty="there are no limits: `harness budget set person:NAME AMOUNT`",
    )


@budget.command("remove")
def remove(
    ctx: typer.Context,
    scope: ScopeArgument,
    unit: Annotated[Unit | None, typer.Option("--unit", help="Only that of this unit.")] = None,
    per: Annotated[Period | None, typer.Option("--per", help="Only that of this period.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="All that fit.")] = False,
) -> None:
    """End a limit; what it was and what it counted stay in the record."""
    context = context_of(ctx)
    kind, scope_id = parse_scope(scope)

    async def body(harness: Harness) -> list[LimitRow]:
        organisation, now = harness.organisation, utc_now()
        there = await harness.money.balances(organisation, None, at=now)
        of_scope = [each for each in there if (each.limit.scope_kind, each.limit.scope_id) == (kind, scope_id)]
        fitting = [each for each in of_scope if unit in {None, each.limit.unit} and per in {None, each.limit.period}]
        if not fitting:
            shown = " ".join([f"{kind}:{scope_id}", *(str(each) for each in (unit, per) if each)])
            near = [_named(each.limit) for each in of_scope] or nearest_names(
                scope, [each.limit.scope for each in there]
            )
            raise NameUnknown("limit", shown, near)
        if len(fitting) > 1 and not all_:
            several = " or ".join(_named(each.limit) for each in fitting)
            raise LimitInvalid("scope", scope, f"it has {several}: say which, or --all")
        return [
            limit_row(each)
            for each in fitting
            if await harness.money.end_limit(organisation, each.limit.limit_id, at=now)
        ]

    removed = context.work(body)
    for row in removed:
        context.output.record(row, str(row))
    context.output.say("removed")


def _named(limit: Limit) -> str:
    return f"{limit.scope} --unit {limit.unit} --per {limit.period}"


async def _check_scope(harness: Harness, kind: ScopeKind, scope_id: str) -> None:
    """That a limit on this scope can ever be met: one on a misspelled model would protect nobody.

    People, teams and tasks are known nowhere beforehand.

    Raises:
        NameUnknown, LimitInvalid: nothing is ever charged to it.
    """
    if kind is ScopeKind.ORGANISATION and scope_id != harness.organisation:
        raise LimitInvalid("scope", f"{kind}:{scope_id}", f"you are in organisation {harness.organisation!r}")
    if kind is ScopeKind.MODEL:
        current = await harness.binding_version()
        check_models([scope_id], current.bindings.catalogue(harness.catalogue))
    if kind is ScopeKind.RUN:
        await harness.runs.run(scope_id)
    if kind is ScopeKind.WORKFLOW:
        # A call is charged to the workflow by its own name, whatever the project calls it.
        names = sorted({spec.workflow for spec in workflows_of(harness.project).values()})
        if names and scope_id not in names:
            raise NameUnknown("workflow", scope_id, nearest_names(scope_id, names))
