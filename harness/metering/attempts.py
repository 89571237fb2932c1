"""Tries the targets of a call in their order: queued, held, sent, repeated where that costs nothing, passed over.

Each attempt is a send of its own, with its own hold and entry. A target is repeated, and the next one asked, only as
long as nothing of an answer was heard. What is asked, and how one exchange goes, whoever asks says.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from random import Random
from time import monotonic as machine_seconds
from typing import Generic, Protocol, TypeVar

from harness.dialects.rate_limit_headers import observed_limits
from harness.dialects.wire import WireRequest
from harness.exceptions import Broken, BudgetExceeded, PriceUnknown, ProviderError, RateLimited
from harness.ledger.entries import Journalled
from harness.metering.connection import Connection
from harness.metering.deadline import Deadline
from harness.metering.endpoint_health import EndpointHealth
from harness.metering.exchange import OnHeaders
from harness.metering.metered_send import Exchange, MeteredReply, MeteredSends, SendOrder, Sent
from harness.metering.rate_limit_queue import RateLimitQueue, Sleep
from harness.metering.walk import Walk, say_more
from harness.routing.decision import Target
from harness.routing.rate_limiter import Caller, NoRateLimits, RateLimiter, Slot
from harness.routing.rate_limits import ObservedLimits
from harness.routing.retry_policy import RetryPolicy

ReplyT = TypeVar("ReplyT", bound=MeteredReply)

_Headers = Mapping[str, str]


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Resilience:
    """How calls of this process meet failures and limits.

    Args:
        monotonic: seconds.
    """

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    limiter: RateLimiter = field(default_factory=NoRateLimits)
    health: EndpointHealth = field(default_factory=lambda: EndpointHealth(machine_seconds))
    clock: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = machine_seconds
    sleep: Sleep = asyncio.sleep
    random: Random = field(default_factory=Random)


@dataclass(frozen=True, slots=True)
class Attempt(Generic[ReplyT]):
    """One send as it would leave.

    Args:
        exchange: asks the provider, and hands on the answer's headers as soon as they are there.
    """

    order: SendOrder
    connection: Connection
    wire: WireRequest
    exchange: Callable[[WireRequest, OnHeaders], Awaitable[ReplyT]]


class Question(Protocol[ReplyT]):
    """What is asked of whichever target answers."""

    @property
    def heard(self) -> bool:
        """Whether anything of an answer was passed on already, so that no other may follow it."""
        ...

    async def attempt(self, target: Target) -> Attempt[ReplyT]:
        """The send that would ask this target.

        Raises:
            ProviderError: the target cannot be reached, or has no key.
        """
        ...


@dataclass(frozen=True, slots=True)
class Answered(Generic[ReplyT]):
    """Who answered.

    Args:
        waited_seconds: below rate limits and between tries, while nothing was held and nothing was under way.
        passed_over: who was not asked, and why.
    """

    sent: Sent[ReplyT] | Journalled
    target: Target
    waited_seconds: float
    passed_over: tuple[str, ...] = ()


class Attempts:
    """Asks targets until one answers."""

    def __init__(self, sends: MeteredSends, resilience: Resilience) -> None:
        self._sends = sends
        self._to = resilience
        self._queue = RateLimitQueue(resilience.limiter, clock=resilience.clock, sleep=resilience.sleep)

    async def first_answer(self, targets: Sequence[Target], question: Question[ReplyT]) -> Answered[ReplyT]:
        """The answer of the first target that gives one; who has no price is passed over.

        Raises:
            PriceUnknown: nobody has one.
            BudgetExceeded: what came before it, if anything did, is told by it and is its cause.
            CircuitOpen: every endpoint is left alone for a while.
            ProviderError: of the last target, when all failed, or of one that had begun to answer; those before it are
                in its notes.
        """
        walk = Walk(Deadline(self._to.policy.deadline_seconds, self._to.monotonic))
        for target in targets:
            if walk.passes_over(target):
                continue
            try:
                sent = await self._asked(target, question, walk)
            except ProviderError as error:
                walk.note(target, error)
                if question.heard:
                    break
            except PriceUnknown as error:
                walk.note_unpriced(target, error)
            except BudgetExceeded as error:
                if not walk.failures:
                    raise
                error.after = str(walk.failures[-1])
                raise error from walk.failures[-1]
            else:
                return Answered(sent, target, round(walk.waited_seconds, 3), tuple(walk.passed_over))
        raise walk.failure()

    async def _asked(self, target: Target, question: Question[ReplyT], walk: Walk) -> Sent[ReplyT] | Journalled:
        """Ask one target as often as repeating it costs nothing and may help."""
        failed = 0
        while True:
            self._to.health.require_closed(target)
            opening = question.attempt(target)
            attempt = await walk.deadline.within(opening, lambda: walk.deadline.unsent(target.endpoint_name))
            slot = await self._queued(attempt, walk)
            try:
                return await self._sent(attempt, slot, question, walk)
            except ProviderError as error:
                failed += 1
                wait = None if question.heard else self._to.policy.wait_seconds(failed, error, self._to.random)
                if wait is None or not self._to.health.lets_pass(target):
                    raise
                if wait >= walk.deadline.left_seconds():
                    say_more(error, f"not tried again within the call's deadline of {walk.deadline.seconds:g} s")
                    raise
            walk.waited_seconds += wait
            await self._to.sleep(wait)

    async def _queued(self, attempt: Attempt[ReplyT], walk: Walk) -> Slot:
        began = self._to.monotonic()
        slot = await self._queue.slot(_caller(attempt), _tokens(attempt), walk.deadline)
        walk.waited_seconds += self._to.monotonic() - began
        return slot

    async def _sent(
        self, attempt: Attempt[ReplyT], slot: Slot, question: Question[ReplyT], walk: Walk
    ) -> Sent[ReplyT] | Journalled:
        target, headers = attempt.order.target, dict[str, str]()
        told = _Told(used_tokens=0)
        try:
            walk.deadline.require_left(target.endpoint_name)
            with self._to.health.passage(target) as passage:
                try:
                    sent = await self._sends.send(
                        attempt.order, attempt.connection, attempt.wire, _in_time(attempt, walk.deadline, headers)
                    )
                except ProviderError as error:
                    told = _Told(_tokens(attempt) if error.maybe_billed else 0, error)
                    passage.failed(error, answering=question.heard)
                    raise
                except asyncio.CancelledError:
                    told = _Told(_tokens(attempt))
                    raise
                if isinstance(sent, Sent):
                    told = _Told(sent.charge.tokens)
                    passage.answered()
                return sent
        finally:
            # Neither a paid answer nor the reason of a failure is lost because nobody could note what they took,
            # whatever a header says or a database does.
            with suppress(Exception):
                await self._learned(_caller(attempt), headers, told)
            with suppress(Exception):
                await self._queue.left(_caller(attempt), slot, used_tokens=told.used_tokens)

    async def _learned(self, caller: Caller, headers: _Headers, told: "_Told") -> None:
        closed_seconds = told.error.retry_after_seconds if isinstance(told.error, RateLimited) else None
        if closed_seconds is not None:
            # Who wants to be left alone for longer is asked again all the same, in case it was a slip.
            closed_seconds = min(closed_seconds, self._to.policy.longest_asked_seconds)
        observed = observed_limits(headers)
        if closed_seconds is not None or observed != ObservedLimits():
            await self._to.limiter.observe(caller, observed, closed_seconds=closed_seconds, at=self._to.clock())


@dataclass(frozen=True, slots=True)
class _Told:
    """What became of a send, for the limiter."""

    used_tokens: int
    error: ProviderError | None = None


def _caller(attempt: Attempt[ReplyT]) -> Caller:
    target, account = attempt.order.target, attempt.connection.target.origin.account
    # Not where it is served now: a local server has another address in each process.
    address = hashlib.sha256(f"{target.endpoint.base_url} {account}".encode()).hexdigest()[:12]
    return Caller(
        attempt.order.context.organisation,
        target.endpoint_name,
        target.model.wire_name,
        target.endpoint.limits,
        address,
    )


def _tokens(attempt: Attempt[ReplyT]) -> int:
    return attempt.order.input_bound + attempt.order.output_bound


def _in_time(attempt: Attempt[ReplyT], deadline: Deadline, headers: dict[str, str]) -> Exchange[ReplyT]:
    """The exchange, ended when the call's deadline passes; a stream too, which otherwise could dribble for ever."""

    async def exchange(signed: WireRequest) -> ReplyT:
        words = f"the answer was not whole when the call's deadline of {deadline.seconds:g} s passed"
        late = partial(Broken, attempt.order.target.endpoint_name, words)
        return await deadline.within(attempt.exchange(signed, headers.update), late)

    return exchange
