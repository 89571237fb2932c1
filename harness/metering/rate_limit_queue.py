"""Waiting for a place below an endpoint's rate limits: in this process in the order in which calls came.

One of them asks the limiter for all who stand behind it, so that a thousand waiting calls are one that asks. Nothing
is held while a call waits, and who goes away leaves nothing behind but a place that stays empty.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime

from harness.exceptions import RateLimited
from harness.metering.deadline import Deadline
from harness.routing.rate_limiter import Caller, RateLimiter, Slot
from ontology.exceptions import DatabaseUnavailable

# Calls that end early give back tokens, so that there may be room before it was foretold.
_ASK_AGAIN_SECONDS = 0.5

Sleep = Callable[[float], Awaitable[None]]


class RateLimitQueue:
    """The waiting calls of this process."""

    def __init__(self, limiter: RateLimiter, *, clock: Callable[[], datetime], sleep: Sleep) -> None:
        self._limiter = limiter
        self._clock = clock
        self._sleep = sleep
        self._heads: dict[tuple[str, str, str, str], asyncio.Lock] = {}

    async def slot(self, caller: Caller, tokens: int, deadline: Deadline) -> Slot:
        """A place, once it is time to leave.

        Raises:
            RateLimited: there is none before the deadline; nothing was sent.
        """
        head = self._heads.setdefault(caller.key, asyncio.Lock())
        await self._come_first(head, caller, deadline)
        try:
            slot = await self._reserved(caller, tokens, deadline)
        finally:
            head.release()
        if slot.wait_seconds > 0:
            try:
                await self._sleep(slot.wait_seconds)
            except BaseException:
                with suppress(DatabaseUnavailable):  # it runs off by itself
                    await self.left(caller, slot, used_tokens=0)
                raise
        return slot

    async def left(self, caller: Caller, slot: Slot, *, used_tokens: int) -> None:
        """Give back what a call did not use."""
        await self._limiter.give_back(caller, slot, used_tokens=used_tokens, at=self._clock())

    @staticmethod
    async def _come_first(head: asyncio.Lock, caller: Caller, deadline: Deadline) -> None:
        if not head.locked():
            await head.acquire()
            return
        try:
            async with asyncio.timeout(max(deadline.left_seconds(), 0.0)):
                await head.acquire()
        except TimeoutError as error:
            raise _too_late(caller, deadline, "the calls before it take longer than", None) from error

    async def _reserved(self, caller: Caller, tokens: int, deadline: Deadline) -> Slot:
        while True:
            slot = await self._limiter.reserve(caller, tokens, at=self._clock())
            if 0 < slot.wait_seconds >= deadline.left_seconds():
                if slot.taken:
                    await self.left(caller, slot, used_tokens=0)
                words = f"there is room only in {slot.wait_seconds:.1f} s, after"
                raise _too_late(caller, deadline, words, slot.wait_seconds)
            if slot.taken:
                return slot
            await self._sleep(min(slot.wait_seconds, _ASK_AGAIN_SECONDS))


def _too_late(caller: Caller, deadline: Deadline, words: str, wait_seconds: float | None) -> RateLimited:
    return RateLimited(
        caller.endpoint,
        f"nothing was sent: below the rate limits of {caller.model!r} {words} the call's deadline of "
        f"{deadline.seconds:g} s; try again later, raise `call_deadline_seconds`, ask for fewer at a time, or name "
        "another endpoint under the model's `also_at`",
        retry_after_seconds=wait_seconds,
    )
