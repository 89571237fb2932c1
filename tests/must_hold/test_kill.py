"""kill -9 at many moments: the run completes elsewhere, and no answer that was recorded is asked for again."""

import asyncio
import signal
from datetime import UTC, datetime, timedelta

import pytest

from harness.ledger.reports import GroupBy
from tests.must_hold.conftest import Server, is_clean, opened
from tests.must_hold.projects import write_audit

pytestmark = pytest.mark.slow

ITEMS = {f"item-{number}" for number in range(6)}

MOMENTS = [
    ("recorded", 1),
    ("started classify", 1),
    ("after hold", 1),
    ("after hold", 4),
    ("before settle", 2),
    ("after settle", 3),  # right after a settle and before the checkpoint
    ("answered classify", 6),
    ("finished classify", 1),  # all paid for, nothing in a checkpoint
    ("before checkpoint", 4),
    ("started remember", 1),
    ("after entities", 1),  # the ontology is written, the memory is not
    ("finished remember", 1),
    ("after settle", 7),  # the last call
    ("before release", 1),  # at the end
]


@pytest.fixture(scope="module")
def undisturbed(driver, tmp_path_factory):
    """The state that a run ends with when nothing happens to it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    server = Server(folder / "requests.jsonl", delay=0)
    order = {"project": write_audit(folder / "project", server.port), "home": folder / "home"}
    _, ended = driver.run(**order, out=folder / "out.json")
    server.kill()
    assert ended["state"]["checked"] == [{"name": item, "spdx": "MIT"} for item in sorted(ITEMS)]
    return ended["state"]


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: f"{moment[0]}-{moment[1]}".replace(" ", "-"))
def test_a_killed_run_completes_in_another_process_without_asking_again(
    driver, server, home, order, moment, undisturbed
):
    code, begun = driver.run(**order, kill_at=moment)
    assert code == -signal.SIGKILL
    journalled, before = home.journalled(), server.requests()

    code, ended = driver.run(**order, run=begun["run"], patience_seconds=10)
    assert (code, ended["status"], ended["error"]) == (0, "completed", None)
    assert ended["state"] == undisturbed

    after = server.requests()
    assert {asked: after[asked] for asked in journalled} == {asked: before[asked] for asked in journalled}
    assert home.journalled() == ITEMS | {"summary"}
    # Each send is on the books, one that died in flight as well; and nothing was sent without being on them.
    holds = home.holds()
    assert all(after[asked] <= holds[asked] <= 2 for asked in holds)
    assert sum(holds.values()) <= 7 + 2


def test_a_kill_between_the_settled_answer_and_the_checkpoint_costs_nothing_on_resuming(driver, server, home, order):
    _, begun = driver.run(**order, kill_at=("finished classify", 1))
    assert home.journalled() == ITEMS
    # The summary is what remains; the server is not there for anything else.
    _, ended = driver.run(**order, run=begun["run"], patience_seconds=10)
    assert ended["status"] == "completed"
    assert [each for each in ended["told"] if each.startswith("answered classify")] == [
        "answered classify replayed"
    ] * 6
    assert server.requests() == dict.fromkeys([*ITEMS, "summary"], 1)
    spent = home.rows("money", "SELECT COUNT(*), COUNT(DISTINCT call_id) FROM entries WHERE kind = 'settle'")
    assert spent == [(7, 7)]


def test_what_died_in_flight_is_charged_beside_the_second_send_and_the_memory_is_whole(driver, project, home, order):
    _, begun = driver.run(**order, kill_at=("before settle", 2))
    driver.run(**order, run=begun["run"], patience_seconds=10, kill_at=("after entities", 1))
    code, ended = driver.run(**order, run=begun["run"], patience_seconds=10)
    assert (code, ended["status"]) == (0, "completed")

    async def looked_at():
        async with opened(home, project) as harness:
            assert await harness.money.expire(at=datetime.now(UTC) + timedelta(days=2)) >= 1
            costs = harness.reports.run_costs("default", begun["run"])
            assert costs.calls == sum(home.holds().values()) > 7
            assert costs.estimated_usd > 0
            assert sum(line.usd for line in harness.reports.costs("default", GroupBy.RUN)) == costs.usd
            assert is_clean(harness.memory)

    asyncio.run(looked_at())
    assert home.rows("money", "SELECT COUNT(*) FROM holds WHERE status = 'open'") == [(0,)]
    assert home.rows("memory", "SELECT COUNT(*) FROM memory_records WHERE superseded_at IS NULL") == [(6,)]
