"""The price before the run: its worst case beside what is left of the caps, for `check`, `run` and `run --dry-run`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from harness.assembly import Harness, utc_now
from harness.budgets.limits import ScopeKind, Unit, shown_amount
from harness.budgets.reservations import Balance
from harness.cli.output import counted, usd_text
from harness.cli.recorded import has_state
from harness.dialects.dialect import WireTarget
from harness.dialects.known_dialects import DIALECTS
from harness.exceptions import PriceUnknown, SpecificationInvalid
from harness.json_values import Json
from harness.metering.metered_send import priced_model
from harness.models.catalogue import Catalogue
from harness.models.messages import ModelRequest, Origin
from harness.models.prices import PriceBook
from harness.routing.bindings import BindingsFile, read_bindings
from harness.routing.decision import Decision, Target, decide
from harness.workflow.checking.capability_checks import capability_problems
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.worst_case import Amount, NodeWorstCase, WorstCase, worst_case

_NOWHERE = "http://unsent.invalid/v1"


@dataclass(frozen=True, slots=True)
class BindingsInForce:
    """What is bound now; version 0 where only the project's file says so yet."""

    bindings: BindingsFile
    version: int


@dataclass(frozen=True, slots=True)
class CapLeft:
    """What is left of one cap, and what the run could take of it; amounts in the cap's unit."""

    scope: str
    unit: str
    period: str
    limit: Decimal
    left: Decimal
    worst_case: Decimal

    @property
    def fits(self) -> bool:
        """Whether the known part of the worst case stays within what is left."""
        return self.worst_case <= self.left


@dataclass(frozen=True, slots=True)
class Forecast:
    """The worst case of one run and the caps it counts against."""

    workflow: str
    worst: WorstCase
    caps: tuple[CapLeft, ...]

    def as_object(self) -> dict[str, object]:
        """For programs; `usd`, `calls` and `tokens` are of what is bounded, `unbounded` says what comes on top."""
        return {
            "workflow": self.workflow,
            **_amount(self.worst.known),
            "unbounded": [f"{node.node}: the number of items is not known" for node in self.worst.per_item],
            "nodes": [_node_object(node) for node in self.worst.nodes],
            "caps": [
                {
                    "scope": cap.scope,
                    "unit": cap.unit,
                    "period": cap.period,
                    "limit": cap.limit,
                    "left": cap.left,
                    "worst_case": cap.worst_case,
                    "fits": cap.fits,
                }
                for cap in self.caps
            ],
        }

    def as_text(self) -> str:
        """For people: the sum, a line a model node, a line a cap."""
        open_ended = " and, for each item of unknown lists, what is said below" if self.worst.per_item else ""
        lines = [f"worst case of {self.workflow}: {_words(self.worst.known)}{open_ended}"]
        lines += [_node_line(node) for node in self.worst.nodes]
        lines += [_cap_line(cap) for cap in self.caps] or ["  no cap is set"]
        return "\n".join(lines)


async def bindings_in_force(harness: Harness) -> BindingsInForce:
    """What is bound, without making a first version or a database where there is none yet.

    Raises:
        SpecificationInvalid: the project's bindings file cannot be used.
    """
    if has_state(harness):
        current = await harness.bindings.current(harness.organisation)
        if current is not None:
            return BindingsInForce(current.bindings, current.version)
    path = harness.project.bindings_path if harness.project else None
    return BindingsInForce(read_bindings(path, harness.catalogue) if path else BindingsFile(), 0)


async def forecast(
    harness: Harness,
    loaded: LoadedWorkflow,
    in_force: BindingsInForce,
    *,
    values: Mapping[str, Json],
    items: int | None,
) -> Forecast:
    """The worst case of a run that begins with these values.

    Raises:
        PriceUnknown, RoleUnbound, NameUnknown: the run would be refused.
        SpecificationInvalid: a bound model cannot do what a node asks of it.
    """
    workflow = loaded.spec.workflow
    now = _Now(in_force, in_force.bindings.catalogue(harness.catalogue), harness.prices, utc_now())
    problems = capability_problems(loaded, lambda node, role: now.decided(workflow, node, role))
    if problems:
        raise SpecificationInvalid(problems)
    worst = worst_case(loaded, now.decided, now.dearest, _body_bytes, values=values, items=items)
    balances = await _balances(harness, workflow, worst)
    return Forecast(workflow, worst, tuple(_cap(balance, worst) for balance in balances))


@dataclass(frozen=True, slots=True)
class _Now:
    """Who would answer now, and at what price."""

    in_force: BindingsInForce
    catalogue: Catalogue
    prices: PriceBook
    at: datetime

    def decided(self, workflow: str, node: str, role: str) -> Decision:
        """The targets that can be asked: those without a price are passed over where another has one."""
        binding = self.in_force.bindings.resolve(role, workflow=workflow, node=node)
        decision = decide(binding, self.catalogue, version=self.in_force.version)
        priced = tuple(target for target in decision.targets if self._has_price(target))
        return replace(decision, targets=priced or decision.targets)

    def dearest(self, target: Target, input_tokens: int, output_tokens: int) -> Decimal:
        """The most that so many tokens can cost there."""
        return self.prices.dearest(priced_model(target), input_tokens, output_tokens, self.at)

    def _has_price(self, target: Target) -> bool:
        try:
            self.dearest(target, 1, 1)
        except PriceUnknown:
            return False
        return True


def _body_bytes(request: ModelRequest, target: Target) -> int:
    # Streamed, because that body is the longer one.
    origin = Origin(dialect=target.endpoint.dialect, endpoint=target.endpoint_name, model=target.model.wire_name)
    to = WireTarget(target.model, target.endpoint, _NOWHERE, None, origin)
    return len(DIALECTS[target.endpoint.dialect].encode(request, to, stream=True).body)


async def _balances(harness: Harness, workflow: str, worst: WorstCase) -> tuple[Balance, ...]:
    """The caps that a run can meet; those on a run or task of its own cannot exist before it."""
    if not has_state(harness):
        return ()
    scopes = {
        (ScopeKind.ORGANISATION.value, harness.organisation),
        (ScopeKind.PERSON.value, harness.settings.person),
        (ScopeKind.WORKFLOW.value, workflow),
        *((ScopeKind.ROLE.value, node.role) for node in worst.nodes),
        *((ScopeKind.MODEL.value, model) for node in worst.nodes for model in node.models),
    }
    return await harness.money.balances(harness.organisation, sorted(scopes), at=utc_now())


def _cap(balance: Balance, worst: WorstCase) -> CapLeft:
    limit = balance.limit
    counted = worst.known_of(
        role=limit.scope_id if limit.scope_kind is ScopeKind.ROLE else None,
        model=limit.scope_id if limit.scope_kind is ScopeKind.MODEL else None,
    )
    used = {Unit.USD: counted.usd, Unit.TOKENS: Decimal(counted.tokens), Unit.CALLS: Decimal(counted.calls)}
    return CapLeft(
        scope=limit.scope,
        unit=limit.unit.value,
        period=limit.period.value,
        limit=shown_amount(limit.amount, limit.unit),
        left=shown_amount(max(limit.amount - balance.spent - balance.held, 0), limit.unit),
        worst_case=used[limit.unit],
    )


def _amount(amount: Amount) -> dict[str, object]:
    return {"usd": amount.usd, "calls": amount.calls, "tokens": amount.tokens}


def _node_object(node: NodeWorstCase) -> dict[str, object]:
    return {
        "node": node.node,
        "role": node.role,
        "models": node.models,
        "visits": node.visits,
        "items": node.items,
        "attempts": node.attempts,
        "send": _amount(node.send),
        "an_item": _amount(node.an_item),
        "total": None if node.total is None else _amount(node.total),
        "bounded_by_context": node.of_any_size,
    }


def _words(amount: Amount) -> str:
    return f"{usd_text(amount.usd)}, {counted(amount.calls, 'call')}, {amount.tokens:,} tokens"


def _node_line(node: NodeWorstCase) -> str:
    tries = f"{node.attempts} tries" if node.attempts > 1 else "1 try"
    factors = [tries, *([f"{node.visits} visits"] if node.visits > 1 else [])]
    if node.total is None:
        cost = f"{_words(node.an_item)} an item, of a list whose length is not known (assume one: --items N)"
    else:
        cost = _words(node.total)
        factors += [f"{node.items} items"] if node.items != 1 else []
    note = ""
    if node.of_any_size:
        names = ", ".join(f"{{{{ {name} }}}}" for name in node.of_any_size)
        note = f"; unbounded: the size of {names}, so the model's whole context is counted"
    return f"  {node.node} ({' or '.join(node.models)}; {', '.join(factors)}): {cost}{note}"


def _cap_line(cap: CapLeft) -> str:
    def shown(amount: Decimal) -> str:
        return usd_text(amount) if cap.unit == Unit.USD else f"{amount:,f} {cap.unit}"

    verdict = "the worst case fits" if cap.fits else "the worst case does NOT fit: the run may be stopped on its way"
    period = "" if cap.period == "none" else f" a {cap.period}"
    return f"  cap of {cap.scope}: {shown(cap.left)} left of {shown(cap.limit)}{period}; {verdict}"
