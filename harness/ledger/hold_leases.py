"""Keeps the holds of calls in flight alive, and settles those of processes that are gone."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

from harness.ledger.money_store import MoneyStore
from ontology.exceptions import DatabaseUnavailable

# A crash leaves a hold for at most this long.
LEASE_SECONDS = 60.0


class HoldLeases:
    """Renews, a few times within a lease, the holds of all sends that are in flight in this process.

    At the same moments, and when the first send starts, holds whose lease ended are settled: their processes are gone.
    """

    def __init__(
        self, money: MoneyStore, *, clock: Callable[[], datetime], lease_seconds: float = LEASE_SECONDS
    ) -> None:
        self.lease_seconds = lease_seconds
        self._money = money
        self._clock = clock
        self._in_flight: set[str] = set()
        self._renewer: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def kept(self, send_id: str) -> AsyncGenerator[None]:
        """Keep this send's hold alive until the context is left."""
        self._in_flight.add(send_id)
        if self._renewer is None or self._renewer.done():
            self._renewer = asyncio.create_task(self._renew())
        try:
            yield
        finally:
            self._in_flight.discard(send_id)

    async def close(self) -> None:
        """Stop renewing; idempotent."""
        if self._renewer is not None:
            self._renewer.cancel()
            await asyncio.gather(self._renewer, return_exceptions=True)
            self._renewer = None

    async def _renew(self) -> None:
        while self._in_flight:
            # A database that is gone for a moment must not end the renewing: there are two more chances in a lease.
            with suppress(DatabaseUnavailable):
                # One moment for both, so that a clock that jumps in between ends no lease that was just renewed.
                now = self._clock()
                until = now + timedelta(seconds=self.lease_seconds)
                await self._money.renew(sorted(self._in_flight), lease_until=until)
                await self._money.expire(at=now)
            await asyncio.sleep(self.lease_seconds / 3)
