"""Who may spend how much: a limit in dollars, tokens or calls on anything a call is charged to.

Amounts are kept as whole numbers of the unit's smallest part: nano-dollars, tokens, calls.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from harness.budgets.periods import Period, zone_named
from harness.exceptions import LimitInvalid
from harness.models.prices import NANO

_MOST_DIGITS = 24
_MOST_AMOUNT = 2**62  # a sum of two still fits the tables' 64-bit integers


class ScopeKind(StrEnum):
    """What a limit can be set on."""

    PERSON = "person"
    TEAM = "team"
    ORGANISATION = "organisation"
    WORKFLOW = "workflow"
    TASK = "task"
    RUN = "run"
    NODE = "node"  # one visit of a run to a node: `run/path`; a run sets it on itself
    ROLE = "role"
    MODEL = "model"


class Unit(StrEnum):
    """What is counted."""

    USD = "usd"
    TOKENS = "tokens"
    CALLS = "calls"


@dataclass(frozen=True, slots=True)
class Charge:
    """What a call takes from budgets: held as an upper bound before it, spent as what it was after it."""

    nano_usd: int
    tokens: int
    calls: int = 1

    def of(self, unit: Unit) -> int:
        """The part that a limit of this unit counts."""
        return {Unit.USD: self.nano_usd, Unit.TOKENS: self.tokens, Unit.CALLS: self.calls}[unit]


@dataclass(frozen=True, slots=True)
class Limit:
    """A cap; `amount` is in the unit's smallest part, `scope_id` the person, team, run ... that it caps."""

    limit_id: str
    organisation: str
    scope_kind: ScopeKind
    scope_id: str
    unit: Unit
    amount: int
    period: Period
    zone: str
    made_by: str
    made_at: datetime
    reason: str = ""

    @property
    def scope(self) -> str:
        """As people write it, `kind:id`."""
        return f"{self.scope_kind}:{self.scope_id}"


def parse_scope(text: str) -> tuple[ScopeKind, str]:
    """`person:ada` as a kind and an id.

    Raises:
        LimitInvalid: no such kind, or no id.
    """
    kind, _, scope_id = text.partition(":")
    if kind not in set(ScopeKind) or not scope_id.strip():
        kinds = ", ".join(ScopeKind)
        raise LimitInvalid("scope", text, f"write KIND:NAME, KIND one of {kinds}")
    return ScopeKind(kind), scope_id.strip()


def parse_amount(text: str, unit: Unit) -> int:
    """An amount as a person writes it ("200", "0.01") in the unit's smallest part.

    The text is bounded before it is a number, so that "1e300000" costs nothing to refuse.

    Raises:
        LimitInvalid: not a number, negative, not finite, too long, or finer than the unit's smallest part.
    """
    if len(text) > _MOST_DIGITS:
        raise LimitInvalid("amount", text[:_MOST_DIGITS] + "...", "use a number of a few digits")
    if "e" in text.lower() or "_" in text:
        raise LimitInvalid("amount", text, "write the number out, without an exponent")
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise LimitInvalid("amount", text, "use a number, such as 200 or 0.01") from error
    if not amount.is_finite() or amount < 0:
        raise LimitInvalid("amount", text, "use a number of zero or more")
    parts = amount * NANO if unit is Unit.USD else amount
    if parts != parts.to_integral_value():
        finest = "0.000000001 dollars" if unit is Unit.USD else f"whole {unit}"
        raise LimitInvalid("amount", text, f"the finest step is {finest}")
    if parts > _MOST_AMOUNT:
        raise LimitInvalid("amount", text, "that is more than can ever be spent")
    return int(parts)


def shown_amount(amount: int, unit: Unit) -> Decimal:
    """An amount in the unit people read: dollars, tokens, calls."""
    return Decimal(amount) / NANO if unit is Unit.USD else Decimal(amount)


def check_zone(zone: str) -> str:
    """The zone's name, if there is such a zone.

    Raises:
        LimitInvalid: there is none.
    """
    zone_named(zone)
    return zone
