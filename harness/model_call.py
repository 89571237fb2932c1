"""The one metered call: route -> hold -> send -> price -> settle -> record.

Whoever asks a model anything (a node, an eval, an embedder, the gateway) asks here; there is no second way to a
provider. It knows no vendor, no database and no workflow: dialects, stores and connections come in. What one send is
stands in `harness.metering`.
"""

from collections.abc import Callable
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from harness.budgets.reservations import input_tokens_bound
from harness.dialects.swap import SwapReport, swapped
from harness.dialects.wire import WireRequest
from harness.exceptions import Broken, ProviderError
from harness.json_values import digest_of
from harness.ledger.entries import CallContext, Journalled
from harness.ledger.hold_leases import HoldLeases
from harness.ledger.money_store import MoneyStore
from harness.metering.connection import Connection, Connections
from harness.metering.metered_send import MeteredSends, SendOrder
from harness.models.messages import ModelReply, ModelRequest, ReplyEnd, StreamEvent
from harness.models.prices import PriceBook, usd
from harness.routing.decision import Decision, Target

OnEvent = Callable[[StreamEvent], None]


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
        swap: what of the conversation the model could not be shown as it was; None for a journalled answer.
    """

    reply: ModelReply
    model: str
    sends: int
    replayed: bool
    cost_usd: Decimal
    swap: SwapReport | None = None


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
        self._sends = MeteredSends(
            money=money, prices=prices, leases=leases, clock=clock, monotonic=monotonic, new_id=new_id
        )
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
        if resumed and (known := await self._sends.journalled(context, digest)):
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
        to = connection.target
        asked, swap = swapped(_within(question.request, target), to, connection.dialect.rules(to.model, to.endpoint))
        wire = connection.dialect.encode(asked, to, stream=question.on_event is not None)
        order = SendOrder(
            context=question.context,
            digest=question.digest,
            target=target,
            binding_version=question.binding_version,
            # No provider takes more input than its context, so the bytes need not bound beyond it.
            input_bound=min(input_tokens_bound(len(wire.body), len(asked.messages)), target.model.context_tokens),
            output_bound=asked.max_output_tokens,
        )

        async def exchange(signed: WireRequest) -> ModelReply:
            question.sends += 1
            return await _exchanged(connection, signed, question.on_event)

        sent = await self._sends.send(order, connection, wire, exchange)
        if isinstance(sent, Journalled):
            return _replayed(sent)
        cost = usd(sent.charge.nano_usd)
        return Answer(sent.reply, target.model_name, question.sends, replayed=False, cost_usd=cost, swap=swap)


@dataclass(slots=True)
class _Question:
    """What is asked for whom, and how many requests have left for it."""

    request: ModelRequest
    context: CallContext
    digest: str
    binding_version: int
    on_event: OnEvent | None
    sends: int = 0


def _digest_of(request: ModelRequest) -> str:
    """What is asked, as the journal knows it.

    What is left empty is left out, so that a field that a later version adds
    does not change the digest of what an earlier one asked.
    """
    asked = request.model_dump(mode="json", exclude_none=True)
    return digest_of({name: value for name, value in asked.items() if value != []})


def _replayed(known: Journalled) -> Answer:
    return Answer(ModelReply.model_validate_json(known.reply), known.model, 0, replayed=True, cost_usd=Decimal(0))


def _within(request: ModelRequest, target: Target) -> ModelRequest:
    """The request with no more output asked for than the model can give."""
    most = min(target.model.max_output_tokens or target.model.context_tokens, target.model.context_tokens)
    if request.max_output_tokens <= most:
        return request
    return request.model_copy(update={"max_output_tokens": most})


async def _exchanged(connection: Connection, wire: WireRequest, on_event: OnEvent | None) -> ModelReply:
    if on_event is not None:
        return await _exchanged_streamed(connection, wire, on_event)
    response = await connection.transport.send(wire)
    if not 200 <= response.status < 300:  # noqa: PLR2004 - HTTP's own numbers
        raise connection.dialect.error(response, connection.target.origin.endpoint)
    return connection.dialect.decode(response, connection.target.origin)


async def _exchanged_streamed(connection: Connection, wire: WireRequest, on_event: OnEvent) -> ModelReply:
    origin = connection.target.origin
    async with connection.transport.stream(wire) as stream:
        if not 200 <= stream.status < 300:  # noqa: PLR2004
            raise connection.dialect.error(await stream.response(), origin.endpoint)
        decoder = connection.dialect.stream_decoder(origin, stream.headers)
        async for chunk in stream.chunks():
            for event in decoder.feed(chunk):
                if isinstance(event, ReplyEnd):
                    return event.reply
                with suppress(Exception):  # a listener's fault is not the call's
                    on_event(event)
        for event in decoder.end():
            if isinstance(event, ReplyEnd):
                return event.reply
    raise Broken(origin.endpoint, "the stream ended without its last event")
