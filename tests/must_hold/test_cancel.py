"""A run is cancelled from another process: within the call in flight, with its money settled, to be resumed."""

import asyncio
import json
import os
import signal
import time

import pytest

from harness.engines.run_store import RunStatus
from harness.exceptions import RunCancelled
from tests.must_hold.conftest import is_stopped, opened, wait_until

pytestmark = pytest.mark.slow

ITEMS = {f"item-{number}" for number in range(6)}


def in_flight(home):
    return home.rows("money", "SELECT COUNT(*) FROM holds WHERE status = 'open'") != [(0,)]


def cancelled(home, project, run, person="grace"):
    """Ask as another process would: this one does not advance it."""

    async def ask():
        async with opened(home, project, person=person) as harness:
            return await harness.engine.cancel(run, person)

    return asyncio.run(ask())


def test_a_run_in_another_process_stops_within_the_call_in_flight_and_goes_on_when_resumed(
    driver, server, project, home, order
):
    pid = driver.start(**order, lease_seconds=20, stop_at=("answered classify", 2))
    wait_until(lambda: is_stopped(pid))
    run, answered, asked = driver.result(order)["run"], home.journalled(), sum(server.requests().values())
    server.restart(delay=60)  # from here it hangs
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: in_flight(home) and sum(server.requests().values()) > asked)
    before = server.requests()

    began = time.monotonic()
    told = cancelled(home, project, run)
    assert (told.status, told.cancel_requested_by) == (RunStatus.RUNNING, "grace")
    assert driver.wait(pid) == 0
    took = time.monotonic() - began
    assert took < 3, f"{took:.1f} s"

    stopped = driver.result(order)
    assert (stopped["status"], stopped["error_class"]) == ("cancelled", "RunCancelled")
    assert "was cancelled by 'grace'" in stopped["error"]
    # What was in flight may be billed: charged at what was held, and nothing is held any more.
    assert not in_flight(home)
    settled = home.rows("money", "SELECT estimated, error, nano_usd > 0 FROM entries WHERE error IS NOT NULL")
    assert settled
    assert set(settled) == {(1, "Broken", 1)}

    server.restart(delay=0)
    code, ended = driver.run(**order, run=run)
    assert (code, ended["status"], ended["error"]) == (0, "completed", None)
    after = server.requests()
    assert {each: after[each] for each in answered} == {each: before[each] for each in answered}
    assert home.journalled() == ITEMS | {"summary"}
    assert all(after[each] <= home.holds()[each] <= 3 for each in home.holds())


def test_a_run_that_nobody_advances_is_cancelled_at_once_and_can_be_resumed(driver, server, project, home, order):
    server.restart(delay=60)
    pid = driver.start(**order)
    wait_until(lambda: in_flight(home) and server.requests())
    os.kill(pid, signal.SIGINT)
    driver.wait(pid)
    run = driver.result(order)["run"]
    assert home.rows("runs", "SELECT status FROM runs") == [("interrupted",)]

    assert cancelled(home, project, run).status is RunStatus.CANCELLED
    server.restart(delay=0)
    _, ended = driver.run(**order, run=run)
    assert ended["status"] == "completed"
    assert cancelled(home, project, run).status is RunStatus.COMPLETED


def test_a_run_whose_process_died_before_it_heard_is_cancelled_by_whoever_finds_it(
    driver, server, project, home, order
):
    server.restart(delay=60)
    pid = driver.start(**order, lease_seconds=3)
    wait_until(lambda: in_flight(home) and server.requests())
    run = driver.result(order)["run"]
    os.kill(pid, signal.SIGSTOP)
    assert cancelled(home, project, run).status is RunStatus.RUNNING
    os.kill(pid, signal.SIGKILL)
    driver.wait(pid)

    server.restart(delay=0)
    asked = sum(server.requests().values())
    _, found = driver.run(**order, run=run, patience_seconds=10)
    assert (found["status"], found["error_class"]) == ("cancelled", RunCancelled.__name__)
    assert sum(server.requests().values()) == asked
    _, ended = driver.run(**order, run=run)
    assert ended["status"] == "completed"


def test_steps_are_cancelled_with_what_they_are_a_step_of(driver, server, project, home, order):
    (project / "outer.yaml").write_text(json.dumps(OUTER))
    harness_file = project / "harness.yaml"
    harness_file.write_text(
        harness_file.read_text().replace("audit: workflow.yaml", "audit: workflow.yaml, outer: outer.yaml")
    )
    server.restart(delay=60)
    pid = driver.start(**order, workflow="outer")
    wait_until(lambda: in_flight(home) and server.requests())
    (child,) = home.rows("runs", "SELECT run_id FROM runs WHERE parent_run_id IS NOT NULL")
    cancelled(home, project, child[0])  # a step is cancelled as a part of the whole
    assert driver.wait(pid) == 0
    assert driver.result(order)["status"] == "cancelled"
    assert home.rows("runs", "SELECT status, owner FROM runs") == [("cancelled", None)] * 2
    assert not in_flight(home)

    server.restart(delay=0)
    _, ended = driver.run(**order, run=driver.result(order)["run"])
    assert ended["status"] == "completed"
    assert home.rows("runs", "SELECT status FROM runs") == [("completed",)] * 2


OUTER = {
    "workflow": "outer",
    "state": {"found": {"type": "object"}},
    "nodes": {"step": {"kind": "workflow", "workflow": "audit", "outputs": ["report"], "output": "found"}},
    "start": "step",
}
