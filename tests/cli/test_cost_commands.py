from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from harness.ledger.reports import GroupBy
from tests.cli.hello_project import HelloProject
from tests.cli.said import ended


@pytest.fixture
def project(tmp_path):
    return HelloProject(tmp_path)


@pytest.fixture
def charged(project):
    assert project.say("run", "hello").code == 0
    return project


def test_nothing_charged_is_said_and_prints_no_data(project):
    said = project.say("costs")
    assert (said.code, said.out) == (0, "")
    assert "nothing was charged" in said.err


def test_a_completed_task_s_dollars_stand_beside_the_total(charged):
    kind, total = charged.say("costs", "--json").lines
    # 79 tokens in at $0.15 a million and 17 out at $0.60
    assert Decimal(kind["usd"]) == Decimal("0.00002205")
    assert (kind["by"], kind["group"], kind["calls"], kind["completed"]) == ("kind", "hello", 2, 1)
    assert kind["usd_per_completed"] == kind["usd"]
    assert kind["estimated_share"] == 0
    assert {**total, "by": "kind", "group": "hello"} == kind
    table = charged.say("costs").out
    assert "$0.00002205" in table
    assert "total" in table


def test_none_completed_is_never_zero_dollars(project):
    replies = project.folder / "replies.yaml"
    replies.write_text(replies.read_text(encoding="utf-8").replace("true", "false"), encoding="utf-8")
    project.say("run", "hello")
    line = project.say("costs", "--json").lines[0]
    assert line["failed"] == 1
    assert line["usd_per_completed"] is None
    assert "none completed" in project.say("costs").out


@pytest.mark.parametrize("by", list(GroupBy))
def test_costs_are_told_apart_by_everything_and_always_add_up(charged, by):
    *lines, total = charged.say("costs", "--by", by, "--json").lines
    assert {line["by"] for line in lines} == {by.value}
    assert sum(Decimal(line["usd"]) for line in lines) == Decimal(total["usd"])


def test_the_groups_are_those_that_were_charged(charged):
    assert [line["group"] for line in charged.say("costs", "--by", "role", "--json").lines[:2]] == ["judge", "writer"]
    assert charged.say("costs", "--by", "person", "--json").lines[0]["group"] == "ada"
    assert charged.say("costs", "--by", "model", "--json").lines[0]["group"] == "scripted"


def test_since_leaves_out_what_came_before(charged):
    today = datetime.now(UTC)
    assert len(charged.say("costs", "--since", f"{today - timedelta(days=2):%Y-%m-%d}", "--json").lines) == 2
    assert charged.say("costs", "--since", f"{today + timedelta(days=2):%Y-%m-%d}", "--json").out == ""
    assert charged.say("costs", "--since", "yesterday").code == 2


def test_a_run_is_shown_call_by_call(charged):
    (run,) = charged.say("runs", "--json").lines
    found = charged.say("costs", "--run", run["run_id"], "--json").object
    assert Decimal(found["usd"]) == Decimal("0.00002205")
    assert [(each["node"], each["binding_version"]) for each in found["entries"] if each["kind"] == "settle"] == [
        ("write", 1),
        ("judge", 1),
    ]
    text = charged.say("costs", "--run", run["run_id"]).out
    assert "write" in text
    assert "a completed task: $0.00002205" in text


def test_a_run_that_is_not_there_and_a_group_that_is_none_are_refused(charged):
    (run,) = charged.say("runs", "--json").lines
    wrong = run["run_id"][:-1] + ("0" if run["run_id"][-1] != "0" else "1")
    said = charged.say("costs", "--run", wrong)
    assert said.code == 2
    assert run["run_id"] in said.err
    assert charged.say("costs", "--by", "colour").code == 2


def test_the_installed_way_to_call_it_says_the_same(charged):
    said = ended(charged.start("costs", "--json"))
    assert (said.code, said.err) == (0, "")
    assert said.out == charged.say("costs", "--json").out
