"""Waits that grow within their bounds, what the provider asked for, and what is not tried again."""

import asyncio
import random
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.exceptions import (
    AnswerInvalid,
    BudgetExceeded,
    LeaseHeld,
    LimitOfRunReached,
    NodeTimedOut,
    Overloaded,
    RateLimited,
    RunCancelled,
    WaitsForPerson,
)
from harness.workflow.node_options import RetrySpec
from harness.workflow.nodes.retrying import retried, wait_seconds

policies = st.builds(
    RetrySpec,
    attempts=st.integers(1, 20),
    backoff_seconds=st.floats(0, 600),
    max_backoff_seconds=st.floats(0, 3600),
)


@given(policies, st.integers(1, 20), st.one_of(st.none(), st.floats(0, 10_000)), st.randoms(use_true_random=False))
def test_a_wait_is_within_its_bounds_and_never_shorter_than_what_was_asked_for(policy, attempt, asked, chance):
    wait = wait_seconds(policy, attempt, RateLimited("e", "slow down", retry_after_seconds=asked), chance)
    longest = min(policy.backoff_seconds * 2 ** (attempt - 1), policy.max_backoff_seconds)
    assert max(longest / 2, asked or 0) <= wait <= max(longest, asked or 0)


class Tries:
    """Fails with each error in turn, then answers."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.waits = []
        self.told = []
        self.made = 0

    async def work(self):
        self.made += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"

    async def sleep(self, seconds):
        self.waits.append(seconds)

    def run(self, policy):
        def hear(attempt, wait, error):
            self.told.append((attempt, wait, type(error)))

        return asyncio.run(retried(self.work, policy, chance=random.Random(3), sleep=self.sleep, on_retry=hear))


def test_each_wait_is_told_before_it_is_waited():
    tries = Tries(Overloaded("e", "x"), RateLimited("e", "x", retry_after_seconds=50))
    assert tries.run(RetrySpec(attempts=3, backoff_seconds=1)) == "answer"
    assert [(attempt, kind) for attempt, _, kind in tries.told] == [(1, Overloaded), (2, RateLimited)]
    assert tries.waits == [wait for _, wait, _ in tries.told]
    assert tries.waits[1] == 50


@given(st.integers(1, 6), st.integers(0, 8))
def test_no_more_attempts_are_made_than_allowed_and_the_last_error_is_raised(attempts, failures):
    errors = [Overloaded("e", str(number)) for number in range(failures)]
    tries = Tries(*errors)
    if failures < attempts:
        assert tries.run(RetrySpec(attempts=attempts)) == "answer"
    else:
        with pytest.raises(Overloaded) as raised:
            tries.run(RetrySpec(attempts=attempts))
        assert raised.value is errors[attempts - 1]
    assert tries.made == min(attempts, failures + 1)


def test_what_a_retry_cannot_help_is_not_tried_again():
    tries = Tries(AnswerInvalid("r", "m", "no JSON"))
    with pytest.raises(AnswerInvalid):
        tries.run(RetrySpec(attempts=5))
    assert (tries.made, tries.waits) == (1, [])


class Closed(ConnectionError):
    """A project's own error."""


def budget(*, held):
    return BudgetExceeded("person:ada", "usd", Decimal(5), Decimal(5 - held), Decimal(held), Decimal(1), None)


@pytest.mark.parametrize(
    ("on", "error", "again"),
    [
        ([], Overloaded("e", "x"), True),
        ([], AnswerInvalid("r", "m", "x"), False),
        ([], Closed(), False),
        (["AnswerInvalid"], AnswerInvalid("r", "m", "x"), True),
        (["AnswerInvalid"], Overloaded("e", "x"), False),
        (["ProviderError"], RateLimited("e", "x"), True),
        (["RunError"], NodeTimedOut("run", "n", 1.0), True),
        (["Closed"], Closed(), True),
        (["ConnectionError"], Closed(), True),
        (["OSError", "ValueError"], Closed(), True),
        (["ValueError"], Closed(), False),
        (["Exception"], Closed(), True),
        (["closed"], Closed(), False),
        (["HarnessError"], WaitsForPerson("run", "n", "q"), False),
        (["Exception"], RunCancelled("run", "ada"), False),
        (["RunError"], LeaseHeld("run", "host:1", datetime(2026, 11, 24, tzinfo=UTC)), False),
        (["LimitOfRunReached", "RunError"], LimitOfRunReached("run", "limits.seconds", 3), False),
        (["BudgetExceeded"], budget(held=0), False),
        (["HarnessError"], budget(held=2), True),
        ([], budget(held=2), True),
    ],
)
def test_named_errors_and_their_children_are_tried_again_and_nothing_else_is(on, error, again):
    tries = Tries(error)
    if again:
        assert tries.run(RetrySpec(attempts=2, on=tuple(on))) == "answer"
    else:
        with pytest.raises(type(error)):
            tries.run(RetrySpec(attempts=2, on=tuple(on)))
    assert tries.made == 1 + again


def test_a_cancelled_node_is_not_tried_again_whatever_it_names():
    tries = Tries(asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        tries.run(RetrySpec(attempts=3, on=("CancelledError", "BaseException")))
    assert tries.made == 1
