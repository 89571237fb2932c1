"""No limit is passed, every send is charged once, a paid answer is kept: on SQLite and on PostgreSQL."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from harness.budgets.limits import ScopeKind, Unit
from harness.budgets.periods import Period
from harness.exceptions import BudgetExceeded, HoldClosed, LimitInvalid
from harness.ledger.tasks import Task
from harness.storage.sql_money_store import SqlMoneyStore
from harness.storage.transactions import TransactionWriter
from ontology.databases import sqlite_url
from tests.storage.money_samples import LATER, LEASE, NOW, a_failure, a_limit, a_send, an_answer, open_money, rows_of

ROOT = Path(__file__).resolve().parents[2]
SPENDING_PROCESS = Path(__file__).with_name("spending_process.py")


@pytest.fixture(params=["sqlite", "postgresql"])
def money_url(request, tmp_path):
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "money.db").render_as_string()
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def engine(money_url):
    engine = open_money(money_url)
    yield engine
    engine.dispose()


@pytest.fixture
def writer(engine):
    writer = TransactionWriter(engine, name="money", takes_turns=True)
    yield writer
    writer.close()


class Purse:
    """The store from a test that has no event loop of its own."""

    def __init__(self, store, engine):
        self._store = store
        self.engine = engine

    def __getattr__(self, name):
        method = getattr(self._store, name)
        return lambda *args, **kwargs: asyncio.run(method(*args, **kwargs))

    def hold(self, send, at=NOW):
        return asyncio.run(self._store.hold(send, at=at, lease_seconds=LEASE))

    def used(self, at=NOW):
        """Spent and held of each limit."""
        return {b.limit.limit_id: (b.spent, b.held) for b in self.balances("acme", None, at=at)}

    def entries(self):
        """Kind, nano-dollars, calls, estimated: in order."""
        return rows_of(self.engine, "SELECT kind, nano_usd, calls, estimated FROM entries ORDER BY seq")


@pytest.fixture
def money(writer, engine):
    return Purse(SqlMoneyStore(writer, dialect=engine.dialect.name), engine)


def test_a_send_is_held_on_every_limit_that_applies_and_settled_at_its_cost(money):
    money.set_limit(a_limit(1000))
    money.set_limit(a_limit(1000, kind=ScopeKind.TEAM, name="tools", unit=Unit.TOKENS))
    money.set_limit(a_limit(5, kind=ScopeKind.MODEL, name="small", unit=Unit.CALLS))
    money.set_limit(a_limit(1000, name="grace"))
    send = a_send("s1")

    assert money.hold(send) is None
    assert money.used() == {
        "person-ada-usd-week": (0, 100),
        "team-tools-tokens-week": (0, 100),
        "model-small-calls-week": (0, 1),
        "person-grace-usd-week": (0, 0),
    }
    money.settle(send, an_answer(30))
    assert money.used() == {
        "person-ada-usd-week": (30, 0),
        "team-tools-tokens-week": (30, 0),
        "model-small-calls-week": (1, 0),
        "person-grace-usd-week": (0, 0),
    }
    assert money.entries() == [("hold", 100, 1, 0), ("settle", 30, 1, 0)]


@pytest.mark.parametrize("kind", list(ScopeKind))
def test_every_kind_of_scope_is_held(money, kind):
    names = {
        ScopeKind.PERSON: "ada",
        ScopeKind.TEAM: "tools",
        ScopeKind.ORGANISATION: "acme",
        ScopeKind.WORKFLOW: "audit",
        ScopeKind.TASK: "task-1",
        ScopeKind.RUN: "run-1",
        ScopeKind.NODE: "run-1/place of s1",
        ScopeKind.ROLE: "classifier",
        ScopeKind.MODEL: "small",
    }
    money.set_limit(a_limit(99, kind=kind, name=names[kind]))
    with pytest.raises(BudgetExceeded) as refused:
        money.hold(a_send("s1"))
    assert refused.value.scope == f"{kind}:{names[kind]}"


def test_a_limit_that_does_not_fit_lets_nothing_be_held_on_the_others(money):
    money.set_limit(a_limit(1000, kind=ScopeKind.MODEL, name="small"))
    money.set_limit(a_limit(99))
    money.set_limit(a_limit(1000, kind=ScopeKind.TEAM, name="tools"))

    with pytest.raises(BudgetExceeded) as refused:
        money.hold(a_send("s1"))

    assert set(money.used().values()) == {(0, 0)}
    assert money.entries() == []
    assert rows_of(money.engine, "SELECT send_id FROM holds") == []
    assert refused.value.scope == "person:ada"
    assert refused.value.resets_at == datetime(2026, 11, 30, tzinfo=UTC)


def test_the_last_nano_dollar_can_be_used_and_not_one_more(money):
    money.set_limit(a_limit(200))
    money.hold(a_send("s1"))
    money.hold(a_send("s2"))
    with pytest.raises(BudgetExceeded) as refused:
        money.hold(a_send("s3", nano=1))
    assert refused.value.busy
    money.settle(a_send("s1"), an_answer(100))
    money.settle(a_send("s2"), an_answer(100))
    with pytest.raises(BudgetExceeded) as refused:
        money.hold(a_send("s3", nano=1))
    assert not refused.value.busy


def test_what_a_failure_held_returns_and_it_counts_no_call(money):
    money.set_limit(a_limit(100))
    money.set_limit(a_limit(1, unit=Unit.CALLS))
    money.hold(a_send("s1"))
    money.settle(a_send("s1"), a_failure())
    assert set(money.used().values()) == {(0, 0)}
    assert money.hold(a_send("s2")) is None


def test_a_cost_above_its_bound_is_recorded_in_full(money):
    money.set_limit(a_limit(100))
    money.hold(a_send("s1"))
    money.settle(a_send("s1"), an_answer(250))
    assert money.used() == {"person-ada-usd-week": (250, 0)}
    assert money.entries()[-1] == ("settle", 250, 1, 0)


def test_a_send_is_settled_once(money):
    money.set_limit(a_limit(1000))
    money.hold(a_send("s1"))
    money.settle(a_send("s1"), an_answer(30))
    for again in (an_answer(30), an_answer(0), a_failure()):
        with pytest.raises(HoldClosed):
            money.settle(a_send("s1"), again)
    with pytest.raises(HoldClosed):
        money.settle(a_send("never held"), an_answer(30))
    assert money.used() == {"person-ada-usd-week": (30, 0)}
    assert len(money.entries()) == 2


def test_a_hold_without_a_process_is_charged_at_its_bound_and_marked(money):
    money.set_limit(a_limit(1000))
    money.hold(a_send("s1"))
    assert money.expire(at=NOW + timedelta(seconds=LEASE)) == 0
    assert money.expire(at=LATER) == 1
    assert money.expire(at=LATER) == 0
    assert money.used() == {"person-ada-usd-week": (100, 0)}
    assert money.entries() == [("hold", 100, 1, 0), ("expire", 100, 1, 1)]


def test_a_renewed_hold_does_not_expire(money):
    money.hold(a_send("s1"))
    money.renew(["s1", "unknown"], lease_until=LATER)
    assert money.expire(at=LATER) == 0


def test_a_late_answer_corrects_an_expired_hold_exactly_and_once(money):
    money.set_limit(a_limit(1000))
    money.set_limit(a_limit(1000, unit=Unit.TOKENS))
    send = a_send("s1")
    money.hold(send)
    money.expire(at=LATER)
    money.settle(send, an_answer(30, at=LATER))

    assert money.used() == {"person-ada-usd-week": (30, 0), "person-ada-tokens-week": (30, 0)}
    assert money.entries()[-1] == ("adjust", -70, 0, 0)
    assert rows_of(money.engine, "SELECT SUM(input_tokens + output_tokens) FROM entries WHERE kind <> 'hold'") == [
        (30,)
    ]
    assert money.journalled("acme", send.context.call_id, "d").reply == '"hello"'
    with pytest.raises(HoldClosed):
        money.settle(send, an_answer(30))


def test_an_answered_question_is_answered_from_the_journal_and_holds_nothing(money):
    money.set_limit(a_limit(100))
    first, again = a_send("s1", path="p"), a_send("s2", path="p")
    money.hold(first)
    money.settle(first, an_answer(100, reply="paid for"))

    known = money.hold(again)

    assert (known.reply, known.send_id, known.model) == ('"paid for"', "s1", "small")
    assert money.used() == {"person-ada-usd-week": (100, 0)}
    assert len(money.entries()) == 2
    with pytest.raises(BudgetExceeded):
        money.hold(a_send("s3", path="p", digest="another question"))


def test_a_failure_is_not_journalled(money):
    money.hold(a_send("s1", path="p"))
    money.settle(a_send("s1", path="p"), a_failure())
    assert money.hold(a_send("s2", path="p")) is None


def test_no_organisation_reads_the_answers_of_another(money):
    mine, theirs = a_send("s1", path="p"), a_send("s2", path="p", organisation="other")
    money.hold(mine)
    money.settle(mine, an_answer(reply="ours alone"))

    assert money.journalled("other", mine.context.call_id, "d") is None
    assert money.hold(theirs) is None
    money.settle(theirs, an_answer(reply="theirs"))
    assert money.journalled("other", mine.context.call_id, "d").reply == '"theirs"'
    assert money.journalled("acme", mine.context.call_id, "d").reply == '"ours alone"'


def test_limits_of_one_organisation_do_not_hold_another(money):
    money.set_limit(a_limit(1))
    assert money.hold(a_send("s1", organisation="other")) is None
    assert money.balances("other", None, at=NOW) == ()
    assert money.end_limit("other", "person-ada-usd-week", at=NOW) is False
    with pytest.raises(BudgetExceeded):
        money.hold(a_send("s2"))


def test_a_limit_set_in_mid_period_counts_what_was_spent_and_what_is_in_flight(money):
    for number in range(3):
        money.hold(a_send(f"s{number}"))
    money.settle(a_send("s0"), an_answer(30))
    money.expire(at=NOW - timedelta(days=1))
    money.hold(a_send("other", person="grace"))

    money.set_limit(a_limit(1000))
    assert money.used() == {"person-ada-usd-week": (30, 200)}
    money.settle(a_send("s1"), an_answer(50))
    money.expire(at=LATER)
    assert money.used() == {"person-ada-usd-week": (180, 0)}
    money.settle(a_send("s2"), an_answer(20))
    assert money.used() == {"person-ada-usd-week": (100, 0)}


def test_a_replaced_limit_goes_on_where_the_old_one_was(money):
    money.set_limit(a_limit(1000, limit_id="old"))
    money.hold(a_send("s1"))
    money.settle(a_send("s1"), an_answer(40))
    money.hold(a_send("s2"))

    money.set_limit(a_limit(139, limit_id="new"))

    assert money.used() == {"new": (40, 100)}
    with pytest.raises(BudgetExceeded):
        money.hold(a_send("s3", nano=1))
    money.set_limit(a_limit(1000, limit_id="day", period=Period.DAY))
    assert money.used() == {"new": (40, 100), "day": (40, 100)}


def test_a_limit_on_a_node_counts_the_questions_of_its_own_place_alone(money):
    places = ["help", "help", "help[1]", "help/step#1", "help#1", "helper"]
    for number, path in enumerate(places):
        send = a_send(f"s{number}", path=path, ordinal=10 + number)
        money.hold(send)
        if number != 1:
            money.settle(send, an_answer(30))
    other = a_send("other", path="help", run_id="run-10")
    money.hold(other)
    money.settle(other, an_answer(30))

    money.set_limit(a_limit(230, kind=ScopeKind.NODE, name="run-1/help", period=Period.NONE, limit_id="node"))
    assert money.used()["node"] == (30, 100)
    money.hold(a_send("fits", path="help", ordinal=30))
    money.hold(a_send("elsewhere", path="help[2]"))
    with pytest.raises(BudgetExceeded, match="node:run-1/help"):
        money.hold(a_send("too much", path="help", ordinal=31))


def test_a_late_answer_corrects_a_limit_that_was_set_after_the_expiry(money):
    money.hold(a_send("s1"))
    money.expire(at=LATER)
    money.set_limit(a_limit(1000, made_at=LATER))
    assert money.used() == {"person-ada-usd-week": (100, 0)}
    money.settle(a_send("s1"), an_answer(30, at=LATER))
    assert money.used() == {"person-ada-usd-week": (30, 0)}


def test_a_correction_of_last_weeks_expiry_gives_this_week_nothing(money):
    sunday = datetime(2026, 11, 29, 23, 58, tzinfo=UTC)
    monday = sunday + timedelta(minutes=5)
    money.hold(a_send("s1"), at=sunday - timedelta(minutes=2))
    money.expire(at=sunday)
    money.settle(a_send("s1"), an_answer(10, at=monday))

    money.set_limit(a_limit(100, made_at=monday))

    assert money.used(monday) == {"person-ada-usd-week": (0, 0)}
    money.hold(a_send("s2"), at=monday)
    with pytest.raises(BudgetExceeded):
        money.hold(a_send("s3", nano=1), at=monday)


def test_a_new_week_is_a_new_balance_and_a_send_is_settled_in_the_week_it_was_held(money):
    sunday, monday = datetime(2026, 11, 29, 23, 59, tzinfo=UTC), datetime(2026, 11, 30, tzinfo=UTC)
    money.set_limit(a_limit(100))
    money.hold(a_send("s1"), at=sunday)
    money.hold(a_send("s2"), at=monday)
    money.settle(a_send("s1"), an_answer(100, at=monday))
    assert money.used(sunday) == {"person-ada-usd-week": (100, 0)}
    assert money.used(monday) == {"person-ada-usd-week": (0, 100)}


def test_a_clock_that_goes_back_over_a_border_finds_no_fresh_budget(money):
    monday = datetime(2026, 11, 30, tzinfo=UTC)
    money.hold(a_send("s1"))
    money.settle(a_send("s1"), an_answer(100, at=monday))
    money.set_limit(a_limit(100, made_at=monday))
    with pytest.raises(BudgetExceeded):
        money.hold(a_send("s2"), at=monday - timedelta(seconds=1))


def test_a_person_who_moves_zones_keeps_what_was_spent_in_the_week_of_the_new_zone(money):
    money.set_limit(a_limit(1000, limit_id="old", zone="Pacific/Kiritimati"))
    at = datetime(2026, 11, 29, 23, 0, tzinfo=UTC)  # Monday there, Sunday in Samoa
    for number, moment in enumerate((NOW, at)):
        money.hold(a_send(f"s{number}"), at=moment)
        money.settle(a_send(f"s{number}"), an_answer(100, at=moment))
    assert money.used(at) == {"old": (100, 0)}
    money.set_limit(a_limit(1000, limit_id="new", zone="Pacific/Pago_Pago", made_at=at))
    assert money.used(at) == {"new": (200, 0)}


def test_a_limit_that_was_ended_holds_nothing_more(money):
    money.set_limit(a_limit(1))
    assert money.end_limit("acme", "person-ada-usd-week", at=NOW) is True
    assert money.end_limit("acme", "person-ada-usd-week", at=NOW) is False
    assert money.hold(a_send("s1")) is None


def test_a_limit_in_a_zone_that_does_not_exist_changes_nothing(money):
    money.set_limit(a_limit(99))
    with pytest.raises(LimitInvalid):
        money.set_limit(a_limit(1000, limit_id="new", zone="Mars/Olympus_Mons"))
    assert list(money.used()) == ["person-ada-usd-week"]
    assert rows_of(money.engine, "SELECT limit_id FROM limits") == [("person-ada-usd-week",)]


@pytest.mark.parametrize("change", ["UPDATE entries SET nano_usd = 0", "DELETE FROM entries"])
def test_an_entry_is_never_changed_and_never_removed(money, change):
    money.hold(a_send("s1"))
    with pytest.raises(DBAPIError, match="append-only"), money.engine.begin() as connection:
        connection.execute(text(change))
    assert money.entries() == [("hold", 100, 1, 0)]


@pytest.mark.parametrize("kind", ["settle", "expire"])
def test_the_database_itself_refuses_a_second_closing(money, kind):
    money.hold(a_send("s1"))
    money.settle(a_send("s1"), an_answer())
    columns = [name for (name,) in _columns(money.engine) if name != "seq"]
    copied = ", ".join(f"'{kind}'" if name == "kind" else name for name in columns)
    with pytest.raises(DBAPIError, match=r"(?i)unique"), money.engine.begin() as connection:
        connection.execute(
            text(f"INSERT INTO entries ({', '.join(columns)}) SELECT {copied} FROM entries WHERE kind = 'settle'")
        )


def _columns(engine):
    if engine.dialect.name == "sqlite":
        return rows_of(engine, "SELECT name FROM pragma_table_info('entries')")
    return rows_of(engine, "SELECT column_name FROM information_schema.columns WHERE table_name = 'entries'")


def test_a_task_keeps_its_beginning_and_its_last_outcome(money):
    task = Task("t", "acme", "ada", "audit", "", "run-1", "audit", None, NOW)
    money.start_task(task)
    money.start_task(replace(task, started_at=LATER))
    money.end_task(replace(task, success=False, ended_at=LATER))
    money.end_task(replace(task, success=True, evidence="looked", ended_at=LATER, started_at=LATER))
    money.end_task(replace(task, organisation="other", success=False))
    found = rows_of(money.engine, "SELECT organisation, started_at, success, evidence FROM tasks")
    assert found == [("acme", NOW.isoformat(timespec="microseconds"), 1, "looked")]


@pytest.mark.slow
def test_processes_that_spend_at_once_never_pass_a_limit(money_url, money):
    limit = 20_011
    money.set_limit(a_limit(limit))
    money.set_limit(a_limit(10**9, kind=ScopeKind.ORGANISATION, name="acme", unit=Unit.TOKENS))
    processes = [
        subprocess.Popen(
            [sys.executable, str(SPENDING_PROCESS), money_url, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for name in ("one", "two")
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [json.loads(process.communicate(timeout=120)[0]) for process in processes]

    assert [process.returncode for process in processes] == [0, 0]
    entries = rows_of(money.engine, "SELECT kind, nano_usd FROM entries ORDER BY seq")
    spent = held = 0
    for kind, nano in entries:
        spent, held = (spent, held + nano) if kind == "hold" else (spent + nano, held - 97)
        assert spent + held <= limit
    assert held == 0
    assert spent == sum(each["billed"] for each in told)
    assert all(each["refused"] for each in told)
    assert limit - spent < 97
    assert money.used()["person-ada-usd-week"] == (spent, 0)
