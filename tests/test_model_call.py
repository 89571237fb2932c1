"""The one metered call, over real stores, the scripted transport and a server on loopback that misbehaves."""

import asyncio
import contextlib
import json
import threading
import traceback
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from harness.budgets.limits import ScopeKind, Unit
from harness.connections import EndpointConnections
from harness.exceptions import (
    Broken,
    BudgetExceeded,
    KeyRefused,
    Overloaded,
    PriceUnknown,
    ProviderError,
    RateLimited,
    RoleUnbound,
)
from harness.ledger.entries import CallContext
from harness.ledger.hold_leases import HoldLeases
from harness.local_models.launcher import LocalModelServers
from harness.metering.attempts import Resilience
from harness.model_call import ModelCall
from harness.models.catalogue import Catalogue, Endpoint, Model
from harness.models.messages import ModelRequest, TextDelta, user
from harness.models.prices import PriceBook, PriceOverride
from harness.routing.bindings import Binding, BindingsFile
from harness.routing.bound_router import BoundRouter
from harness.storage.databases import Databases
from harness.storage.driver_sessions import Statement
from harness.storage.sql_binding_store import SqlBindingStore
from harness.storage.sql_money_store import SqlMoneyStore
from ontology.databases import open_database, sqlite_url
from tests.dialects.loopback_server import LoopbackServer, _head, completion_for
from tests.storage.money_samples import a_limit, a_send, rows_of

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
KEY = "k3y-of-nobody-else-0123456789"
PRICE = PriceOverride(
    input_usd_per_million=Decimal(1), output_usd_per_million=Decimal(2), source="here", checked=date(2026, 11, 1)
)
INPUT, OUTPUT = 1000, 2000  # nano-dollars a token
CONTEXT_TOKENS, MOST_OUTPUT = 3000, 50
BOUND = CONTEXT_TOKENS * INPUT + MOST_OUTPUT * OUTPUT  # for a question too long for its bytes to bound it
LONG = "word " * 1000
# Refused, answered with an error, broken: what each kind of server is charged.
FREE, AT_BOUND = (0, 0, 0), (BOUND, 1, 1)


def asked(words=LONG):
    return ModelRequest(messages=(user(words),), max_output_tokens=MOST_OUTPUT)


def place(path="first", **who):
    given = {"organisation": "acme", "person": "ada", "task_id": "t", "role": "writer", "run_id": "r"}
    return CallContext(**given | {"path": path} | who)


class Server(LoopbackServer):
    """Looks into the ledger when a request arrives, and before it answers does what it was told to."""

    def __init__(self, ledger):
        super().__init__()
        self.ledger = ledger
        self.holds_seen = []
        self.arrived = asyncio.Event()
        self.before_answer = None

    async def _answer(self, path, headers, body, writer):
        self.holds_seen.append(rows_of(self.ledger, "SELECT send_id, status FROM holds ORDER BY send_id"))
        self.arrived.set()
        if self.before_answer:
            await self.before_answer()
        request = json.loads(body)
        kind = request["model"]
        if kind not in ("no-usage", "half-usage", "echo-key"):
            await super()._answer(path, headers, body, writer)
            return
        self.requests.append(request)
        status, answer = 200, completion_for(kind, request)
        answer["usage"] = {"completion_tokens": 3} if kind == "half-usage" else None
        if kind == "echo-key":
            status, answer = 401, {"error": {"message": f"unknown: {headers['authorization']} / {KEY}"}}
        payload = json.dumps(answer).encode()
        writer.write(_head(status, "application/json", length=len(payload)) + payload)


class House:
    """The metered call with everything real under it, and a clock that stands still until it is moved."""

    def __init__(self, home, *, environment=None, lease_seconds=60.0, resilience=None):
        self.home = home
        self.now = NOW
        self.databases = Databases(home)
        self.bindings = SqlBindingStore(self.databases.runs_writer, clock=self.clock)
        self.money = SqlMoneyStore(self.databases.money_writer, dialect="sqlite")
        self.ledger = open_database(sqlite_url(home / "money.db"))
        self.leases = HoldLeases(self.money, clock=self.clock, lease_seconds=lease_seconds)
        self.connections = EndpointConnections(
            folder=home, environment=environment or {}, local_models=LocalModelServers(home / "logs")
        )
        self.server = Server(self.ledger)
        self.holding = asyncio.Event()
        self.times = 0
        self.settling = asyncio.Event()
        self.waits = []
        self._ids = iter(range(1, 1000))
        self.call = ModelCall(
            router=BoundRouter(self.bindings, Catalogue()),
            connections=self.connections,
            money=self.money,
            prices=PriceBook,
            leases=self.leases,
            clock=self.clock,
            monotonic=self._monotonic,
            new_id=self._new_id,
            resilience=resilience(self) if resilience else Resilience(sleep=self._sleep),
        )

    async def _sleep(self, seconds):
        self.waits.append(seconds)

    def clock(self):
        return self.now

    def _new_id(self):
        # Asked for right before a hold, in the same step of the loop.
        self.holding.set()
        return f"send-{next(self._ids):03}"

    def _monotonic(self):
        # Asked for when a send begins and right before its settlement.
        self.times += 1
        if self.times % 2 == 0:
            self.settling.set()
        return float(self.times)

    async def bind(self, *models, replies=None, price=PRICE, key=None, role="writer"):
        """Let these models, which say how their server behaves, answer in this order."""
        if replies is not None:
            (self.home / "replies.yaml").write_text(replies)
            endpoint = Endpoint(scripted_replies="replies.yaml", api_key_env=key)
        else:
            endpoint = Endpoint(base_url=self.server.base_url, api_key_env=key, timeout_seconds=30)
        known = {
            name: Model(endpoint="there", wire_name=name, context_tokens=CONTEXT_TOKENS, price=price) for name in models
        }
        bound = Binding(role=role, model=models[0], fallback=models[1:])
        current = await self.bindings.current("acme")
        await self.bindings.add(
            "acme",
            BindingsFile(bindings=(bound,), endpoints={"there": endpoint}, models=known),
            made_by="ada",
            reason="",
            replaces=current.version if current else None,
        )

    def entries(self):
        """Kind, nano-dollars, calls, estimated, error: in order."""
        return rows_of(self.ledger, "SELECT kind, nano_usd, calls, estimated, error FROM entries ORDER BY seq")

    def charged(self):
        """What the last settlement charged: nano-dollars, calls, estimated."""
        return self.entries()[-1][1:4]

    def holds(self):
        return rows_of(self.ledger, "SELECT send_id, status FROM holds ORDER BY send_id")

    def untouched(self):
        return not self.entries() and not self.holds() and not self.server.requests

    async def close(self):
        await self.leases.close()
        await self.connections.close()
        await asyncio.to_thread(self.databases.close)


async def nobody_left():
    """End what a server still does, and let its connections close before their loop does."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await asyncio.sleep(0.01)


@pytest.fixture
def housed(tmp_path):
    """Runs a scenario of (house) in a house of its own, and looks that it leaves nothing held."""
    homes = []

    def run(scenario, **options):
        async def main():
            home = tmp_path / f"home-{len(homes)}"
            homes.append(home)
            house = House(home, **options)
            await house.server.start()
            try:
                found = await scenario(house)
            finally:
                await house.close()
                await house.server.close()
                await nobody_left()
            assert not [hold for hold in house.holds() if hold[1] == "open"]
            house.ledger.dispose()
            return found

        return asyncio.run(main())

    run.homes = homes
    return run


@contextlib.asynccontextmanager
async def writer_stopped(writer):
    """The writer commits nothing of what is handed over inside."""
    entered, opened = threading.Event(), threading.Event()

    def wait():
        entered.set()
        assert opened.wait(30)
        yield Statement("SELECT 1")

    waiting = asyncio.create_task(writer.run(wait))
    await asyncio.to_thread(entered.wait, 30)
    try:
        yield
    finally:
        opened.set()
        await waiting


async def soon(event):
    await asyncio.wait_for(event.wait(), 30)


def test_the_server_sees_a_request_only_once_its_hold_is_committed(housed):
    async def scenario(house):
        await house.bind("normal")
        answer = await house.call.ask(asked("hello"), place())
        assert house.server.holds_seen == [[("send-001", "open")]]
        assert (answer.reply.text, answer.model, answer.sends, answer.replayed) == (
            "You said: hello ✓",
            "normal",
            1,
            False,
        )
        return house.entries(), answer

    entries, answer = housed(scenario)
    usage = answer.reply.usage
    cost = usage.input_tokens * INPUT + usage.output_tokens * OUTPUT
    assert [entry[0] for entry in entries] == ["hold", "settle"]
    assert entries[1] == ("settle", cost, 1, 0, None)
    assert answer.cost_usd == Decimal(cost) / 10**9
    assert entries[0][1] > cost


def test_the_bound_never_asks_for_more_than_the_context_or_the_model_can_give(housed):
    async def scenario(house):
        await house.bind("normal")
        huge = ModelRequest(messages=(user(LONG),), max_output_tokens=10**6)
        await house.call.ask(huge, place())
        return house.entries()[0][1], house.server.requests[0]

    held, request = housed(scenario)
    assert held == CONTEXT_TOKENS * (INPUT + OUTPUT)
    assert CONTEXT_TOKENS in request.values()


@pytest.mark.parametrize("kind", ["no-usage", "half-usage"])
@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_without_its_usage_is_charged_at_the_bound_and_marked(housed, kind, streamed):
    async def scenario(house):
        await house.bind(kind)
        answer = await house.call.ask(asked(), place(), on_event=(lambda _: None) if streamed else None)
        assert answer.cost_usd == Decimal(BOUND) / 10**9
        return house.charged()

    assert housed(scenario) == AT_BOUND


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("kind", "error", "charge"),
    [
        ("429", RateLimited, FREE),
        ("500", Overloaded, FREE),
        ("cut", Broken, AT_BOUND),
        ("not-json", Broken, AT_BOUND),
    ],
)
def test_a_failure_is_free_only_where_it_cannot_have_been_billed(housed, kind, error, charge, streamed):
    async def scenario(house):
        await house.bind(kind)
        with pytest.raises(error) as caught:
            await house.call.ask(asked(), place(), on_event=(lambda _: None) if streamed else None)
        sends = 3 if charge == FREE else 1  # only what is free is sent again
        assert [entry[0] for entry in house.entries()] == ["hold", "settle"] * sends
        assert {entry[4] for entry in house.entries()[1::2]} == {error.__name__}
        assert len(house.server.requests) == sends
        assert len(house.waits) == sends - 1
        assert rows_of(house.ledger, "SELECT call_id FROM replies") == []
        return caught.value, house.charged()

    failure, charged = housed(scenario)
    assert charged == charge
    if error in (RateLimited, Overloaded):
        assert failure.retry_after_seconds == 2
        assert failure.request_id == "req_loopback"


@pytest.mark.parametrize("kind", ["cut-stream", "stream-error"])
def test_a_stream_that_breaks_is_charged_at_the_bound(housed, kind):
    async def scenario(house):
        await house.bind(kind)
        with pytest.raises(ProviderError):
            await house.call.ask(asked(), place(), on_event=lambda _: None)
        return house.charged()

    assert housed(scenario) == AT_BOUND


def test_no_connection_is_free_and_holds_nothing(housed):
    async def scenario(house):
        await house.bind("normal")
        await house.server.close()
        with pytest.raises(ProviderError) as caught:
            await house.call.ask(asked(), place())
        assert caught.value.retryable
        return house.charged()

    assert housed(scenario) == FREE


@pytest.mark.parametrize("cancels", [1, 2])
def test_a_caller_cancelled_while_it_holds_sends_nothing_and_holds_nothing(housed, cancels):
    async def scenario(house):
        await house.bind("normal")
        async with writer_stopped(house.databases.money_writer):
            asking = asyncio.create_task(house.call.ask(asked(), place()))
            await soon(house.holding)
            for _ in range(cancels):
                asking.cancel()
                await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await asking
        await house.money.balances("acme", None, at=NOW)  # the writer has done what it was told before
        assert house.server.requests == []
        assert house.holds() == [("send-001", "settled")]
        return house.charged()

    assert housed(scenario) == FREE


def test_a_caller_cancelled_while_its_hold_is_refused_is_cancelled(housed):
    async def scenario(house):
        await house.bind("normal")
        await house.money.set_limit(a_limit(BOUND - 1))
        async with writer_stopped(house.databases.money_writer):
            asking = asyncio.create_task(house.call.ask(asked(), place()))
            await soon(house.holding)
            asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert house.untouched()

    housed(scenario)


@pytest.mark.parametrize("cancels", [1, 2])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_caller_cancelled_while_it_waits_for_the_answer_is_charged_at_the_bound(housed, streamed, cancels):
    async def scenario(house):
        await house.bind("slow")
        asking = asyncio.create_task(house.call.ask(asked(), place(), on_event=(lambda _: None) if streamed else None))
        await soon(house.server.arrived)
        for _ in range(cancels):
            asking.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await asking
        await house.money.balances("acme", None, at=NOW)
        assert house.entries()[1][4] == "Broken"
        return house.charged()

    assert housed(scenario) == AT_BOUND


@pytest.mark.parametrize("closed_at_once", [False, True])
def test_a_caller_cancelled_while_its_answer_is_settled_has_paid_and_finds_it_in_the_journal(housed, closed_at_once):
    async def scenario(house):
        await house.bind("normal")
        stopped = contextlib.AsyncExitStack()

        async def stop_writer():
            await stopped.enter_async_context(writer_stopped(house.databases.money_writer))

        house.server.before_answer = stop_writer
        asking = asyncio.create_task(house.call.ask(asked("hello"), place()))
        await soon(house.settling)
        asking.cancel()
        await asyncio.sleep(0)
        closing = asyncio.create_task(asyncio.to_thread(house.databases.close)) if closed_at_once else None
        await stopped.aclose()
        with pytest.raises(asyncio.CancelledError):
            await asking
        if closing:
            await closing
        else:
            replayed = await house.call.ask(asked("hello"), place(), resumed=True)
            assert replayed.replayed
        assert rows_of(house.ledger, "SELECT send_id FROM replies") == [("send-001",)]
        assert house.holds() == [("send-001", "settled")]
        assert house.entries()[-1][0] == "settle"
        return house.charged()

    nano, calls, estimated = housed(scenario)
    assert 0 < nano < 100 * INPUT
    assert (calls, estimated) == (1, 0)


def test_a_fallback_is_a_send_of_its_own_with_its_own_hold_and_entries(housed):
    async def scenario(house):
        await house.bind("cut", "normal")
        answer = await house.call.ask(asked(), place())
        assert (answer.model, answer.sends) == ("normal", 2)
        assert house.holds() == [("send-001", "settled"), ("send-002", "settled")]
        rows = rows_of(house.ledger, "SELECT kind, send_id, model, estimated FROM entries ORDER BY seq")
        assert rows == [
            ("hold", "send-001", "cut", 0),
            ("settle", "send-001", "cut", 1),
            ("hold", "send-002", "normal", 0),
            ("settle", "send-002", "normal", 0),
        ]
        assert house.server.holds_seen[1] == [("send-001", "settled"), ("send-002", "open")]
        assert rows_of(house.ledger, "SELECT send_id, model FROM replies") == [("send-002", "normal")]

    housed(scenario)


def test_when_all_models_fail_the_last_error_is_raised(housed):
    async def scenario(house):
        await house.bind("500", "cut", "429")
        with pytest.raises(RateLimited):
            await house.call.ask(asked(), place())
        return [entry[4] for entry in house.entries() if entry[0] == "settle"]

    assert housed(scenario) == [*["Overloaded"] * 3, "Broken", *["RateLimited"] * 3]


@pytest.mark.parametrize("resumed", [False, True])
def test_an_answer_that_was_paid_for_is_read_from_the_journal(housed, resumed):
    async def scenario(house):
        await house.bind("normal")
        first = await house.call.ask(asked(), place())
        before = house.entries()
        if resumed:
            await house.bind("normal", role="another")
            with pytest.raises(RoleUnbound):
                await house.call.ask(asked("something else"), place(), resumed=True)
        again = await house.call.ask(asked(), place(), resumed=resumed)
        assert again.reply == first.reply
        assert (again.model, again.sends, again.replayed, again.cost_usd) == ("normal", 0, True, 0)
        assert house.entries() == before
        assert len(house.server.requests) == len(house.holds()) == 1
        if not resumed:
            other = await house.call.ask(asked("something else"), place())
            assert not other.replayed

    housed(scenario)


def test_a_role_that_nothing_fills_is_asked_nothing(housed):
    async def scenario(house):
        with pytest.raises(RoleUnbound):
            await house.call.ask(asked(), place())
        await house.bind("normal", role="another")
        with pytest.raises(RoleUnbound):
            await house.call.ask(asked(), place())
        assert house.untouched()

    housed(scenario)


def test_a_model_without_a_price_is_asked_nothing(housed):
    async def scenario(house):
        await house.bind("normal", price=None)
        with pytest.raises(PriceUnknown):
            await house.call.ask(asked(), place())
        assert house.untouched()

    housed(scenario)


def test_a_call_that_does_not_fit_its_budget_is_not_sent_and_one_that_just_fits_is(housed):
    async def scenario(house):
        await house.bind("normal")
        await house.money.set_limit(a_limit(BOUND - 1))
        with pytest.raises(BudgetExceeded) as refused:
            await house.call.ask(asked(), place())
        assert not refused.value.busy
        assert house.untouched()
        await house.money.set_limit(a_limit(BOUND, limit_id="raised"))
        await house.call.ask(asked(), place())

    housed(scenario)


def test_a_dead_process_in_the_way_is_settled_so_that_nobody_waits_for_it(housed):
    async def scenario(house):
        await house.bind("normal")
        await house.money.set_limit(a_limit(BOUND + 10))
        await house.money.hold(a_send("dead", nano=11), at=NOW - timedelta(hours=1), lease_seconds=60)
        with pytest.raises(BudgetExceeded) as refused:
            await house.call.ask(asked(), place())
        assert not refused.value.retryable
        assert house.entries()[1][:4] == ("expire", 11, 1, 1)
        assert house.server.requests == []

    housed(scenario)


def test_a_living_process_in_the_way_is_not_touched(housed):
    async def scenario(house):
        await house.bind("normal")
        await house.money.set_limit(a_limit(BOUND + 10))
        await house.money.hold(a_send("alive", nano=11), at=NOW, lease_seconds=60)
        with pytest.raises(BudgetExceeded) as refused:
            await house.call.ask(asked(), place())
        assert refused.value.retryable
        assert house.holds() == [("alive", "open")]
        await house.money.expire(at=NOW + timedelta(hours=1))

    housed(scenario)


def test_what_a_dead_process_held_last_week_does_not_stop_this_week(housed):
    async def scenario(house):
        await house.bind("normal")
        await house.money.set_limit(a_limit(BOUND, made_at=NOW - timedelta(days=8)))
        await house.money.hold(a_send("dead", nano=11), at=NOW - timedelta(days=7), lease_seconds=60)
        await house.call.ask(asked(), place())
        await house.leases.close()
        await house.money.expire(at=NOW)
        assert ("dead", "expired") in house.holds()

    housed(scenario)


def test_a_stream_gives_the_same_reply_charge_and_journal(housed):
    def told(streamed):
        async def scenario(house):
            await house.bind("normal")
            heard = []
            answer = await house.call.ask(asked("Grüße ✓"), place(), on_event=heard.append if streamed else None)
            words = "".join(event.text for event in heard if isinstance(event, TextDelta))
            assert words == (answer.reply.text if streamed else "")
            journal = rows_of(
                house.ledger,
                "SELECT r.call_id, r.request_digest, r.send_id, r.model, p.content "
                "FROM replies r JOIN payloads p ON p.payload_id = r.payload_id",
            )
            assert json.loads(journal[0][-1]) == json.loads(answer.reply.model_dump_json())
            return answer.reply.model_dump(exclude={"raw"}), answer.cost_usd, house.charged(), journal[0][:-1]

        return scenario

    assert housed(told(streamed=True)) == housed(told(streamed=False))


def test_a_listener_that_fails_costs_the_answer_nothing(housed):
    async def scenario(house):
        await house.bind("torn")

        def failing(_event):
            raise ZeroDivisionError

        answer = await house.call.ask(asked("hello"), place(), on_event=failing)
        assert answer.reply.text == "You said: hello ✓"
        return house.charged()[2]

    assert housed(scenario) == 0


def test_the_hold_of_a_slow_call_is_kept_alive(housed):
    async def scenario(house):
        await house.bind("normal")
        expired = []

        async def be_slow():
            house.now += timedelta(hours=1)
            until = house.now.isoformat(timespec="microseconds")
            async with asyncio.timeout(30):
                while rows_of(house.ledger, "SELECT lease_until FROM holds")[0][0] < until:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            expired.append(await house.money.expire(at=house.now))

        house.server.before_answer = be_slow
        await house.call.ask(asked(), place())
        assert expired == [0]
        return [entry[0] for entry in house.entries()]

    assert housed(scenario, lease_seconds=0.03) == ["hold", "settle"]


SCRIPT = """
replies:
  - {when: dear, text: "yes", usage: {input: 5000000, output: 7}}
  - {when: busy, error: {status: 429, message: slow down, code: rate_limit_exceeded, retry_after_seconds: 3}}
  - {text: "fine", usage: {input: 10, output: 2}}
"""


@pytest.mark.parametrize("streamed", [False, True])
def test_a_cost_above_what_was_held_is_recorded_in_full(housed, streamed):
    async def scenario(house):
        await house.bind("small", replies=SCRIPT)
        await house.money.set_limit(a_limit(BOUND))
        await house.money.set_limit(a_limit(10**9, unit=Unit.TOKENS, kind=ScopeKind.ROLE, name="writer"))
        await house.call.ask(asked(f"dear {LONG}"), place(), on_event=(lambda _: None) if streamed else None)
        used = {b.limit.unit: (b.spent, b.held) for b in await house.money.balances("acme", None, at=NOW)}
        assert used == {Unit.USD: (5000000 * INPUT + 7 * OUTPUT, 0), Unit.TOKENS: (5000007, 0)}
        return house.charged()

    assert housed(scenario) == (5000000 * INPUT + 7 * OUTPUT, 1, 0)


def test_scripted_replies_are_held_settled_and_refused_as_any_other(housed):
    async def scenario(house):
        await house.bind("small", replies=SCRIPT)
        with pytest.raises(RateLimited) as caught:
            await house.call.ask(asked("busy"), place())
        assert caught.value.retry_after_seconds == 3
        assert house.charged() == FREE
        assert (await house.call.ask(asked("hello"), place("second"))).reply.text == "fine"
        return house.charged()

    assert housed(scenario) == (10 * INPUT + 2 * OUTPUT, 1, 0)


def test_a_missing_key_is_refused_before_anything_is_held(housed):
    async def scenario(house):
        await house.bind("normal", key="THERE_KEY")
        with pytest.raises(KeyRefused, match="THERE_KEY"):
            await house.call.ask(asked(), place())
        assert house.untouched()

    housed(scenario, environment={"THERE_KEY": " "})


@pytest.mark.parametrize("streamed", [False, True])
def test_the_key_reaches_the_server_and_no_file_and_no_message(housed, streamed):
    async def scenario(house):
        errors = []
        for kind in ("normal", "429", "500", "cut", "not-json", "echo-key"):
            await house.bind(kind, key="THERE_KEY")
            try:
                await house.call.ask(asked(kind), place(kind), on_event=(lambda _: None) if streamed else None)
            except ProviderError as error:
                errors.append("".join(traceback.format_exception(error)) + repr(error) + repr(error.__reduce__()))
        assert {each["authorization"] for each in house.server.headers} == {f"Bearer {KEY}"}
        assert len(errors) == 5
        return errors

    assert not [words for words in housed(scenario, environment={"THERE_KEY": KEY}) if KEY in words]
    files = [path for path in housed.homes[0].rglob("*") if path.is_file()]
    assert {"money.db", "runs.db"} <= {path.name for path in files}
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_that_repeats_the_key_is_heard_and_kept_without_it(housed, streamed):
    async def scenario(house):
        await house.bind("torn", key="THERE_KEY")
        heard = []
        on_event = heard.append if streamed else None
        answer = await house.call.ask(asked(f"I am {KEY}, you know"), place(), on_event=on_event)
        assert answer.reply.text == "You said: I am [redacted], you know ✓"
        if streamed:
            assert "".join(event.text for event in heard) == answer.reply.text
        again = await house.call.ask(asked(f"I am {KEY}, you know"), place(), resumed=True)
        assert again.reply == answer.reply
        return answer.reply.model_dump_json()

    assert KEY not in housed(scenario, environment={"THERE_KEY": KEY})
    files = [path for path in housed.homes[0].rglob("*") if path.is_file()]
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


@pytest.mark.parametrize("shows_it", [False, True])
def test_a_fault_of_ours_that_shows_the_key_is_raised_without_it(housed, shows_it):
    async def scenario(house):
        await house.bind("normal", key="THERE_KEY")
        opened = house.connections.open

        class Faulty:
            async def send(self, request):
                raise RuntimeError(f"bad header {request.headers['authorization']}" if shows_it else "bad header")

        async def open_faulty(target):
            return replace(await opened(target), transport=Faulty())

        house.connections.open = open_faulty
        with pytest.raises(Broken if shows_it else RuntimeError, match="bad header") as caught:
            await house.call.ask(asked(), place())
        return "".join(traceback.format_exception(caught.value)), house.charged()

    printed, charged = housed(scenario, environment={"THERE_KEY": KEY})
    assert KEY not in printed
    assert charged == AT_BOUND
