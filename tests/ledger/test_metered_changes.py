"""Metered calls while something changes under them: the binding, the price, a budget among many callers."""

import asyncio
import itertools
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from harness.budgets.limits import ScopeKind, Unit
from harness.connections import EndpointConnections
from harness.exceptions import BudgetExceeded
from harness.ledger.hold_leases import HoldLeases
from harness.local_models.launcher import LocalModelServers
from harness.model_call import ModelCall
from harness.models.catalogue import Catalogue, Endpoint, Model
from harness.models.messages import ModelRequest, user
from harness.models.prices import PriceBook, PriceOverride
from harness.routing.bindings import Binding, BindingsFile
from harness.routing.bound_router import BoundRouter
from harness.storage.databases import Databases
from harness.storage.sql_binding_store import SqlBindingStore
from harness.storage.sql_money_store import SqlMoneyStore
from tests.storage.money_samples import CONTEXT, NOW, a_limit, rows_of

# A dollar a million tokens in, two out: a token is 1,000 and 2,000 nano-dollars.
PRICE = PriceOverride(input_usd_per_million=1, output_usd_per_million=2, source="made up", checked=date(2026, 11, 24))
FREE = PriceOverride(free=True, source="runs here", checked=date(2026, 11, 24))
REQUEST = ModelRequest(messages=(user("Hello"),), max_output_tokens=50)
COST = 7 * 1000 + 3 * 2000
REPLIES = "replies:\n- {text: scripted, delay_ms: 1, usage: {input: 7, output: 3}}\n"


class World:
    """A metered call over scripted replies; `now` moves only when a test says so."""

    def __init__(self, folder):
        (folder / "replies.yaml").write_text(REPLIES)
        self.now = NOW
        self.times = 0
        self.on_begin = lambda: None
        self.prices = PriceBook()
        self.databases = Databases(folder)
        self.money = SqlMoneyStore(self.databases.money_writer, dialect="sqlite")
        self.bindings = SqlBindingStore(self.databases.runs_writer, clock=lambda: self.now)
        self.leases = HoldLeases(self.money, clock=lambda: self.now)
        self.connections = EndpointConnections(folder=folder, environment={}, local_models=LocalModelServers(folder))
        ids = itertools.count(1)
        self.call = ModelCall(
            router=BoundRouter(self.bindings, Catalogue()),
            connections=self.connections,
            money=self.money,
            prices=lambda: self.prices,
            leases=self.leases,
            clock=lambda: self.now,
            monotonic=self._monotonic,
            new_id=lambda: f"send-{next(ids)}",
        )

    def _monotonic(self):
        # Asked for when a request is about to leave, and when its answer is there.
        self.times += 1
        if self.times == 1:
            self.on_begin()
        return float(self.times)

    async def bind(self, name, price=PRICE):
        current = await self.bindings.current("acme")
        bindings = BindingsFile(
            bindings=(Binding(role="classifier", model=name),),
            endpoints={"script": Endpoint(scripted_replies="replies.yaml")},
            models={name: Model(endpoint="script", wire_name=name, context_tokens=100_000, price=price)},
        )
        replaces = current.version if current else None
        return await self.bindings.add("acme", bindings, made_by="ada", reason="", replaces=replaces)

    async def ask(self, path="p"):
        return await self.call.ask(REQUEST, replace(CONTEXT, path=path))

    async def used(self):
        return {b.limit.unit: (b.spent, b.held) for b in await self.money.balances("acme", None, at=self.now)}

    def rows(self, sql):
        return rows_of(self.databases.money, sql)

    async def close(self):
        await self.leases.close()
        await self.connections.close()
        self.databases.close()


@pytest.fixture
def run(tmp_path):
    """Runs a test's coroutine in a world of its own."""

    def run(test):
        async def main():
            world = World(tmp_path)
            try:
                await test(world)
            finally:
                await world.close()

        asyncio.run(main())

    return run


def test_a_changed_binding_acts_on_the_next_call_and_its_entries_name_the_version(run):
    async def test(world):
        first = await world.bind("small")
        assert (await world.ask("p1")).model == "small"
        second = await world.bind("big")
        assert (await world.ask("p2")).model == "big"
        found = world.rows("SELECT kind, model, binding_version FROM entries ORDER BY seq")
        assert found == [
            (kind, model, made.version)
            for model, made in (("small", first), ("big", second))
            for kind in ("hold", "settle")
        ]

    run(test)


def test_a_dearer_price_that_starts_before_the_answer_comes_is_not_charged(run):
    async def test(world):
        def midnight():
            world.now += timedelta(minutes=2)

        world.now = NOW.replace(hour=23, minute=59)
        world.on_begin = midnight
        dear = PRICE.model_copy(update={"input_usd_per_million": Decimal(100_000), "starts": date(2026, 11, 25)})
        world.prices = PriceBook({"small": (PRICE, dear)})
        await world.bind("small")
        answer = await world.ask("before midnight")
        assert answer.cost_usd * 10**9 == COST
        held, charged = world.rows("SELECT nano_usd FROM entries ORDER BY seq")
        assert charged <= held
        assert (await world.ask("after it")).cost_usd * 10**9 == 7 * 100_000_000 + 3 * 2000

    run(test)


def test_a_fault_of_ours_after_the_answer_leaves_no_hold_behind(run):
    class Forgetful(PriceBook):
        def price(self, model, usage, at):  # noqa: ARG002
            raise ArithmeticError("no idea")

    async def test(world):
        world.prices = Forgetful()
        await world.money.set_limit(a_limit(10**12))
        await world.bind("small")
        with pytest.raises(ArithmeticError):
            await world.ask()
        (held, closing) = world.rows("SELECT nano_usd, estimated FROM entries ORDER BY seq")
        assert closing == (held[0], 1)
        assert await world.used() == {Unit.USD: (held[0], 0)}

    run(test)


def test_a_free_model_costs_zero_and_counts_its_tokens_and_calls(run):
    async def test(world):
        await world.bind("small", price=FREE)
        await world.money.set_limit(a_limit(0))
        await world.money.set_limit(a_limit(10**6, unit=Unit.TOKENS))
        await world.money.set_limit(a_limit(2, kind=ScopeKind.MODEL, name="small", unit=Unit.CALLS))
        for number in range(2):
            assert (await world.ask(f"p{number}")).cost_usd == 0
        with pytest.raises(BudgetExceeded) as refused:
            await world.ask("p2")
        assert refused.value.unit == "calls"
        assert await world.used() == {Unit.USD: (0, 0), Unit.TOKENS: (20, 0), Unit.CALLS: (2, 0)}

    run(test)


def test_many_callers_of_one_budget_never_pass_it(run):
    async def test(world):
        await world.bind("small")
        await world.ask("to see what one holds")
        ((bound,),) = world.rows("SELECT nano_usd FROM entries WHERE kind = 'hold'")
        limit = bound * 7 // 2
        await world.money.set_limit(a_limit(limit))
        asked = (world.ask(f"p{number}") for number in range(40))
        answers = await asyncio.gather(*asked, return_exceptions=True)
        refused = [each for each in answers if isinstance(each, BudgetExceeded)]
        assert 0 < len(refused) < 40
        assert all(each.busy for each in refused)
        spent = held = 0
        for kind, nano in world.rows("SELECT kind, nano_usd FROM entries ORDER BY seq"):
            spent, held = (spent, held + nano) if kind == "hold" else (spent + nano, held - bound)
            assert spent + held <= limit
        assert spent == COST * (41 - len(refused))
        assert await world.used() == {Unit.USD: (spent, 0)}

    run(test)
