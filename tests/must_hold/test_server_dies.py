"""The model server dies in the middle: retried with waits, a clear error, and resumed once it is back."""

import os
import signal

import pytest

from tests.must_hold.conftest import Driver, Server, is_stopped, wait_until

pytestmark = pytest.mark.slow


def test_a_server_that_dies_fails_the_run_after_retries_and_the_run_goes_on_once_it_is_back(
    driver, server, home, order
):
    pid = driver.start(**order, stop_at=("answered classify", 3))
    wait_until(lambda: is_stopped(pid))
    server.kill()
    os.kill(pid, signal.SIGCONT)
    assert driver.wait(pid) == 0
    failed = driver.result(order)
    assert (failed["status"], failed["provider_error"]) == ("failed", True)
    assert "endpoint 'server'" in failed["error"]
    assert 2 <= failed["told"].count("retried classify") <= 4  # two items at a time, three attempts each
    journalled, before = home.journalled(), server.requests()

    server.start()
    _, ended = driver.run(**order, run=failed["run"])
    assert ended["status"] == "completed"
    after = server.requests()
    assert journalled
    assert {asked: after[asked] for asked in journalled} == {asked: before[asked] for asked in journalled}


def test_nothing_is_uploaded_to_langsmith_whatever_the_environment_says(order, server, tmp_path):
    elsewhere = Server(tmp_path / "langsmith.jsonl", delay=0)
    environment = {
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_TRACING_V2": "true",
        "LANGCHAIN_TRACING_V2": "true",
        "LANGSMITH_API_KEY": "none",
        "LANGSMITH_ENDPOINT": f"http://127.0.0.1:{elsewhere.port}",
        "LANGCHAIN_ENDPOINT": f"http://127.0.0.1:{elsewhere.port}",
    }
    driver = Driver(**environment)
    try:
        _, ended = driver.run(**order, wait_for_tracers=True)
        assert ended["status"] == "completed"
        assert elsewhere.paths() == []
        # The same environment does upload what is not ours: so there was something to hear.
        driver.run(**order, run=ended["run"], wait_for_tracers=True, trace_something=True)
        assert elsewhere.paths()
    finally:
        driver.close()
        elsewhere.kill()
    assert {path.rpartition("/v1")[2] for path in server.paths()} == {"/chat/completions"}
