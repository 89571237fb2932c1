"""The metered call for vectors, over real stores and a server on loopback: held before, charged after, journalled."""

import asyncio
import json
from array import array
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from harness.budgets.limits import ScopeKind, Unit
from harness.connections import EndpointConnections
from harness.dialects.known_dialects import EMBEDDING_DIALECTS
from harness.embedding_call import EmbeddingCall
from harness.exceptions import (
    Broken,
    BudgetExceeded,
    ConfigurationInvalid,
    Overloaded,
    PriceUnknown,
    QuotaSpent,
    RoleUnbound,
)
from harness.ledger.entries import CallContext
from harness.ledger.hold_leases import HoldLeases
from harness.local_models.launcher import LocalModelServers
from harness.metering.attempts import Attempts, Resilience
from harness.metering.metered_send import MeteredSends
from harness.models.catalogue import Catalogue, Endpoint, Model, Placement
from harness.models.embeddings import EmbeddingRequest
from harness.models.prices import PriceBook, PriceOverride
from harness.routing.bindings import Binding, BindingsFile
from harness.routing.bound_router import BoundRouter
from harness.routing.retry_policy import RetryPolicy
from harness.storage.databases import Databases
from harness.storage.sql_binding_store import SqlBindingStore
from harness.storage.sql_money_store import SqlMoneyStore
from ontology.databases import open_database, sqlite_url
from tests.storage.money_samples import a_limit, rows_of
from tests.vector_server import VectorServer, vector_of

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PRICE = PriceOverride(
    input_usd_per_million=Decimal(1), output_usd_per_million=Decimal(0), source="here", checked=date(2026, 11, 1)
)
INPUT = 1000  # nano-dollars a token
CONTEXT_TOKENS = 600
KEY = "sk-test-canary-of-vectors"


def place(path="remember", **who):
    given = {"organisation": "acme", "person": "ada", "task_id": "t", "role": "embedder", "run_id": "r"}
    return CallContext(**given | {"path": path} | who)


def texts(count, start=0):
    return EmbeddingRequest(texts=tuple(f"text {number}" for number in range(start, start + count)))


def rounded(vector):
    return tuple(array("f", vector))


def a_model(wire="small", *, at="here", also=(), capabilities=("embeddings",), price=PRICE, fallback=()):
    places = tuple(Placement(endpoint=endpoint, wire_name=name, price=price) for endpoint, name in also)
    return Model(
        endpoint=at,
        wire_name=wire,
        context_tokens=CONTEXT_TOKENS,
        capabilities=frozenset(capabilities),
        price=price,
        also_at=places,
        fallback=fallback,
    )


class House:
    """The metered call with everything real under it."""

    def __init__(self, home):
        self.databases = Databases(home)
        self.bindings = SqlBindingStore(self.databases.runs_writer, clock=lambda: NOW)
        self.money = SqlMoneyStore(self.databases.money_writer, dialect="sqlite")
        self.ledger = open_database(sqlite_url(home / "money.db"))
        self.leases = HoldLeases(self.money, clock=lambda: NOW)
        self.environment = {"THERE_KEY": KEY}
        self.connections = EndpointConnections(
            folder=home, environment=self.environment, local_models=LocalModelServers(home / "logs")
        )
        self.server = VectorServer()
        ids = iter(range(1, 1000))
        sends = MeteredSends(
            money=self.money,
            prices=PriceBook,
            leases=self.leases,
            clock=lambda: NOW,
            monotonic=lambda: 1.0,
            new_id=lambda: f"send-{next(ids):03}",
        )
        self.call = EmbeddingCall(
            router=BoundRouter(self.bindings, Catalogue()),
            connections=self.connections,
            sends=sends,
            attempts=Attempts(sends, Resilience(RetryPolicy(attempts=1))),
            dialects=EMBEDDING_DIALECTS,
        )

    async def bind(self, *, fallback=(), endpoint=None, quirks=None, **models):
        """Let the first of these models embed; `here` and `there` are two endpoints of the one server."""
        models = models or {"vectors": a_model()}
        served = {"base_url": self.server.base_url, "quirks": quirks or {}}
        current = await self.bindings.current("acme")
        bound = Binding(role="embedder", model=next(iter(models)), fallback=fallback, endpoint=endpoint)
        endpoints = {
            "here": Endpoint(**served),
            "there": Endpoint(**served, api_key_env="THERE_KEY"),
            "apart": Endpoint(base_url=self.server.base_url, dialect="anthropic_messages"),
        }
        await self.bindings.add(
            "acme",
            BindingsFile(bindings=(bound,), endpoints=endpoints, models=models),
            made_by="ada",
            reason="",
            replaces=current.version if current else None,
        )

    def entries(self):
        return rows_of(self.ledger, "SELECT kind, nano_usd, endpoint, estimated, error FROM entries ORDER BY seq")

    def settled(self):
        return [entry[1:] for entry in self.entries() if entry[0] == "settle"]

    def held(self):
        return rows_of(self.ledger, "SELECT input_bound, output_bound, nano_usd FROM holds ORDER BY send_id")

    async def close(self):
        await self.leases.close()
        await self.connections.close()
        await asyncio.to_thread(self.databases.close)


@pytest.fixture
def housed(tmp_path):
    def run(scenario):
        async def main():
            house = House(tmp_path / "home")
            await house.server.start()
            try:
                return await scenario(house)
            finally:
                await house.close()
                await house.server.close()
                open_holds = rows_of(house.ledger, "SELECT send_id FROM holds WHERE status = 'open'")
                house.ledger.dispose()
                assert not open_holds

        return asyncio.run(main())

    return run


def test_texts_become_vectors_in_their_order_at_the_price_of_their_tokens(housed):
    async def scenario(house):
        await house.bind()
        answer = await house.call.embed(texts(3), place())
        assert answer.reply.vectors == tuple(rounded(vector_of(f"text {number}")) for number in range(3))
        assert (answer.model, answer.sends, answer.replayed) == ("vectors", 1, False)
        tokens = 3 * len("text 0") // 4 + 1
        assert (answer.reply.usage.input_tokens, answer.reply.usage.output_tokens) == (tokens, 0)
        assert answer.cost_usd == Decimal(tokens * INPUT) / 10**9
        assert answer.reply.request_id == "req_v"
        assert house.settled() == [(tokens * INPUT, "here", 0, None)]

    housed(scenario)


def test_what_is_held_is_bounded_by_the_bytes_and_by_the_context_of_each_text(housed):
    async def scenario(house):
        await house.bind()
        await house.call.embed(EmbeddingRequest(texts=("x" * 10_000, "y")), place())
        assert house.held() == [(2 * CONTEXT_TOKENS, 0, 2 * CONTEXT_TOKENS * INPUT)]
        many = EmbeddingRequest(texts=tuple("z" * 9 for _ in range(100)))
        await house.call.embed(many, place("second"))
        body = len(json.dumps(house.server.requests[-1], separators=(",", ":")))
        bound, out, nano = house.held()[1]
        assert body <= bound < 100 * CONTEXT_TOKENS
        assert (out, nano) == (0, bound * INPUT)

    housed(scenario)


def test_more_texts_than_an_endpoint_takes_leave_in_several_requests_each_held_and_journalled(housed):
    async def scenario(house):
        await house.bind(quirks={"texts_at_once": "2"})
        answer = await house.call.embed(texts(5), place(ordinal=10))
        assert [request["input"] for request in house.server.requests] == [
            ["text 0", "text 1"],
            ["text 2", "text 3"],
            ["text 4"],
        ]
        assert answer.reply.vectors == tuple(rounded(vector_of(f"text {number}")) for number in range(5))
        assert answer.sends == 3
        assert answer.reply.request_id is None
        assert answer.reply.usage.input_tokens == sum(cost for cost, *_ in house.settled()) // INPUT
        assert answer.cost_usd == Decimal(sum(cost for cost, *_ in house.settled())) / 10**9
        calls = rows_of(house.ledger, "SELECT call_id FROM replies ORDER BY call_id")
        assert [call for (call,) in calls] == ["r/remember#10", "r/remember#12", "r/remember#14"]

    housed(scenario)


def test_large_texts_leave_in_requests_of_bounded_size(housed):
    async def scenario(house):
        await house.bind()
        large = EmbeddingRequest(texts=tuple(letter * 100_000 for letter in "abcde"))
        answer = await house.call.embed(large, place())
        assert [len(request["input"]) for request in house.server.requests] == [2, 2, 1]
        assert [vector[-1] for vector in answer.reply.vectors] == [100_000] * 5

    housed(scenario)


@pytest.mark.parametrize("resumed", [False, True])
def test_vectors_that_were_paid_for_are_read_from_the_journal_bit_for_bit(housed, resumed):
    async def scenario(house):
        await house.bind()
        first = await house.call.embed(texts(4), place())
        if resumed:  # needs neither the server nor a binding
            await house.bind(other=a_model("500"))
        again = await house.call.embed(texts(4), place(), resumed=resumed)
        assert again.reply == first.reply
        assert (again.model, again.sends, again.replayed, again.cost_usd) == ("vectors", 0, True, 0)
        assert len(house.server.requests) == 1
        assert len(house.settled()) == 1

    housed(scenario)


def test_a_call_that_stopped_in_the_middle_asks_only_for_what_is_left(housed):
    async def scenario(house):
        await house.bind(quirks={"texts_at_once": "2"})
        await house.call.embed(texts(2), place())
        answer = await house.call.embed(texts(4), place(), resumed=True)
        assert [request["input"] for request in house.server.requests] == [["text 0", "text 1"], ["text 2", "text 3"]]
        assert (answer.sends, answer.replayed) == (1, False)
        assert answer.reply.vectors == tuple(rounded(vector_of(f"text {number}")) for number in range(4))
        assert answer.cost_usd == Decimal(house.settled()[1][0]) / 10**9

    housed(scenario)


@pytest.mark.parametrize("first", ["2", "3", "1"])
@pytest.mark.parametrize("then", ["nothing bound", "2", "none left", "larger"])
def test_a_resumed_call_finds_what_was_paid_for_however_many_texts_came_in_a_request(housed, first, then):
    async def scenario(house):
        await house.bind(quirks={"texts_at_once": first})
        done = await house.call.embed(texts(5), place())
        asked = len(house.server.requests)
        if then == "nothing bound":
            current = await house.bindings.current("acme")
            await house.bindings.add("acme", BindingsFile(), made_by="ada", reason="", replaces=current.version)
        elif then == "none left":
            await house.money.set_limit(a_limit(1, kind=ScopeKind.ROLE, name="embedder", unit=Unit.TOKENS))
        else:
            await house.bind(quirks={} if then == "larger" else {"texts_at_once": then})
        again = await house.call.embed(texts(5), place(), resumed=True)
        assert again.reply.vectors == done.reply.vectors
        assert (again.sends, again.replayed, again.cost_usd) == (0, True, 0)
        assert len(house.server.requests) == asked

    housed(scenario)


def test_a_resumed_call_of_another_size_asks_only_for_what_is_left(housed):
    async def scenario(house):
        await house.bind(quirks={"texts_at_once": "2"})
        await house.call.embed(texts(4), place())
        asked = len(house.server.requests)
        await house.bind(quirks={"texts_at_once": "3"})
        answer = await house.call.embed(texts(9), place(), resumed=True)
        assert [request["input"] for request in house.server.requests[asked:]] == [
            ["text 4", "text 5", "text 6"],
            ["text 7", "text 8"],
        ]
        assert answer.reply.vectors == tuple(rounded(vector_of(f"text {number}")) for number in range(9))
        other = EmbeddingRequest(texts=("text 0", "text other"))
        assert (await house.call.embed(other, place(), resumed=True)).sends == 1  # begins alike, and is not that

    housed(scenario)


def test_vectors_of_two_models_never_come_in_one_answer(housed):
    async def scenario(house):
        first = EmbeddingRequest(texts=tuple(f"text {number}" for number in range(256)))
        await house.bind()
        await house.call.embed(first, place())
        await house.bind(other=a_model("other"))
        asked = len(house.server.requests)
        with pytest.raises(ConfigurationInvalid, match="bind 'vectors' to finish"):
            await house.call.embed(texts(300), place(), resumed=True)
        assert len(house.server.requests) == asked

    housed(scenario)


def test_another_endpoint_of_the_same_model_stands_in_for_one_that_failed(housed):
    async def scenario(house):
        await house.bind(vectors=a_model("500", also=[("there", "small")]))
        answer = await house.call.embed(texts(1), place())
        assert [(endpoint, error) for _, endpoint, _, error in house.settled()] == [
            ("here", "Overloaded"),
            ("there", None),
        ]
        assert house.settled()[0][0] == 0
        assert (answer.model, answer.sends) == ("vectors", 2)
        assert house.server.headers[-1]["authorization"] == f"Bearer {KEY}"

    housed(scenario)


def test_the_endpoint_that_the_binding_prefers_is_asked_first(housed):
    async def scenario(house):
        await house.bind(endpoint="there", vectors=a_model("500", also=[("there", "small")]))
        await house.call.embed(texts(1), place())
        assert [request["model"] for request in house.server.requests] == ["small"]

    housed(scenario)


@pytest.mark.parametrize("where", ["binding", "model"])
def test_another_model_never_stands_in_and_nothing_is_sent_where_one_would(housed, where):
    async def scenario(house):
        other = a_model("other")
        if where == "binding":
            await house.bind(fallback=("other",), vectors=a_model(), other=other)
        else:
            await house.bind(vectors=a_model(fallback=("other",)), other=other)
        with pytest.raises(ConfigurationInvalid, match=r"'other' .*cannot be compared .* `also_at`"):
            await house.call.embed(texts(1), place())
        assert not house.server.requests
        assert not house.entries()

    housed(scenario)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (a_model(capabilities=["streaming"]), "'vectors'.*not known to embed.*`capabilities`"),
        (a_model(also=[("apart", "small")]), "endpoint 'apart'.*no way to embed"),
    ],
)
def test_a_model_that_does_not_embed_is_asked_nothing(housed, model, said):
    async def scenario(house):
        await house.bind(vectors=model)
        with pytest.raises(ConfigurationInvalid, match=said):
            await house.call.embed(texts(1), place())
        assert not house.server.requests
        assert not house.entries()

    housed(scenario)


def test_a_role_that_nothing_fills_is_asked_nothing(housed):
    async def scenario(house):
        await house.bind()
        with pytest.raises(RoleUnbound):
            await house.call.embed(texts(1), place(role="else"))
        await house.bind(vectors=a_model(price=None))
        with pytest.raises(PriceUnknown):
            await house.call.embed(texts(1), place())
        assert not house.server.requests

    housed(scenario)


def test_a_call_that_does_not_fit_its_budget_is_not_sent(housed):
    async def scenario(house):
        await house.bind()
        await house.money.set_limit(a_limit(1, kind=ScopeKind.ROLE, name="embedder", unit=Unit.CALLS))
        await house.call.embed(texts(1), place())
        with pytest.raises(BudgetExceeded):
            await house.call.embed(texts(1), place("second"))
        assert len(house.server.requests) == 1

    housed(scenario)


@pytest.mark.parametrize(
    ("wire", "error", "estimated"),
    [
        ("500", Overloaded, False),
        ("quota", QuotaSpent, False),
        ("cut", Broken, True),
        ("few", Broken, True),
        ("nan", Broken, True),
    ],
)
def test_a_failure_is_free_only_where_it_cannot_have_been_billed(housed, wire, error, estimated):
    async def scenario(house):
        await house.bind(vectors=a_model(wire))
        with pytest.raises(error):
            await house.call.embed(texts(2), place())
        ((cost, _, marked, said),) = house.settled()
        ((bound, _, nano),) = house.held()
        assert (cost, bool(marked), said) == (nano if estimated else 0, estimated, error.__name__)
        assert nano == bound * INPUT
        assert rows_of(house.ledger, "SELECT call_id FROM replies") == []

    housed(scenario)


def test_an_answer_without_its_usage_is_charged_at_the_bound(housed):
    async def scenario(house):
        await house.bind(vectors=a_model("no-usage"))
        answer = await house.call.embed(texts(1), place())
        assert answer.reply.usage.input_tokens is None
        ((cost, _, estimated, _),) = house.settled()
        assert (cost, estimated) == (house.held()[0][2], 1)

    housed(scenario)


def test_vectors_of_another_width_than_was_asked_for_are_refused(housed):
    async def scenario(house):
        await house.bind()
        wanted = EmbeddingRequest(texts=("a",), dimensions=3)
        assert len((await house.call.embed(wanted, place())).reply.vectors[0]) == 3
        await house.bind(vectors=a_model("wide"))
        with pytest.raises(Broken, match="4 dimensions where 3 were asked for"):
            await house.call.embed(wanted, place("second"))

    housed(scenario)


def test_a_key_that_the_answer_repeats_is_in_no_error_and_in_no_database(housed, tmp_path):
    async def scenario(house):
        await house.bind(vectors=a_model("echo-key", at="there"))
        with pytest.raises(Exception, match="redacted") as caught:
            await house.call.embed(texts(1), place())
        assert KEY not in repr(caught.value)
        assert house.server.headers[0]["authorization"] == f"Bearer {KEY}"

    housed(scenario)
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
