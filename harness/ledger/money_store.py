"""Port: holds, settlements and the journal of replies, with the limits they keep.

Every method is one transaction; a method that raises has written nothing, and one whose caller is cancelled is done
all the same. `hold` is on the disk before it returns
(a power cut cannot forget a send that may be billed); the others may be lost by a power cut, never by a crash.
What one caller hands over is done in that order, also what it was cancelled while waiting for.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from harness.budgets.limits import Limit
from harness.budgets.reservations import Balance
from harness.ledger.entries import Journalled, Send, Settlement
from harness.ledger.tasks import Task


class MoneyStore(Protocol):
    """The record of money."""

    async def hold(self, send: Send, *, at: datetime, lease_seconds: float) -> Journalled | None:
        """Hold the bound of a send on all limits that apply, or on none.

        Returns the journalled reply instead, holding nothing, where this question was already answered.

        Raises:
            BudgetExceeded: a limit would be passed.
        """
        ...

    async def settle(self, send: Send, settlement: Settlement) -> None:
        """Close a hold at what the send cost and journal its reply; a late answer of an expired hold adjusts it.

        Raises:
            HoldClosed: it was already settled.
        """
        ...

    async def renew(self, send_ids: Sequence[str], *, lease_until: datetime) -> None:
        """Say that these sends are still in flight."""
        ...

    async def expire(self, *, at: datetime) -> int:
        """Settle holds whose lease ended at what they held, marked estimated; returns how many."""
        ...

    async def journalled(self, organisation: str, call_id: str, request_digest: str) -> Journalled | None:
        """The reply this question already got."""
        ...

    async def set_limit(self, limit: Limit) -> None:
        """Set a limit in place of an earlier one of the same scope, unit and period.

        What was already spent in its period and what is now in flight counts from the start.

        Raises:
            LimitInvalid: its zone does not exist.
        """
        ...

    async def end_limit(self, organisation: str, limit_id: str, *, at: datetime) -> bool:
        """Remove a limit; False if there is none of that id."""
        ...

    async def balances(
        self, organisation: str, scopes: Sequence[tuple[str, str]] | None, *, at: datetime
    ) -> tuple[Balance, ...]:
        """Limits (of these scopes; None: all) with what is used of them now, in a fixed order."""
        ...

    async def start_task(self, task: Task) -> None:
        """Record a task; one that is there already stays as it is."""
        ...

    async def end_task(self, task: Task) -> None:
        """Record a task with its outcome; the last word counts."""
        ...
