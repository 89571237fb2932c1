"""One process at a time advances a run; it survives its process, and a process that lost it stops."""

import os
import signal

import pytest

from tests.must_hold.conftest import is_clean, is_stopped, opened, wait_until

pytestmark = pytest.mark.slow


def in_flight(home):
    return home.rows("money", "SELECT COUNT(*) FROM holds WHERE status = 'open'") != [(0,)]


def test_a_run_is_its_process_s_while_that_lives_and_anybodys_after_its_kill(driver, server, home, order, tmp_path):
    server.restart(delay=60)
    pid = driver.start(**order)
    wait_until(lambda: in_flight(home))
    run = driver.result(order)["run"]

    # Longer than the lease: it is renewed.
    code, second = driver.run(**order | {"out": tmp_path / "second.json"}, run=run, patience_seconds=1.2)
    assert (code, second["refused"]) == (0, "LeaseHeld")
    assert "if that process is gone" in second["error"]

    os.kill(pid, signal.SIGKILL)
    assert driver.wait(pid) == -signal.SIGKILL
    server.restart(delay=0)
    _, third = driver.run(**order, run=run, patience_seconds=60)
    assert third["status"] == "completed"


def test_of_two_that_resume_at_once_exactly_one_advances(driver, server, home, order, tmp_path):
    _, begun = driver.run(**order, kill_at=("recorded", 1))
    orders = [order | {"out": tmp_path / f"{name}.json", "run": begun["run"]} for name in ("one", "two")]
    pids = [driver.start(**each) for each in orders]
    assert [driver.wait(pid) for pid in pids] == [0, 0]
    results = [driver.result(each) for each in orders]
    assert len([each for each in results if each["told"]]) == 1
    assert [each["status"] for each in results if each["told"]] == ["completed"]
    assert set(server.requests().values()) == {1}


@pytest.mark.parametrize("moment", [("before checkpoint", 3), ("answered classify", 2), ("after settle", 6)])
def test_a_process_that_lost_its_lease_writes_nothing_more_of_the_run(driver, server, home, order, tmp_path, moment):
    pid = driver.start(**order, stop_at=moment)
    wait_until(lambda: is_stopped(pid))
    run = driver.result(order)["run"]
    _, other = driver.run(**order | {"out": tmp_path / "other.json"}, run=run, patience_seconds=60)
    assert other["status"] == "completed"
    checkpoints = home.rows("runs", "SELECT * FROM checkpoints ORDER BY checkpoint_id")

    os.kill(pid, signal.SIGCONT)
    assert driver.wait(pid) == 0
    late = driver.result(order)
    assert late["refused"] in ("LeaseHeld", "RunInterrupted")
    assert home.rows("runs", "SELECT * FROM checkpoints ORDER BY checkpoint_id") == checkpoints
    _, again = driver.run(**order, run=run)
    assert (again["status"], again["state"], again["told"]) == ("completed", other["state"], [])


def test_an_interrupted_run_settles_the_call_in_flight_and_is_resumed(driver, server, home, order):
    server.restart(delay=60)
    pid = driver.start(**order)
    wait_until(lambda: in_flight(home) and server.requests())
    os.kill(pid, signal.SIGINT)
    assert driver.wait(pid) == 0
    stopped = driver.result(order)
    assert stopped["refused"] == "interrupted"
    assert home.rows("runs", "SELECT status, owner FROM runs") == [("interrupted", None)]
    assert not in_flight(home)
    # The requests left, so they may be billed: charged at what was held.
    settled = home.rows("money", "SELECT estimated, error, nano_usd > 0 FROM entries WHERE kind = 'settle'")
    assert set(settled) == {(1, "Broken", 1)}

    server.restart(delay=0)
    _, ended = driver.run(**order, run=stopped["run"])
    assert ended["status"] == "completed"


def test_two_processes_on_one_home_lose_nothing(driver, server, project, home, order, tmp_path):
    orders = [
        order | {"out": tmp_path / f"{name}.json", "person": name, "inputs": {"prefix": name}}
        for name in ("ada", "grace")
    ]
    pids = [driver.start(**each) for each in orders]
    assert [driver.wait(pid) for pid in pids] == [0, 0]
    results = [driver.result(each) for each in orders]
    assert [each["error"] for each in results] == [None, None]

    harness = opened(home, project)
    try:
        assert is_clean(harness.memory)
        runs = [harness.reports.run_costs("default", each["run"]) for each in results]
    finally:
        harness.memory.close()
        harness.databases.close()
    assert home.rows("memory", "SELECT COUNT(DISTINCT record_id) FROM memory_records") == [(12,)]
    assert home.rows("memory", "SELECT COUNT(*) FROM memory_outbox") == [(0,)]
    entities = "SELECT COUNT(*) FROM ontology_entities"
    assert home.rows("memory", entities) == [(13,)]
    assert [(each.calls, each.completed) for each in runs] == [(7, 6), (7, 6)]
    kinds = dict(home.rows("money", "SELECT kind, COUNT(*) FROM entries GROUP BY kind"))
    assert kinds == {"hold": 14, "settle": 14}
