"""A cent, a price that nobody knows, and a model that is free; in this process, on scripted replies."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from harness.budgets.limits import Limit, ScopeKind, Unit
from harness.budgets.periods import Period
from harness.engines.run_store import RunStatus
from harness.exceptions import BudgetExceeded, PriceUnknown

CENT = 10_000_000  # nano-dollars

pytestmark = pytest.mark.usefixtures("scripted")


def limit(amount):
    return Limit(
        limit_id=f"of {amount}",
        organisation="default",
        scope_kind=ScopeKind.PERSON,
        scope_id="ada",
        unit=Unit.USD,
        amount=amount,
        period=Period.WEEK,
        zone="Europe/Berlin",
        made_by="ada",
        made_at=datetime.now(UTC),
    )


def test_a_budget_of_a_cent_stops_at_the_first_call_that_does_not_fit_and_raising_it_goes_on(scripted):
    scripted.price("{input_usd_per_million: 5, output_usd_per_million: 10, source: made up, checked: 2026-11-24}")

    async def main():
        async with scripted.opened() as harness:
            await harness.money.set_limit(limit(CENT))
            stopped = await scripted.advance(harness, count=40)
            error = stopped.error
            assert isinstance(error, BudgetExceeded)
            assert stopped.run.status is RunStatus.WAITING
            assert error.scope == "person:ada"
            assert error.limit == Decimal("0.01")
            assert 0 < error.spent <= error.limit < error.spent + error.requested
            assert error.resets_at is not None
            assert error.resets_at > datetime.now(UTC)
            said = str(stopped.run.error)
            for word in ("person:ada", "limit 0.01", f"spent {error.spent}", f"asked {error.requested}", "resets 20"):
                assert word in said
            sent = harness.reports.run_costs("default", stopped.run.run_id)
            assert 0 < sent.calls < 40
            assert sent.usd == error.spent

            again = await harness.engine.advance(stopped.run.run_id, lambda _: None)
            assert isinstance(again.error, BudgetExceeded)
            assert harness.reports.run_costs("default", stopped.run.run_id) == sent

            await harness.money.set_limit(limit(100 * CENT))
            ended = await harness.engine.advance(stopped.run.run_id, lambda _: None)
            assert (ended.run.status, ended.error) == (RunStatus.COMPLETED, None)
            assert harness.reports.run_costs("default", stopped.run.run_id).calls == 41

    asyncio.run(main())


def test_a_model_without_a_price_is_refused_with_the_line_to_add_and_nothing_is_sent(scripted):
    scripted.price(None)

    async def main():
        async with scripted.opened() as harness:
            refused = await scripted.advance(harness)
            assert isinstance(refused.error, PriceUnknown)
            assert refused.run.status is RunStatus.FAILED
            said = str(refused.error)
            assert "add to " in said
            assert "prices.yaml" in said
            assert '"served": {input_usd_per_million:' in said
            assert harness.reports.run_costs("default", refused.run.run_id).calls == 0
        assert scripted.home.rows("money", "SELECT COUNT(*) FROM entries") == [(0,)]

    asyncio.run(main())


def test_a_free_model_is_an_honest_zero(scripted):
    scripted.price("{free: true, source: runs here, checked: 2026-11-24}")

    async def main():
        async with scripted.opened() as harness:
            ended = await scripted.advance(harness)
            costs = harness.reports.run_costs("default", ended.run.run_id)
            assert (ended.run.status, costs.calls, costs.usd, costs.estimated_usd) == (RunStatus.COMPLETED, 7, 0, 0)
            assert costs.input_tokens > 0

    asyncio.run(main())
