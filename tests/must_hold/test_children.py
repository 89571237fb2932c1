"""A workflow as a step survives kills like any other run: found again, finished once, paid for once."""

import json
import signal

import pytest

from tests.must_hold.conftest import opened

pytestmark = pytest.mark.slow

ITEMS = {f"item-{number}" for number in range(6)}
OUTER = {
    "workflow": "outer",
    "inputs": ["count"],
    "state": {"count": {"type": "integer", "default": 6}, "found": {"type": "object"}},
    "nodes": {
        "step": {
            "kind": "workflow",
            "workflow": "audit",
            "inputs": {"count": {"from": "count"}},
            "outputs": ["report"],
            "output": "found",
        }
    },
    "start": "step",
}

MOMENTS = [
    ("started step", 1),  # the step is not recorded yet
    ("started step/classify", 1),
    ("after hold", 3),
    ("before settle", 2),
    ("after settle", 3),
    ("before checkpoint", 2),
    ("before checkpoint", 5),
    ("finished step/remember", 1),
    ("after settle", 7),
    ("before release", 1),  # the step's
    ("after release", 1),  # the step is done, its node is not
    ("finished step", 1),
    ("before release", 2),  # the parent's
]


@pytest.fixture
def outer(project, order):
    (project / "outer.yaml").write_text(json.dumps(OUTER))
    path = project / "harness.yaml"
    path.write_text(path.read_text().replace("audit: workflow.yaml", "audit: workflow.yaml, outer: outer.yaml"))
    return order | {"workflow": "outer"}


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: f"{moment[0]}-{moment[1]}".replace(" ", "-"))
def test_a_killed_step_completes_in_another_process_without_asking_again(driver, server, project, home, outer, moment):
    code, begun = driver.run(**outer, kill_at=moment)
    assert code == -signal.SIGKILL
    journalled, before = home.journalled(), server.requests()

    code, ended = driver.run(**outer, run=begun["run"], patience_seconds=10)
    assert (code, ended["status"], ended["error"]) == (0, "completed", None)
    assert ended["state"]["found"]["report"]["done"] is True

    after = server.requests()
    assert {asked: after[asked] for asked in journalled} == {asked: before[asked] for asked in journalled}
    assert home.journalled() == ITEMS | {"summary"}
    runs = home.rows("runs", "SELECT workflow, status, parent_path FROM runs ORDER BY parent_path")
    assert sorted(runs, key=str) == [("audit", "completed", "step"), ("outer", "completed", None)]
    tasks = home.rows("money", "SELECT kind, COUNT(*) FROM tasks GROUP BY kind ORDER BY kind")
    assert tasks == [("audit", 1), ("outer", 1), ("package", 6)]

    harness = opened(home, project)
    try:
        whole = harness.reports.run_costs("default", begun["run"])
    finally:
        harness.databases.close()
    assert whole.calls == sum(
        home.rows("money", "SELECT SUM(calls) FROM entries WHERE kind IN ('settle', 'expire')")[0]
    )
    assert whole.completed == 1
