"""Work handed to a loop in another thread is done there, can be cancelled, and is refused where nothing would come of it."""

import asyncio
import threading

import pytest

from harness.portal import Portal, running_loop, submitted


@pytest.fixture
def portal():
    made = Portal()
    yield made
    made.close()


def test_work_is_done_in_the_loops_own_thread(portal):
    async def where():
        return threading.current_thread().name, running_loop() is portal.loop

    assert portal.submitted(where).result(5) == ("harness-portal", True)
    assert running_loop() is None


def test_what_it_raises_is_raised_to_the_caller(portal):
    async def fail():
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        portal.submitted(fail).result(5)


def test_cancelling_the_future_cancels_the_work(portal):
    begun, ended = threading.Event(), threading.Event()

    async def wait():
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    future = portal.submitted(wait)
    assert begun.wait(5)
    future.cancel()
    assert ended.wait(5)


def test_closing_ends_what_is_under_way_and_its_thread():
    portal, begun, ended = Portal("short-lived"), threading.Event(), threading.Event()

    async def wait():
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    portal.submitted(wait)
    assert begun.wait(5)
    portal.close()
    portal.close()
    assert ended.is_set()
    assert "short-lived" not in [each.name for each in threading.enumerate()]


def test_a_loop_that_does_not_run_takes_no_work(portal):
    async def nothing():
        """Never begun."""

    loop = asyncio.new_event_loop()
    with pytest.raises(RuntimeError):
        submitted(loop, nothing)
    loop.close()
    portal.close()
    with pytest.raises(RuntimeError):
        portal.submitted(nothing)
