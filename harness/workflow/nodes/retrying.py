"""Trying a node again after an error that a retry can help, with waits that grow and never come in step."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from harness.exceptions import HarnessError, ProviderError
from harness.workflow.node_kinds import RetrySpec

T = TypeVar("T")


def wait_seconds(policy: RetrySpec, attempt: int, error: HarnessError, chance: random.Random) -> float:
    """How long to wait after failed attempt number `attempt` (from 1): doubling, with jitter of up to a half.

    What the provider asked for is kept, also beyond the policy's own longest wait.
    """
    longest = min(policy.backoff_seconds * 2 ** (attempt - 1), policy.max_backoff_seconds)
    wait = longest * (1 - chance.random() / 2)
    asked = error.retry_after_seconds if isinstance(error, ProviderError) else None
    return max(wait, asked or 0.0)


async def retried(
    work: Callable[[], Awaitable[T]],
    policy: RetrySpec,
    *,
    chance: random.Random,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    on_retry: Callable[[int, float, HarnessError], None],
) -> T:
    """The result of `work`, tried up to `policy.attempts` times.

    Raises:
        HarnessError: the last attempt's, or the first that no retry can help.
    """
    for attempt in range(1, policy.attempts):
        try:
            return await work()
        except HarnessError as error:
            if not error.retryable:
                raise
            wait = wait_seconds(policy, attempt, error, chance)
            on_retry(attempt, wait, error)
            await sleep(wait)
    return await work()
