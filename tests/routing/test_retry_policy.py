"""What is repeated inside a call, and after how long."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.exceptions import (
    Broken,
    CircuitOpen,
    ContextTooLong,
    KeyRefused,
    Overloaded,
    QuotaSpent,
    RateLimited,
    Refused,
    RequestRefused,
    Unreachable,
)
from harness.routing.retry_policy import RetryPolicy

POLICY = RetryPolicy(attempts=4, backoff_seconds=1.0, longest_backoff_seconds=3.0, longest_asked_seconds=60.0)
REPEATED = (RateLimited, Overloaded, Unreachable)


def failure(kind, *, asked=None, billed=False):
    error = kind("there", "why", retry_after_seconds=asked)
    if billed:
        error.maybe_billed = True
    return error


@pytest.mark.parametrize("kind", REPEATED)
def test_what_is_surely_not_billed_is_repeated_and_what_may_be_is_not(kind):
    assert POLICY.wait_seconds(1, failure(kind), Random(1)) is not None
    assert POLICY.wait_seconds(1, failure(kind, billed=True), Random(1)) is None


@pytest.mark.parametrize("kind", [Broken, QuotaSpent, KeyRefused, RequestRefused, ContextTooLong, Refused, CircuitOpen])
def test_what_waiting_does_not_mend_is_not_repeated(kind):
    assert POLICY.wait_seconds(1, failure(kind, asked=1), Random(1)) is None


@given(failed=st.integers(1, 10), asked=st.none() | st.floats(0, 60), seed=st.integers(0, 99))
def test_the_wait_is_what_the_server_asked_for_and_jitter_below_the_backoff(failed, asked, seed):
    wait = POLICY.wait_seconds(failed, failure(RateLimited, asked=asked), Random(seed))
    if failed >= 4:
        assert wait is None
    else:
        assert (asked or 0) <= wait <= (asked or 0) + min(2.0 ** (failed - 1), 3.0)


def test_the_jitter_is_full():
    waits = [POLICY.wait_seconds(2, failure(Overloaded), Random(seed)) for seed in range(300)]
    assert min(waits) < 0.1
    assert max(waits) > 1.9


def test_a_server_that_asks_for_too_much_patience_is_left():
    assert POLICY.wait_seconds(1, failure(RateLimited, asked=61), Random(1)) is None
