"""Until when a call may go on."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from harness.exceptions import DeadlinePassed, ProviderError

T = TypeVar("T")


class Deadline:
    """So many seconds from when it is made.

    Args:
        monotonic: seconds.
    """

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        self.seconds = seconds
        self._monotonic = monotonic
        self._began = monotonic()

    def left_seconds(self) -> float:
        """How long is left; below zero once it has passed."""
        return self._began + self.seconds - self._monotonic()

    async def within(self, doing: Awaitable[T], late: Callable[[], ProviderError]) -> T:
        """What is waited for, ended when the time is up.

        Raises:
            ProviderError: `late`; it took too long.
        """
        bound = asyncio.timeout(max(self.left_seconds(), 0.0))
        try:
            async with bound:
                return await doing
        except TimeoutError as error:
            if not bound.expired():
                raise
            raise late() from error

    def require_left(self, endpoint: str) -> None:
        """Go on where there is time to send.

        Raises:
            DeadlinePassed: there is none.
        """
        if self.left_seconds() <= 0:
            raise self.unsent(endpoint)

    def unsent(self, endpoint: str) -> DeadlinePassed:
        """What is said where the time is up before anything was sent."""
        words = (
            f"nothing was sent: the call's deadline of {self.seconds:g} s passed before it could be; raise "
            "`call_deadline_seconds`, or name another endpoint under the model's `also_at`"
        )
        return DeadlinePassed(endpoint, words)
