"""The one metered call: route -> hold -> send -> price -> settle -> record.

Whoever asks a model anything (a node, an eval, an embedder, the gateway) asks here; there is no second way to a
provider. It knows no vendor, no database and no workflow: dialects, stores and connections come in.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Protocol

from harness.budgets.limits import Charge
from harness.budgets.reservations import input_tokens_bound
from harness.dialects.dialect import Dialect
from harness.dialects.transport import Transport
from harness.dialects.wire import WireRequest
from harness.exceptions import Broken, BudgetExceeded, HoldClosed, ProviderError
from harness.json_values import digest_of
from harness.ledger.entries import CallContext, Journalled, Send, Settlement
from harness.ledger.hold_leases import HoldLeases
from harness.ledger.money_store import MoneyStore
from harness.models.messages import ModelReply, ModelRequest, ReplyEnd, StreamEvent
from harness.models.prices import PriceBook, PricedModel, PricedUsage, nano_usd, usd
from harness.models.usage import Usage
from harness.routing.decision import Decision, Target
from ontology.exceptions import DatabaseUnavailable

OnEvent = Callable[[StreamEvent], None]


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach an endpoint now: its dialect, the transport, the address and the key."""

    dialect: Dialect
    transport: Transport
    base_url: str
    api_key: str | None


class Connections(Protocol):
    """Port: opens endpoints; a local model's server is started here."""

    async def open(self, target: Target) -> Connection:
        """A connection to the endpoint of a target.

        Raises:
            KeyRefused: it needs a key and none is set.
            Unreachable: a local server could not be started.
        """
        ...


class Router(Protocol):
    """Port: which targets fill a role now."""

    async def route(self, context: CallContext) -> Decision:
        """The targets, in the order they are tried.

        Raises:
            RoleUnbound, NameUnknown: nothing fills it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply and how it came.

    Args:
        model: the catalogue's name of the model that answered.
        sends: how many requests left for it in this process; zero for a journalled answer.
        replayed: it was paid for earlier and is read from the journal.
        cost_usd: of the send that brought it; zero for a journalled answer, which was charged before.
    """

    reply: ModelReply
    model: str
    sends: int
    replayed: bool
    cost_usd: Decimal


class ModelCall:
    """Asks models, within budgets, and remembers every answer that was paid for."""

    def __init__(
        self,
        *,
        router: Router,
        connections: Connections,
        money: MoneyStore,
        prices: Callable[[], PriceBook],
        leases: HoldLeases,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._router = router
        self._connections = connections
        self._money = money
        self._prices = prices
        self._leases = leases
        self._clock = clock
        self._monotonic = monotonic
        self._new_id = new_id
        self._within: tuple[str, ...] = ()

    def of_step(self, within: tuple[str, ...]) -> "ModelCall":
        """The same for a run that is a step of others: what it asks counts against their limits too."""
        other = copy(self)
        other._within = within  # noqa: SLF001 - of its own class
        return other

    async def route(self, context: CallContext) -> Decision:
        """Who would be asked now; nothing is held or sent.

        Raises:
            RoleUnbound, NameUnknown: nothing fills the role.
        """
        return await self._router.route(context)

    async def ask(
        self, request: ModelRequest, context: CallContext, *, resumed: bool = False, on_event: OnEvent | None = None
    ) -> Answer:
        """Ask the model that fills the context's role.

        Args:
            resumed: the run was begun by an earlier process, so the journal is read before anything else: an answer
                that is there needs no binding, no budget and no server.
            on_event: hears the reply as it arrives; without it the reply is not streamed.

        Raises:
            BudgetExceeded, PriceUnknown, RoleUnbound: nothing was sent.
            ProviderError: of the last target, when all failed.
        """
        context = replace(context, within=self._within)
        digest = _digest_of(request)
        if resumed and (known := await self._money.journalled(context.organisation, context.call_id, digest)):
            return _replayed(known)
        decision = await self._router.route(context)
        question = _Question(request, context, digest, decision.binding_version, on_event)
        failure: ProviderError | None = None
        for target in decision.targets:
            try:
                return await self._ask_target(question, target)
            except ProviderError as error:
                failure = error
        assert failure is not None, "a decision has at least one target"
        raise failure

    async def _ask_target(self, question: "_Question", target: Target) -> Answer:
        connection = await self._connections.open(target)
        asked = _within(question.request, target)
        wire = connection.dialect.encode(
            asked,
            target.model,
            target.endpoint,
            base_url=connection.base_url,
            api_key=connection.api_key,
            stream=question.on_event is not None,
        )
        priced = _Priced(self._prices(), _priced_model(target), self._clock())
        send = self._bounded(question, target, asked, wire, priced)
        known = await self._hold(send)
        if known is not None:
            return _replayed(known)
        question.sends += 1
        async with self._leases.kept(send.send_id):
            reply, charge = await self._send_and_settle(send, priced, connection, wire, question.on_event)
        return Answer(reply, target.model_name, question.sends, replayed=False, cost_usd=usd(charge.nano_usd))

    def _bounded(
        self, question: "_Question", target: Target, asked: ModelRequest, wire: WireRequest, priced: "_Priced"
    ) -> Send:
        # No provider takes more input than its context, so the bytes need not bound beyond it.
        input_bound = min(input_tokens_bound(len(wire.body), len(asked.messages)), target.model.context_tokens)
        output_bound = asked.max_output_tokens
        return Send(
            send_id=self._new_id(),
            context=question.context,
            request_digest=question.digest,
            model=target.model_name,
            endpoint=target.endpoint_name,
            binding_version=question.binding_version,
            bound=Charge(priced.bound_nano_usd(input_bound, output_bound), input_bound + output_bound),
            input_bound=input_bound,
            output_bound=output_bound,
        )

    async def _hold(self, send: Send) -> Journalled | None:
        try:
            return await self._hold_once(send)
        except BudgetExceeded as error:
            # What stands in the way may be held by a process that is gone.
            if not error.busy or not await self._money.expire(at=self._clock()):
                raise
            return await self._hold_once(send)

    async def _hold_once(self, send: Send) -> Journalled | None:
        try:
            return await self._money.hold(send, at=self._clock(), lease_seconds=self._leases.lease_seconds)
        except asyncio.CancelledError:
            # The hold is written all the same; nothing was sent for it, so it costs nothing. The store does what it
            # is told in order, so this finds it, or finds that it was refused.
            with suppress(HoldClosed, DatabaseUnavailable):
                await self._money.settle(send, self._unsent())
            raise

    async def _send_and_settle(
        self, send: Send, priced: "_Priced", connection: Connection, wire: WireRequest, on_event: OnEvent | None
    ) -> tuple[ModelReply, Charge]:
        began = self._monotonic()
        try:
            reply = await _send(connection, wire, send.endpoint, on_event)
            settlement = self._answered(send, priced, reply, began)
        except ProviderError as error:
            _hide_key(error, connection.api_key)
            await self._money.settle(send, self._failed(send, error, began))
            raise
        except BaseException:
            # Cancelled, or a fault of ours: the request may have reached the provider.
            interrupted = Broken(send.endpoint, "the caller went away before the answer")
            await self._money.settle(send, self._failed(send, interrupted, began))
            raise
        # A caller that is cancelled from here on hears of it at once; the settlement is written all the same.
        await self._money.settle(send, settlement)
        return reply, settlement.charge

    def _answered(self, send: Send, priced: "_Priced", reply: ModelReply, began: float) -> Settlement:
        known = reply.usage.known
        usage = reply.usage if known else Usage(send.input_bound, send.output_bound)
        price = priced.price(usage)
        cost = nano_usd(price.cost_usd) if known else send.bound.nano_usd
        return Settlement(
            charge=Charge(cost, usage.total_tokens),
            usage=usage,
            price_source=price.price_source,
            price_version=price.price_version,
            at=self._clock(),
            latency_ms=self._milliseconds_since(began),
            estimated=not known,
            reply=reply.model_dump_json(),
            request_id=reply.request_id,
        )

    def _failed(self, send: Send, error: ProviderError, began: float) -> Settlement:
        billed = error.maybe_billed
        return Settlement(
            charge=send.bound if billed else Charge(0, 0, 0),
            usage=Usage(send.input_bound, send.output_bound) if billed else Usage(),
            price_source="bound" if billed else "not billed",
            price_version="",
            at=self._clock(),
            latency_ms=self._milliseconds_since(began),
            estimated=billed,
            request_id=error.request_id,
            error=type(error).__name__,
        )

    def _unsent(self) -> Settlement:
        return Settlement(Charge(0, 0, 0), Usage(), "not billed", "", self._clock(), 0, error="Cancelled")

    def _milliseconds_since(self, began: float) -> int:
        return round((self._monotonic() - began) * 1000)


@dataclass(slots=True)
class _Question:
    """What is asked for whom, and how many requests have left for it."""

    request: ModelRequest
    context: CallContext
    digest: str
    binding_version: int
    on_event: OnEvent | None
    sends: int = 0


@dataclass(frozen=True, slots=True)
class _Priced:
    """The prices of one send: those of the moment it is held, also when a dearer one starts before its answer comes."""

    prices: PriceBook
    model: PricedModel
    at: datetime

    def bound_nano_usd(self, input_tokens: int, output_tokens: int) -> int:
        return nano_usd(self.prices.dearest(self.model, input_tokens, output_tokens, self.at), rounding=ROUND_CEILING)

    def price(self, usage: Usage) -> PricedUsage:
        return self.prices.price(self.model, usage, self.at)


def _digest_of(request: ModelRequest) -> str:
    """What is asked, as the journal knows it.

    What is left empty is left out, so that a field that a later version adds
    does not change the digest of what an earlier one asked.
    """
    asked = request.model_dump(mode="json", exclude_none=True)
    return digest_of({name: value for name, value in asked.items() if value != []})


def _hide_key(error: ProviderError, api_key: str | None) -> None:
    """Take the key out of a provider's words; some repeat it when they refuse it."""
    if api_key and api_key in error.message:
        error.message = error.message.replace(api_key, "[redacted]")
        error.args = (error.endpoint, error.message)


def _replayed(known: Journalled) -> Answer:
    return Answer(ModelReply.model_validate_json(known.reply), known.model, 0, replayed=True, cost_usd=Decimal(0))


def _priced_model(target: Target) -> PricedModel:
    return PricedModel(target.model_name, target.model.wire_name, target.endpoint.price_provider, target.model.price)


def _within(request: ModelRequest, target: Target) -> ModelRequest:
    """The request with no more output asked for than the model can give."""
    most = min(target.model.max_output_tokens or target.model.context_tokens, target.model.context_tokens)
    if request.max_output_tokens <= most:
        return request
    return request.model_copy(update={"max_output_tokens": most})


async def _send(connection: Connection, wire: WireRequest, endpoint_name: str, on_event: OnEvent | None) -> ModelReply:
    if on_event is not None:
        return await _send_streamed(connection, wire, endpoint_name, on_event)
    response = await connection.transport.send(wire)
    if not 200 <= response.status < 300:  # noqa: PLR2004 - HTTP's own numbers
        raise connection.dialect.error(response, endpoint_name)
    return connection.dialect.decode(response, endpoint_name)


async def _send_streamed(
    connection: Connection, wire: WireRequest, endpoint_name: str, on_event: OnEvent
) -> ModelReply:
    async with connection.transport.stream(wire) as stream:
        if not 200 <= stream.status < 300:  # noqa: PLR2004
            raise connection.dialect.error(await stream.response(), endpoint_name)
        decoder = connection.dialect.stream_decoder(endpoint_name, stream.headers)
        async for chunk in stream.chunks():
            for event in decoder.feed(chunk):
                if isinstance(event, ReplyEnd):
                    return event.reply
                with suppress(Exception):  # a listener's fault is not the call's
                    on_event(event)
        for event in decoder.end():
            if isinstance(event, ReplyEnd):
                return event.reply
    raise Broken(endpoint_name, "the stream ended without its last event")
