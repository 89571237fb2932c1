import asyncio

import pytest

from harness.exceptions import BudgetExceeded
from tests.cli.hello_project import HelloProject
from tests.cli.said import ended


@pytest.fixture
def project(tmp_path):
    return HelloProject(tmp_path)


def limits(project):
    return project.say("budget", "list", "--json").lines


def test_a_person_s_weekly_dollars_are_the_default(project):
    said = project.say("budget", "set", "person:ada", "200", "--zone", "Europe/Berlin", "--reason", "agreed", "--json")
    assert said.code == 0
    row = said.object
    assert (row["scope"], row["unit"], row["limit"], row["per"]) == ("person:ada", "usd", "200", "week")
    assert (row["zone"], row["spent"], row["left"], row["reason"]) == ("Europe/Berlin", "0", "200", "agreed")
    assert row["resets_at"].endswith(("T22:00:00+00:00", "T23:00:00+00:00"))  # Berlin's midnight
    assert limits(project) == [row]


def test_the_zone_comes_from_the_settings(project, monkeypatch):
    monkeypatch.setenv("HARNESS_ZONE", "Asia/Tokyo")
    assert project.say("budget", "set", "person:ada", "1", "--json").object["zone"] == "Asia/Tokyo"


def test_the_table_shows_amounts_in_the_limit_s_own_unit(project):
    project.say("budget", "set", "person:ada", "0.01", "--per", "day")
    project.say("budget", "set", "organisation:default", "20000", "--unit", "tokens", "--per", "none")
    said = project.say("budget", "list")
    assert said.code == 0
    assert "$0.01" in said.out
    assert "20,000 tokens" in said.out


def test_no_limit_is_said_on_stderr_and_prints_no_data(project):
    said = project.say("budget", "list")
    assert (said.code, said.out) == (0, "")
    assert "harness budget set" in said.err


@pytest.mark.parametrize("amount", ["NaN", "-1", "1e300000", "1e30", "inf", "abc", "", "0.0000000001", "9" * 23, "1_0"])
def test_an_amount_that_is_none_is_refused_with_the_remedy(project, amount):
    said = project.say("budget", "set", "person:ada", amount)
    assert said.code == 2
    assert said.out == ""
    assert "amount" in said.err
    assert "Traceback" not in said.err
    assert "fault" not in said.err
    assert limits(project) == []


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("ada", "5"), "KIND:NAME"),
        (("persn:ada", "5"), "person"),
        (("model:scripte", "5"), "'scripted'"),
        (("workflow:helo", "5"), "'hello'"),
        (("organisation:other", "5"), "'default'"),
        (("run:1m86ccgvj1p4pfgy", "5"), "1m86ccgvj1p4pfgy"),
        (("person:ada", "5", "--zone", "Mars/Base"), "Europe/Berlin"),
        (("person:ada", "1.5", "--unit", "calls"), "whole calls"),
        (("person:ada", "5", "--per", "year"), "week"),
    ],
)
def test_a_limit_that_would_protect_nobody_is_refused(project, words, hint):
    said = project.say("budget", "set", *words)
    assert said.code == 2
    assert hint in said.err
    assert limits(project) == []


def test_setting_again_takes_the_place_of_the_same_scope_unit_and_period(project):
    project.say("budget", "set", "person:ada", "5")
    project.say("budget", "set", "person:ada", "7")
    project.say("budget", "set", "person:ada", "3", "--per", "month")
    assert [(row["limit"], row["per"]) for row in limits(project)] in (
        [("7", "week"), ("3", "month")],
        [("3", "month"), ("7", "week")],
    )


def test_a_limit_stops_the_next_run_and_raising_it_lets_it_go_on(project):
    project.say("budget", "set", "person:ada", "1", "--unit", "calls")
    stopped = project.say("run", "hello")
    assert stopped.code == 4
    assert "person:ada" in stopped.err
    assert limits(project)[0]["left"] == "0"
    project.say("budget", "set", "person:ada", "10", "--unit", "calls")
    (run,) = project.say("runs", "--json").lines
    assert project.say("resume", run["run_id"]).code == 0
    assert limits(project)[0]["spent"] == "2"


def test_a_limit_counts_what_its_period_already_spent(project):
    project.say("run", "hello")
    assert project.say("budget", "set", "person:ada", "5", "--unit", "calls", "--json").object["spent"] == "2"


def test_a_limit_acts_in_a_process_that_was_there_before(project):
    async def body() -> BaseException | None:
        async with project.house() as running:
            await running.binding_version()
            assert await running.money.balances("default", None, at=running._ambient.clock()) == ()
            said = await asyncio.to_thread(lambda: ended(project.start("budget", "set", "person:ada", "0")))
            assert said.code == 0
            from harness.engines.embedded import RunOrder
            from harness.workflow.loading import load_workflow

            loaded = load_workflow(project.folder / "workflow.yaml")
            order = RunOrder(loaded, {}, "ada", None, project.folder, project.folder, 1)
            run = await running.engine.record(order)
            outcome = await running.engine.advance(run.run_id, lambda _: None)
            return outcome.error

    error = asyncio.run(body())
    found = error
    while found is not None and not isinstance(found, BudgetExceeded):
        found = found.__cause__
    assert isinstance(found, BudgetExceeded)
    assert found.scope == "person:ada"


def test_of_several_limits_one_is_removed_by_name_or_all(project):
    for per in ("day", "week"):
        project.say("budget", "set", "person:ada", "5", "--per", per)
    several = project.say("budget", "remove", "person:ada")
    assert several.code == 2
    assert "--per day" in several.err
    assert len(limits(project)) == 2
    assert project.say("budget", "remove", "person:ada", "--per", "day", "--json").object["per"] == "day"
    assert [row["per"] for row in limits(project)] == ["week"]
    project.say("budget", "set", "person:ada", "5", "--per", "day")
    assert project.say("budget", "remove", "person:ada", "--all").code == 0
    assert limits(project) == []


def test_removing_one_that_is_not_there_names_the_nearest(project):
    project.say("budget", "set", "person:ada", "5")
    said = project.say("budget", "remove", "person:adda")
    assert said.code == 2
    assert "'person:ada'" in said.err
    assert "--unit usd --per week" in project.say("budget", "remove", "person:ada", "--unit", "calls").err
