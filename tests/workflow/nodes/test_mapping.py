"""A node over a list: order, how many at a time, and what a failure stops."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.workflow.nodes.mapping import over_items


@given(st.permutations(range(7)), st.integers(1, 9))
def test_results_keep_the_items_order_whatever_finishes_first(finishing, concurrency):
    running, most = 0, 0

    async def work(place, item):
        nonlocal running, most
        assert place == item
        running += 1
        most = max(most, running)
        for _ in range(finishing[item] + 1):
            await asyncio.sleep(0)
        running -= 1
        return item * 10

    results = asyncio.run(over_items(range(7), work, max_concurrency=concurrency))
    assert results == [0, 10, 20, 30, 40, 50, 60]
    assert most == min(concurrency, 7)


def test_no_items_are_no_work():
    async def work(place, item):
        raise AssertionError

    assert asyncio.run(over_items([], work, max_concurrency=3)) == []


@given(st.integers(1, 5), st.sets(st.integers(0, 9), min_size=1), st.permutations(range(10)))
def test_after_a_failure_nothing_new_begins_and_what_runs_is_finished(concurrency, failing, turns):
    began, ended, failed = [], [], []

    async def work(place, item):
        assert not failed
        began.append(item)
        for _ in range(turns[item]):
            await asyncio.sleep(0)
        if item in failing:
            failed.append(item)
            raise ValueError(item)
        ended.append(item)
        return item

    with pytest.raises(ValueError) as raised:
        asyncio.run(over_items(range(10), work, max_concurrency=concurrency))
    assert sorted([*ended, *failed]) == sorted(began)
    assert raised.value.args == (min(failed),)


def test_being_cancelled_cancels_what_runs():
    cancelled = []

    async def work(place, item):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(item)
            raise

    async def main():
        task = asyncio.create_task(over_items(range(5), work, max_concurrency=2))
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert sorted(cancelled) == [0, 1]
