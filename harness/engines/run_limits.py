"""What a run may cost, and parts of it: caps in the money store, held with all other limits before each call.

A cap that is there stays, also where somebody set it meanwhile: who raises it by `harness budget set run:RUN` lets the
run go on. Steps and time are bounded elsewhere, where the run is advanced.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal

from harness.budgets.limits import Limit, ScopeKind, Unit
from harness.budgets.periods import Period
from harness.exceptions import BudgetExceeded
from harness.ledger.money_store import MoneyStore
from harness.models.prices import NANO
from harness.workflow.nodes.node_services import RunLimits

_OF_THE_RUN = (ScopeKind.RUN, ScopeKind.NODE)


@dataclass(frozen=True, slots=True)
class MoneyRunLimits(RunLimits):
    """Implements `RunLimits` for one run."""

    money: MoneyStore
    organisation: str
    run_id: str
    person: str
    clock: Callable[[], datetime]
    new_id: Callable[[], str]

    async def cap(self, place: str, usd: Decimal) -> None:
        """See the port."""
        await self._cap(ScopeKind.NODE, f"{self.run_id}/{place}", usd)

    async def cap_run(self, usd: Decimal) -> None:
        """Cap what all calls of the run may cost together, those of the runs that are its steps included."""
        await self._cap(ScopeKind.RUN, self.run_id, usd)

    async def replace_cap_of_run(self, usd: Decimal | None) -> None:
        """Cap the run anew, or no more; what it has spent counts."""
        for limit in await self._caps(ScopeKind.RUN, self.run_id):
            await self.money.end_limit(self.organisation, limit.limit_id, at=self.clock())
        if usd is not None:
            await self.cap_run(usd)

    async def _cap(self, kind: ScopeKind, scope_id: str, usd: Decimal) -> None:
        if await self._caps(kind, scope_id):
            return
        limit = Limit(
            limit_id=self.new_id(),
            organisation=self.organisation,
            scope_kind=kind,
            scope_id=scope_id,
            unit=Unit.USD,
            amount=int((usd * NANO).to_integral_value(ROUND_FLOOR)),
            period=Period.NONE,
            zone="UTC",
            made_by=self.person,
            made_at=self.clock(),
            reason="limit of the workflow",
        )
        await self.money.set_limit(limit)

    async def _caps(self, kind: ScopeKind, scope_id: str) -> list[Limit]:
        balances = await self.money.balances(self.organisation, [(kind, scope_id)], at=self.clock())
        limits = [each.limit for each in balances]
        return [each for each in limits if each.unit is Unit.USD and each.period is Period.NONE]


def is_own_limit(error: BudgetExceeded) -> bool:
    """Whether a run came to a limit of its own, which waiting for a new week does not mend."""
    return error.scope.partition(":")[0] in _OF_THE_RUN
