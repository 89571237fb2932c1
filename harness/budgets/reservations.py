"""Whether a call fits: the pure decision to hold money, and the upper bound that is held.

All limits that apply hold a call together or none does. Reading balances and writing holds is storage's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.budgets.limits import Charge, Limit, shown_amount
from harness.budgets.periods import PeriodSpan
from harness.exceptions import BudgetExceeded

# What a provider adds to the words it was sent: role markers, separators, a preamble of its own. Generous on
# purpose, because a bound that is too low lets a cap be passed. The longest preambles in recorded traffic: Grok 4's
# own, 679 tokens under a prompt of three words; what Llama 4 is told about tools, some 600; Claude, some 500.
_TOKENS_A_REQUEST = 1024
_TOKENS_A_MESSAGE = 16


@dataclass(frozen=True, slots=True)
class Balance:
    """A limit with what is used of it in the period the call falls into; amounts in the unit's smallest part."""

    limit: Limit
    span: PeriodSpan
    spent: int
    held: int


def refusal(balances: Sequence[Balance], charge: Charge) -> BudgetExceeded | None:
    """The first limit that this charge would pass, as the error to raise; None if it fits them all."""
    for balance in balances:
        requested = charge.of(balance.limit.unit)
        if balance.spent + balance.held + requested > balance.limit.amount:
            return _exceeded(balance, requested)
    return None


def _exceeded(balance: Balance, requested: int) -> BudgetExceeded:
    unit = balance.limit.unit
    return BudgetExceeded(
        balance.limit.scope,
        unit.value,
        shown_amount(balance.limit.amount, unit),
        shown_amount(balance.spent, unit),
        shown_amount(balance.held, unit),
        shown_amount(requested, unit),
        balance.span.ends_at,
        balance.limit.period.value,
    )


def input_tokens_bound(body_bytes: int, messages: int) -> int:
    """At most this many input tokens for a request of this size.

    A byte-level tokenizer never makes more tokens than bytes; the body holds every word that is sent, and more
    (its JSON), and what the provider adds around messages is bounded by a constant each.
    """
    return body_bytes + _TOKENS_A_REQUEST + _TOKENS_A_MESSAGE * messages
