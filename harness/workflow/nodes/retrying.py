"""Trying a node again after an error that a retry can help, with waits that grow and never come in step.

Which errors those are, a node says by their names; else each error says it of itself.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from harness.exceptions import (
    BudgetExceeded,
    HarnessError,
    LeaseHeld,
    LimitOfRunReached,
    ProviderError,
    RunCancelled,
    RunInterrupted,
    WaitsForPerson,
)
from harness.workflow.node_options import RetrySpec

T = TypeVar("T")

# What is no failure of the node, so that no name in `retry.on` reaches it, not even a parent's. A limit is none: another
# try would begin with a fresh one.
NEVER_NAMED = (WaitsForPerson, LeaseHeld, RunInterrupted, RunCancelled, LimitOfRunReached)


def is_tried_again(policy: RetrySpec, error: Exception) -> bool:
    """Whether an error is one after which the node is tried again.

    A spent budget is not, whatever the node says, until calls in flight may give some of it back.
    """
    if not policy.on or isinstance(error, BudgetExceeded):
        return isinstance(error, HarnessError) and error.retryable
    names = {kind.__name__ for kind in type(error).__mro__}
    return not isinstance(error, NEVER_NAMED) and not names.isdisjoint(policy.on)


def wait_seconds(policy: RetrySpec, attempt: int, error: Exception, chance: random.Random) -> float:
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
    on_retry: Callable[[int, float, Exception], None],
) -> T:
    """The result of `work`, tried up to `policy.attempts` times.

    Raises:
        HarnessError: the last attempt's, or the first after which it is not tried again.
        Exception: the same, where a project's own code raised it.
    """
    for attempt in range(1, policy.attempts):
        try:
            return await work()
        except Exception as error:
            if not is_tried_again(policy, error):
                raise
            wait = wait_seconds(policy, attempt, error, chance)
            on_retry(attempt, wait, error)
            await sleep(wait)
    return await work()
