"""The money store on SQLite and PostgreSQL: each method one operation of the writer."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from harness.budgets.limits import Limit
from harness.budgets.reservations import Balance
from harness.ledger.entries import Journalled, Send, Settlement
from harness.ledger.tasks import Task
from harness.storage import limit_operations, money_operations
from harness.storage.transactions import TransactionWriter


class SqlMoneyStore:
    """Implements `harness.ledger.money_store.MoneyStore`."""

    def __init__(self, writer: TransactionWriter, *, dialect: str) -> None:
        self._writer = writer
        self._row_lock = "FOR UPDATE" if dialect == "postgresql" else ""

    async def hold(self, send: Send, *, at: datetime, lease_seconds: float) -> Journalled | None:
        """See the port."""
        until = at + timedelta(seconds=lease_seconds)
        return await self._writer.run(
            lambda: money_operations.hold(send, at, until, row_lock=self._row_lock), durable=True
        )

    async def settle(self, send: Send, settlement: Settlement) -> None:
        """See the port."""
        await self._writer.run(lambda: money_operations.settle(send, settlement))

    async def renew(self, send_ids: Sequence[str], *, lease_until: datetime) -> None:
        """See the port."""
        await self._writer.run(lambda: money_operations.renew(send_ids, lease_until))

    async def expire(self, *, at: datetime) -> int:
        """See the port."""
        return await self._writer.run(lambda: money_operations.expire(at))

    async def journalled(self, organisation: str, call_id: str, request_digest: str) -> Journalled | None:
        """See the port."""
        return await self._writer.run(lambda: money_operations.find_reply(organisation, call_id, request_digest))

    async def set_limit(self, limit: Limit) -> None:
        """See the port."""
        await self._writer.run(lambda: limit_operations.set_limit(limit), durable=True)

    async def end_limit(self, organisation: str, limit_id: str, *, at: datetime) -> bool:
        """See the port."""
        return await self._writer.run(lambda: limit_operations.end_limit(organisation, limit_id, at), durable=True)

    async def balances(
        self, organisation: str, scopes: Sequence[tuple[str, str]] | None, *, at: datetime
    ) -> tuple[Balance, ...]:
        """See the port."""
        return await self._writer.run(lambda: money_operations.read_balances(organisation, scopes, at))

    async def start_task(self, task: Task) -> None:
        """See the port."""
        await self._writer.run(lambda: limit_operations.start_task(task))

    async def end_task(self, task: Task) -> None:
        """See the port."""
        await self._writer.run(lambda: limit_operations.end_task(task))
