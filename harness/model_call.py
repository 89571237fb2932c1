"""The one metered call: route -> hold -> send -> price -> settle -> record.

Whoever asks a model anything (a node, an eval, an embedder, the gateway) asks here; there is no second way to a
provider. It knows no vendor, no database and no workflow: dialects, stores and connections come in. What one send is,
and how often and in which order targets are tried, stands in `harness.metering`.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Protocol

from harness.dialects.swap.swap import SwapReport, swapped
from harness.dialects.wire import WireRequest
from harness.json_values import digest_of
from harness.ledger.entries import CallContext, Journalled
from harness.ledger.hold_leases import HoldLeases
from harness.ledger.money_store import MoneyStore
from harness.metering.attempts import Answered, Attempt, Attempts, Resilience
from harness.metering.connection import Connection, Connections
from harness.metering.exchange import OnEvent, OnHeaders, exchanged, exchanged_streamed
from harness.metering.input_bounds import input_bound
from harness.metering.metered_send import MeteredSends, SendOrder
from harness.models.messages import ModelReply, ModelRequest, StreamEvent
from harness.models.prices import PriceBook, usd
from harness.routing.decision import Decision, Target

__all__ = ["Answer", "ModelCall", "OnEvent", "Router"]


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
        endpoint: the catalogue's name of the one that answered; None for a journalled answer.
        swap: what of the conversation the model could not be shown as it was; None for a journalled answer.
        waited_seconds: below rate limits and between tries.
        passed_over: who was to answer before and was not asked, and why.
    """

    reply: ModelReply
    model: str
    sends: int
    replayed: bool
    cost_usd: Decimal
    endpoint: str | None = None
    swap: SwapReport | None = None
    waited_seconds: float = 0.0
    passed_over: tuple[str, ...] = ()


class ModelCall:
    """Asks models, within budgets, and remembers every answer that was paid for.

    Args:
        resilience: how failures and rate limits are met; by default as its parts are, and no limit is kept.
    """

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
        resilience: Resilience | None = None,
    ) -> None:
        self._router = router
        self._connections = connections
        self._sends = MeteredSends(
            money=money, prices=prices, leases=leases, clock=clock, monotonic=monotonic, new_id=new_id
        )
        self._attempts = Attempts(self._sends, resilience or Resilience())
        self._within: tuple[str, ...] = ()

    def of_step(self, within: tuple[str, ...]) -> "ModelCall":
        """The same for a run that is a step of others: what it asks counts against their limits too."""
        other = copy(self)
        other._within = within  # noqa: SLF001 - of its own class
        return other

    def of_router(self, router: Router) -> "ModelCall":
        """The same by other bindings."""
        other = copy(self)
        other._router = router  # noqa: SLF001 - of its own class
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
            RoleUnbound: nothing was sent.
            PriceUnknown: nothing was sent; no target has a price.
            BudgetExceeded: nothing was sent, or what was sent before failed and is its cause.
            ProviderError: of the last target, when all failed; once `on_event` heard anything, of that target.
        """
        context = replace(context, within=self._within)
        digest = _digest_of(request)
        if resumed and (known := await self._sends.journalled(context, digest)):
            return _replayed(known)
        decision = await self._router.route(context)
        question = _Question(self._connections, request, context, digest, decision.binding_version, on_event)
        return question.answer(await self._attempts.first_answer(decision.targets, question))


@dataclass(slots=True)
class _Question:
    """What is asked for whom, and what became of it so far.

    Args:
        sends: how many requests have left for it.
        heard: whether its listener heard anything of an answer.
        swap: what the last target asked could not be shown as it was.
    """

    connections: Connections
    request: ModelRequest
    context: CallContext
    digest: str
    binding_version: int
    on_event: OnEvent | None
    sends: int = 0
    heard: bool = False
    swap: SwapReport | None = None

    async def attempt(self, target: Target) -> Attempt[ModelReply]:
        """The question as this target is asked it."""
        connection = await self.connections.open(target)
        to = connection.target
        asked, self.swap = swapped(_within(self.request, target), to, connection.dialect.rules(to.model, to.endpoint))
        wire = connection.dialect.encode(asked, to, stream=self.on_event is not None)
        order = SendOrder(
            context=self.context,
            digest=self.digest,
            target=target,
            binding_version=self.binding_version,
            input_bound=input_bound(asked, wire, context_tokens=target.model.context_tokens),
            output_bound=asked.max_output_tokens,
        )
        return Attempt(order, connection, wire, partial(self._exchanged, connection))

    def answer(self, answered: Answered[ModelReply]) -> Answer:
        """What came of it."""
        if isinstance(answered.sent, Journalled):
            return _replayed(answered.sent)
        return Answer(
            answered.sent.reply,
            answered.target.model_name,
            self.sends,
            replayed=False,
            cost_usd=usd(answered.sent.charge.nano_usd),
            endpoint=answered.target.endpoint_name,
            swap=self.swap,
            waited_seconds=answered.waited_seconds,
            passed_over=answered.passed_over,
        )

    async def _exchanged(self, connection: Connection, signed: WireRequest, on_headers: OnHeaders) -> ModelReply:
        self.sends += 1
        if self.on_event is None:
            return await exchanged(connection, signed, on_headers)
        return await exchanged_streamed(connection, signed, on_headers, self._hear)

    def _hear(self, event: StreamEvent) -> None:
        assert self.on_event is not None
        self.heard = True
        self.on_event(event)


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
