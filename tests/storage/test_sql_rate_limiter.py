"""Rate limits hold for all processes together, are learned from answers, and cost nothing where there are none."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.models.catalogue import RequestLimits
from harness.routing.rate_limiter import Caller
from harness.routing.rate_limits import ObservedLimits
from harness.storage.money_tables import MONEY_MIGRATIONS, metadata
from harness.storage.sql_rate_limiter import SqlRateLimiter
from harness.storage.transactions import TransactionWriter
from ontology.databases import sqlite_url
from tests.storage.money_samples import open_money, rows_of

ROOT = Path(__file__).resolve().parents[2]
RESERVING_PROCESS = Path(__file__).with_name("reserving_process.py")
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
UNLIMITED = Caller("acme", "there", "small", RequestLimits())
NOTHING = ObservedLimits()
_NUMBERS = count()


def declared(**limits):
    return Caller("acme", "there", "small", RequestLimits(**limits))


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


class Desk:
    """A limiter from a test without an event loop, on a clock that the test moves."""

    def __init__(self, writer):
        self.limiter = SqlRateLimiter(writer)
        self.now = NOW

    def reserve(self, caller, tokens=100):
        return asyncio.run(self.limiter.reserve(caller, tokens, at=self.now))

    def give_back(self, caller, slot, used):
        asyncio.run(self.limiter.give_back(caller, slot, used_tokens=used, at=self.now))

    def observe(self, caller, observed=NOTHING, closed=None):
        asyncio.run(self.limiter.observe(caller, observed, closed_seconds=closed, at=self.now))

    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def writer(engine):
    writer = TransactionWriter(engine, name="money", takes_turns=True)
    yield writer
    writer.close()


@pytest.fixture
def sqlite_writer(tmp_path):
    engine = open_money(sqlite_url(tmp_path / "money.db"))
    writer = TransactionWriter(engine, name="money", takes_turns=True)
    yield writer
    writer.close()
    engine.dispose()


@pytest.fixture
def desk(writer):
    return Desk(writer)


def lanes(engine):
    return rows_of(engine, "SELECT model, unit, per_minute, due_us FROM rate_lanes ORDER BY model, unit")


def test_the_revisions_make_exactly_the_tables_of_money(engine):
    assert ScriptDirectory(str(ROOT), version_locations=[str(MONEY_MIGRATIONS.folder)]).get_heads() == [
        MONEY_MIGRATIONS.newest
    ]
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": MONEY_MIGRATIONS.version_table})
        different = [each for each in compare_metadata(context, metadata) if "rate_lanes" in str(each)]
    assert different == []


def test_an_endpoint_without_limits_is_never_held_up_and_nothing_is_written(desk, engine):
    slots = [desk.reserve(UNLIMITED) for _ in range(100)]
    assert {(slot.wait_seconds, slot.taken) for slot in slots} == {(0.0, True)}
    desk.give_back(UNLIMITED, slots[0], 1)
    desk.observe(UNLIMITED)
    assert lanes(engine) == []


def test_requests_below_a_declared_limit_are_spaced_and_far_ones_are_told_to_come_back(desk):
    caller = declared(requests_per_minute=120)
    waits = [desk.reserve(caller) for _ in range(3)]
    assert [slot.taken for slot in waits] == [True, True, False]
    assert waits[0].wait_seconds == 0
    assert 0.5 <= waits[1].wait_seconds < 0.53
    assert 1 <= waits[2].wait_seconds < 1.06
    again = desk.reserve(caller)
    assert (again.taken, again.wait_seconds) == (False, waits[2].wait_seconds)  # asking takes nothing
    desk.wait(1.06)
    assert desk.reserve(caller).taken


def test_each_organisation_and_endpoint_has_its_own(desk):
    caller = declared(requests_per_minute=1)
    assert desk.reserve(caller).taken
    assert not desk.reserve(caller).taken
    for other in (
        Caller("acme", "there", "small", caller.declared, "another address"),
        Caller("other", "there", "small", caller.declared),
        Caller("acme", "elsewhere", "small", caller.declared),
    ):
        assert desk.reserve(other).wait_seconds == 0
    assert not desk.reserve(Caller("acme", "there", "large", caller.declared)).taken


def test_what_was_reserved_and_not_used_is_given_back(desk):
    caller = declared(tokens_per_minute=6000)
    slot = desk.reserve(caller, 6000)
    assert not desk.reserve(caller, 10).taken
    desk.wait(2)
    desk.give_back(caller, slot, 60)
    assert desk.reserve(caller, 10).wait_seconds == 0


def test_what_runs_off_by_itself_is_not_given_back_as_well(desk, engine):
    caller = declared(tokens_per_minute=6000)
    slot = desk.reserve(caller, 6000)
    before = lanes(engine)
    desk.wait(60)
    desk.give_back(caller, slot, 0)
    assert lanes(engine) == before


def test_a_limit_is_learned_from_an_answer_and_known_to_other_processes(desk, writer, engine):
    assert desk.reserve(UNLIMITED).wait_seconds == 0
    desk.observe(UNLIMITED, ObservedLimits(60, 100_000, 59, 99_000))
    assert [(model, unit, limit) for model, unit, limit, _ in lanes(engine)] == [
        ("small", "requests", 60),
        ("small", "tokens", 100_000),
    ]
    other = Desk(writer)
    assert desk.reserve(UNLIMITED).wait_seconds == 0
    assert other.reserve(UNLIMITED).wait_seconds > 1
    assert other.reserve(Caller("acme", "there", "large", RequestLimits())).wait_seconds == 0


def test_what_is_learned_of_one_address_is_not_believed_of_another(desk, writer):
    moved = Caller("acme", "there", "small", RequestLimits(), "moved")
    desk.observe(UNLIMITED, ObservedLimits(1, None, 0, None))
    for each in (desk, Desk(writer)):
        assert each.reserve(moved).wait_seconds == 0
        assert each.reserve(UNLIMITED).wait_seconds > 50


def test_a_clock_that_was_a_month_ahead_closes_nothing_for_longer_than_two_minutes(desk):
    caller = declared(requests_per_minute=60, tokens_per_minute=6000)
    desk.wait(30 * 86400)
    desk.reserve(caller, 6000)
    desk.wait(-30 * 86400)
    slot = desk.reserve(caller, 6000)
    assert not slot.taken
    assert slot.wait_seconds <= 120
    desk.wait(60)
    assert desk.reserve(caller, 6000).wait_seconds <= 60  # the time that passes counts
    desk.wait(61)
    assert desk.reserve(caller, 6000).wait_seconds == 0


def test_the_older_what_is_given_back_the_less_room_it_makes(desk):
    caller = declared(tokens_per_minute=6000)
    slot = desk.reserve(caller, 6000)
    desk.wait(50)
    assert not desk.reserve(caller, 5000).taken
    desk.give_back(caller, slot, 0)
    assert desk.reserve(caller, 6000).wait_seconds == 0
    desk.wait(9)
    assert desk.reserve(caller, 6000).wait_seconds > 50


def test_the_tighter_of_what_is_declared_and_what_is_learned_counts(desk):
    caller = declared(requests_per_minute=6000)
    desk.observe(caller, ObservedLimits(requests_per_minute=60))
    desk.reserve(caller)
    assert desk.reserve(caller).wait_seconds > 1
    desk.wait(60)
    desk.observe(caller, ObservedLimits(requests_per_minute=60_000))
    desk.reserve(caller)
    assert 0.01 <= desk.reserve(caller).wait_seconds < 0.02


def test_the_same_word_again_is_not_written(desk, engine):
    desk.observe(UNLIMITED, ObservedLimits(60, None, 59, None))
    before = lanes(engine)
    desk.wait(1)
    desk.observe(UNLIMITED, ObservedLimits(60, None, 58, None))
    assert lanes(engine) == before


def test_a_server_that_asks_to_wait_is_left_alone_by_all_and_then_no_more(desk, writer, engine):
    desk.observe(UNLIMITED, closed=7)
    desk.observe(UNLIMITED, closed=3)  # the shorter word does not open it earlier
    slot = desk.reserve(UNLIMITED)
    assert (slot.taken, slot.wait_seconds) == (False, 7)
    desk.wait(7)
    assert desk.reserve(UNLIMITED).wait_seconds == 0
    before = lanes(engine)
    assert desk.reserve(UNLIMITED).wait_seconds == 0
    assert lanes(engine) == before


_STEP = st.tuples(
    st.integers(0, 2),  # which process
    st.sampled_from([0, 1, 7, 30]),  # seconds later
    st.integers(1, 4000),  # tokens reserved
    st.booleans(),  # give back the oldest that is under way, all but one token
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    requests_a_minute=st.integers(1, 12), tokens_a_minute=st.integers(1000, 9000), steps=st.lists(_STEP, max_size=40)
)
def test_no_minute_holds_more_than_the_limits_whoever_asks_in_whichever_order(
    sqlite_writer, requests_a_minute, tokens_a_minute, steps
):
    limits = RequestLimits(requests_per_minute=requests_a_minute, tokens_per_minute=tokens_a_minute)
    caller = Caller(str(next(_NUMBERS)), "there", "small", limits)
    desks = [Desk(sqlite_writer) for _ in range(3)]
    now, under_way = NOW, []
    told = []  # departure, tokens taken or, below zero, given back: in the order of the database
    for which, later, amount, gives_back in steps:
        now += timedelta(seconds=later)
        desk = desks[which]
        desk.now = now
        slot = desk.reserve(caller, amount)
        if slot.taken:
            told.append((now + timedelta(seconds=slot.wait_seconds), min(amount, tokens_a_minute)))
            under_way.append(slot)
        if gives_back and under_way:
            oldest = under_way.pop(0)
            if now - oldest.at < timedelta(minutes=1):
                told.append((None, 1 - min(oldest.tokens, tokens_a_minute)))
            desk.give_back(caller, oldest, 1)
    largest = max((tokens for _, tokens in told), default=0)
    for first, (start, _) in enumerate(told):
        requests = tokens = 0
        for departs, taken in told[first:] if start else ():
            if departs is not None and departs - start >= timedelta(minutes=1):
                break
            requests += departs is not None
            tokens += taken
            assert requests <= requests_a_minute
            assert tokens <= tokens_a_minute * 7 / 6 + largest


def test_processes_together_stay_below_the_limit(money_url, engine):
    per_minute, places, several = 12_000, 250, 3
    processes = [
        subprocess.Popen(
            [sys.executable, str(RESERVING_PROCESS), money_url, str(per_minute), str(places)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for _ in range(several)
    ]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        departures = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    together = sorted(each for some in departures for each in some)
    assert len(together) == places * several
    assert min(later - earlier for earlier, later in pairwise(together)) > 0.00499  # a two-hundredth of a second
    # They came together and not one after the other.
    assert min(some[-1] for some in departures) > max(some[0] for some in departures)
