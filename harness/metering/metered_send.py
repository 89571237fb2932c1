"""One send of one request: held before it leaves, priced and settled when its answer is known, recorded either way.

It knows no vendor and no database: the connection says how, the money store remembers. It never repeats itself; each
repetition is another send.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING
from typing import Generic, Protocol, TypeVar

from harness.budgets.limits import Charge
from harness.dialects.wire import WireRequest
from harness.exceptions import Broken, BudgetExceeded, HoldClosed, ProviderError
from harness.ledger.entries import CallContext, Journalled, Send, Settlement
from harness.ledger.hold_leases import HoldLeases
from harness.ledger.money_store import MoneyStore
from harness.metering.connection import Connection
from harness.metering.hidden_keys import hide, shows
from harness.metering.keyless_answers import Journallable, without_keys
from harness.models.prices import PriceBook, PricedModel, PricedUsage, nano_usd
from harness.models.usage import Usage
from harness.routing.decision import Target
from ontology.exceptions import DatabaseUnavailable


class MeteredReply(Journallable, Protocol):
    """What an exchange brings: a model's reply, or vectors."""

    @property
    def usage(self) -> Usage:
        """What it used."""
        ...

    @property
    def request_id(self) -> str | None:
        """The provider's name for the exchange."""
        ...


ReplyT = TypeVar("ReplyT", bound=MeteredReply)

# One exchange with the provider: the signed request leaves, the reply comes back or a `ProviderError` is raised.
Exchange = Callable[[WireRequest], Awaitable[ReplyT]]


@dataclass(frozen=True, slots=True)
class SendOrder:
    """What is sent for whom, and the most tokens that it can use.

    Args:
        digest: of the neutral request.
    """

    context: CallContext
    digest: str
    target: Target
    binding_version: int
    input_bound: int
    output_bound: int


@dataclass(frozen=True, slots=True)
class Sent(Generic[ReplyT]):
    """A reply and what it was charged."""

    reply: ReplyT
    charge: Charge


class MeteredSends:
    """Sends requests within budgets."""

    def __init__(
        self,
        *,
        money: MoneyStore,
        prices: Callable[[], PriceBook],
        leases: HoldLeases,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._money = money
        self._prices = prices
        self._leases = leases
        self._clock = clock
        self._monotonic = monotonic
        self._new_id = new_id

    async def journalled(self, context: CallContext, digest: str) -> Journalled | None:
        """The reply that this question already got."""
        return await self._money.journalled(context.organisation, context.call_id, digest)

    async def send(
        self, order: SendOrder, connection: Connection, wire: WireRequest, exchange: Exchange[ReplyT]
    ) -> Sent[ReplyT] | Journalled:
        """Hold, send, price, settle and record; the journalled reply instead where the question was answered before.

        Raises:
            BudgetExceeded, PriceUnknown: nothing was sent.
            ProviderError: what the provider answered instead; what may have been billed is charged as held. No key is
                in it, and none in a reply.
        """
        priced = _Priced(self._prices(), priced_model(order.target), self._clock())
        send = self._bounded(order, priced)
        known = await self._hold(send)
        if known is not None:
            return known
        async with self._leases.kept(send.send_id):
            return await self._exchanged(send, priced, connection, wire, exchange)

    def _bounded(self, order: SendOrder, priced: "_Priced") -> Send:
        nano = priced.bound_nano_usd(order.input_bound, order.output_bound)
        return Send(
            send_id=self._new_id(),
            context=order.context,
            request_digest=order.digest,
            model=order.target.model_name,
            endpoint=order.target.endpoint_name,
            binding_version=order.binding_version,
            bound=Charge(nano, order.input_bound + order.output_bound),
            input_bound=order.input_bound,
            output_bound=order.output_bound,
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

    async def _exchanged(
        self, send: Send, priced: "_Priced", connection: Connection, wire: WireRequest, exchange: Exchange[ReplyT]
    ) -> Sent[ReplyT]:
        began = self._monotonic()
        try:
            wire = await connection.signed(wire)
            reply, journal = without_keys(await exchange(wire), connection.secrets(wire))
            settlement = self._answered(send, priced, reply, began, journal)
        except ProviderError as error:
            hide(error, connection.secrets(wire))
            await self._money.settle(send, self._failed(send, error, began))
            raise
        except BaseException as error:
            # Cancelled, or a fault of ours: the request may have reached the provider.
            interrupted = Broken(send.endpoint, "the caller went away before the answer")
            await self._money.settle(send, self._failed(send, interrupted, began))
            if not isinstance(error, Exception) or not shows(error, connection.secrets(wire)):
                raise
            fault = Broken(send.endpoint, f"{type(error).__name__}: {error}")
            hide(fault, connection.secrets(wire))
        else:
            # A caller that is cancelled from here on hears of it at once; the settlement is written all the same.
            await self._money.settle(send, settlement)
            return Sent(reply, settlement.charge)
        raise fault  # here, where nothing that shows a key is behind it

    def _answered(self, send: Send, priced: "_Priced", reply: MeteredReply, began: float, journal: str) -> Settlement:
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
            reply=journal,
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


def priced_model(target: Target) -> PricedModel:
    """What a target's price is looked up by."""
    return target.model.priced_as(target.model_name, target.endpoint)
