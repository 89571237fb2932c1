"""Costs by group are what adding up the ledger by hand gives, on both databases."""

import asyncio
import itertools
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest

from harness.ledger.reports import GroupBy
from harness.ledger.tasks import Task
from harness.models.prices import usd
from harness.storage.sql_cost_reports import SqlCostReports
from harness.storage.sql_money_store import SqlMoneyStore
from harness.storage.sql_run_ledger import LedgerOfRun, SqlRunLedger
from harness.storage.transactions import TransactionWriter
from ontology.databases import sqlite_url
from tests.storage.money_samples import LEASE, NOW, a_failure, a_send, an_answer, open_money, rows_of

COLUMN = {
    GroupBy.PERSON: lambda e: e["person"],
    GroupBy.TEAM: lambda e: e["team"],
    GroupBy.WORKFLOW: lambda e: e["workflow"],
    GroupBy.ROLE: lambda e: e["role"],
    GroupBy.MODEL: lambda e: e["model"],
    GroupBy.RUN: lambda e: e["run_id"],
    GroupBy.DAY: lambda e: e["at"][:10],
    GroupBy.MONTH: lambda e: e["at"][:7],
}


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request, tmp_path):
    if request.param == "sqlite":
        url = sqlite_url(tmp_path / "money.db").render_as_string()
    else:
        url = request.getfixturevalue("postgres_url")
    engine = open_money(url)
    yield engine
    engine.dispose()


@pytest.fixture
def reports(engine):
    return SqlCostReports(engine)


class Ledger:
    """Writes sends and tasks through the store, and remembers the tasks."""

    def __init__(self, engine):
        self._writer = TransactionWriter(engine, name="money", takes_turns=True)
        self.store = SqlMoneyStore(self._writer, dialect=engine.dialect.name)
        self.tasks = {}

    def of_run(self, reports):
        run = LedgerOfRun("run-1", "run-1", "acme", "ada", "audit")
        return SqlRunLedger(run, self._writer, reports, lambda: NOW)

    def close(self):
        self._writer.close()

    async def task(self, task_id, kind, *, parent=None, success=None, at=NOW, **more):
        values = {
            "organisation": "acme",
            "person": "ada",
            "key": task_id,
            "run_id": "run-1",
            "workflow": "audit",
        } | more
        task = Task(task_id=task_id, kind=kind, parent_id=parent, started_at=at, success=success, **values)
        self.tasks[task_id] = task
        await self.store.end_task(task)

    async def send(self, name, *, at=NOW, nano=30, tokens=(20, 10), end="answer", late=False, **who):
        send = a_send(name, nano=100, tokens=(60, 40), **who)
        await self.store.hold(send, at=at, lease_seconds=LEASE)
        ended = at + timedelta(seconds=LEASE + 1)
        if end == "expire" or late:
            await self.store.expire(at=ended)
        if end == "answer":
            await self.store.settle(send, an_answer(nano, tokens=tokens, at=ended))
        elif end == "failure":
            await self.store.settle(send, a_failure(ended))
        elif end == "estimate":
            bound = an_answer(100, tokens=(60, 40), at=ended, estimated=True)
            await self.store.settle(send, replace(bound, error="Broken", reply=None))


@pytest.fixture
def ledger(engine):
    ledger = Ledger(engine)
    yield ledger
    ledger.close()


async def random_history(ledger, seed):
    chance = Random(seed)
    for number in range(12):
        parent = chance.choice([None, *(name for name, task in ledger.tasks.items() if task.parent_id is None)])
        success = chance.choice([True, True, False, None])
        at = NOW + timedelta(days=chance.randint(-40, 0))
        kind = chance.choice(["audit", "package", "mail"])
        run_id = chance.choice(["run-1", "run-2"])
        await ledger.task(f"t{number}", kind, parent=parent, success=success, at=at, run_id=run_id)
    await ledger.task("elsewhere", "audit", success=True, organisation="other")
    for number in range(60):
        await ledger.send(
            f"s{number}",
            at=NOW + timedelta(days=chance.randint(-40, 0), minutes=number),
            nano=chance.randint(0, 100),
            tokens=(chance.randint(0, 60), chance.randint(0, 40)),
            end=chance.choice(["answer"] * 4 + ["failure", "expire", "estimate"]),
            late=chance.random() < 0.3,
            task_id=chance.choice([*(f"t{each}" for each in range(12)), "nowhere"]),
            organisation=chance.choice(["acme"] * 5 + ["other"]),
            person=chance.choice(["ada", "grace"]),
            team=chance.choice(["tools", None]),
            model=chance.choice(["small", "big"]),
            role=chance.choice(["classifier", "reviewer"]),
            workflow=chance.choice(["audit", None]),
            run_id=chance.choice(["run-1", "run-2", None]),
        )


NAMES = (
    "kind, at, person, team, workflow, role, model, run_id, task_id, send_id, calls, nano_usd, input_tokens, "
    "output_tokens, estimated"
)


def entries_of(engine, organisation, since=""):
    rows = rows_of(engine, f"SELECT {NAMES} FROM entries WHERE organisation = :o AND kind <> 'hold'", o=organisation)
    entries = [dict(zip(NAMES.split(", "), row, strict=True)) for row in rows]
    return [entry for entry in entries if entry["at"] >= since]


def added_up(entries):
    """Calls, tokens, dollars and estimated dollars."""
    known = {entry["send_id"] for entry in entries if entry["kind"] == "adjust" and not entry["estimated"]}
    guesses = (e["nano_usd"] for e in entries if e["estimated"] and e["send_id"] not in known)
    return (
        sum(entry["calls"] for entry in entries),
        sum(entry["input_tokens"] or 0 for entry in entries),
        sum(entry["output_tokens"] or 0 for entry in entries),
        usd(sum(entry["nano_usd"] for entry in entries)),
        usd(sum(guesses)),
    )


def sums(line):
    return (line.calls, line.input_tokens, line.output_tokens, line.usd, line.estimated_usd)


def outcomes(tasks):
    tasks = list(tasks)
    return sum(task.success is True for task in tasks), sum(task.success is False for task in tasks)


def by_kind(tasks, entries, since):
    """Each kind's entries, its parts' included, and its tasks that were begun or charged since then."""
    groups, counted = defaultdict(list), {name for name, task in tasks.items() if task.started_at.isoformat() >= since}
    for entry in entries:
        own = tasks.get(entry["task_id"])
        root = tasks.get(own.parent_id) if own and own.parent_id else own
        for kind in {task.kind if task else "-" for task in (own, root)}:
            groups[kind].append(entry)
        counted.update(task.task_id for task in (own, root) if task)
    for name in counted:
        groups[tasks[name].kind] += []
    return {
        kind: (added_up(found), outcomes(tasks[name] for name in counted if tasks[name].kind == kind))
        for kind, found in groups.items()
    }


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("days", [None, 10])
def test_costs_are_what_adding_up_the_ledger_gives(engine, reports, ledger, seed, days):
    asyncio.run(random_history(ledger, seed))
    since = None if days is None else NOW - timedelta(days=days)
    entries = entries_of(engine, "acme", since.isoformat(timespec="microseconds") if since else "")
    tasks = {name: task for name, task in ledger.tasks.items() if task.organisation == "acme"}

    for by, key in COLUMN.items():
        lines = reports.costs("acme", by, since=since)
        assert [line.usd for line in lines] == sorted((line.usd for line in lines), reverse=True)
        expected = defaultdict(list)
        for entry in entries:
            expected[key(entry) or "-"].append(entry)
        assert {line.group: sums(line) for line in lines} == {k: added_up(each) for k, each in expected.items()}
        assert sum(line.usd for line in lines) == usd(sum(entry["nano_usd"] for entry in entries))
        for line in lines:
            owned = [tasks[e["task_id"]] for e in expected[line.group] if e["task_id"] in tasks]
            roots = {(task.parent_id or task.task_id): tasks[task.parent_id or task.task_id] for task in owned}
            assert (line.completed, line.failed) == outcomes(roots.values())

    text = since.isoformat() if since else ""
    found = {
        line.group: (sums(line), (line.completed, line.failed))
        for line in reports.costs("acme", GroupBy.KIND, since=since)
    }
    assert found == by_kind(tasks, entries, text)


def test_a_run_costs_what_its_sends_cost_and_counts_its_parts(reports, ledger):
    async def main():
        await ledger.task("run", "audit", success=True)
        for name, success in (("p1", True), ("p2", True), ("p3", False), ("p4", None)):
            await ledger.task(name, "package", parent="run", success=success)
            await ledger.send(name, task_id=name, nano=30)
        await ledger.send("own", task_id="run", nano=10)
        await ledger.send("other run", task_id="run", run_id="run-2")

    asyncio.run(main())
    line = reports.run_costs("acme", "run-1")
    assert (line.calls, line.usd, line.completed, line.failed) == (5, Decimal("0.00000013"), 2, 1)
    assert line.usd_per_completed == Decimal("0.000000065")
    assert reports.run_costs("acme", "run-1", kind="package") == line
    whole = reports.run_costs("acme", "run-1", kind="audit")
    assert (whole.calls, whole.completed, whole.failed) == (5, 1, 0)
    nothing = reports.run_costs("other", "run-1")
    assert (nothing.calls, nothing.usd, nothing.usd_per_completed) == (0, 0, None)


def test_a_run_without_parts_counts_itself(reports, ledger):
    async def main():
        await ledger.task("run", "audit", success=False)
        await ledger.send("s", task_id="run")

    asyncio.run(main())
    line = reports.run_costs("acme", "run-1")
    assert (line.completed, line.failed) == (0, 1)


def test_none_completed_is_no_price_and_never_zero(reports, ledger):
    async def main():
        await ledger.task("t", "audit", success=False)
        await ledger.send("s", task_id="t")
        await ledger.task("free", "idea", success=True)

    asyncio.run(main())
    lines = {line.group: line for line in reports.costs("acme", GroupBy.KIND)}
    assert lines["audit"].usd_per_completed is None
    assert (lines["idea"].calls, lines["idea"].usd_per_completed) == (0, 0)


def test_what_was_charged_for_no_recorded_task_is_still_told(reports, ledger):
    asyncio.run(ledger.send("s", task_id="nowhere"))
    (line,) = reports.costs("acme", GroupBy.KIND)
    assert (line.group, line.usd, line.completed) == ("-", usd(30), 0)


def test_a_task_of_last_month_that_costs_this_week_is_told_this_week(reports, ledger):
    async def main():
        await ledger.task("t", "audit", success=True, at=NOW - timedelta(days=30))
        await ledger.send("s", task_id="t")

    asyncio.run(main())
    (line,) = reports.costs("acme", GroupBy.KIND, since=NOW - timedelta(days=1))
    assert (line.group, line.usd, line.completed) == ("audit", usd(30), 1)


def test_a_bound_is_estimated_until_a_late_answer_corrects_it(reports, ledger):
    asyncio.run(ledger.send("s", end="expire"))
    (line,) = reports.costs("acme", GroupBy.PERSON)
    assert (line.usd, line.estimated_usd) == (usd(100), usd(100))
    asyncio.run(ledger.store.settle(a_send("s"), an_answer(30)))
    (line,) = reports.costs("acme", GroupBy.PERSON)
    assert (line.usd, line.estimated_usd, line.calls) == (usd(30), 0, 1)
    assert (line.input_tokens, line.output_tokens) == (20, 10)


def test_the_entries_of_a_run_are_read_in_order(reports, ledger):
    async def main():
        await ledger.send("s1", nano=30)
        await ledger.send("s2", end="failure")
        await ledger.send("s3", organisation="other")

    asyncio.run(main())
    entries = reports.run_entries("acme", "run-1")
    assert [(e.kind, e.usd, e.calls, e.error) for e in entries] == [
        ("hold", usd(100), 1, None),
        ("settle", usd(30), 1, None),
        ("hold", usd(100), 1, None),
        ("settle", 0, 0, "RateLimited"),
    ]
    assert all(later.seq > earlier.seq for earlier, later in itertools.pairwise(entries))
    assert entries[0].at == NOW
    sends = reports.run_sends("acme", "run-1")
    assert [(send.model, send.error) for send in sends] == [("small", None), ("small", "RateLimited")]


def test_sends_of_a_run_are_read_in_the_order_they_were_settled(reports, ledger):
    async def main():
        for name in ("s1", "s2", "s3"):
            await ledger.store.hold(a_send(name, model=name), at=NOW, lease_seconds=LEASE)
        await ledger.store.settle(a_send("s3", model="s3"), an_answer())
        await ledger.store.settle(a_send("s1", model="s1"), a_failure())

    asyncio.run(main())
    sends = reports.run_sends("acme", "run-1")  # the one in flight is not over
    assert [(send.model, send.error) for send in sends] == [("s3", None), ("s1", "RateLimited")]
    assert sends[0].call_id == a_send("s3").context.call_id


def test_a_send_whose_process_went_away_did_not_answer_until_its_late_answer_came(reports, ledger):
    def last():
        return [(send.model, send.error) for send in reports.run_sends("acme", "run-1")]

    asyncio.run(ledger.send("good", end="expire"))
    asyncio.run(ledger.send("bad", end="expire"))
    assert last() == [("small", "HoldExpired")] * 2
    asyncio.run(ledger.store.settle(a_send("good"), an_answer()))
    asyncio.run(ledger.store.settle(a_send("bad"), a_failure()))
    assert last() == [("small", None), ("small", "RateLimited")]


def test_who_answered_is_told_by_item_for_the_last_visit_of_each_node(reports, ledger):
    async def main():
        await ledger.send("s1", path="classify[0]", model="visit one")
        await ledger.send("s2", path="classify:2[1]", model="small", end="failure")
        await ledger.send("s3", path="classify:2[10]", model="big")
        await ledger.send("s4", path="classify:2[1]", model="big")
        await ledger.send("s5", path="classify:2[2]", model="small", end="failure")
        gone = a_send("s6", path="review", model="gone")  # its process dies, another asks again, then it expires
        await ledger.store.hold(gone, at=NOW, lease_seconds=LEASE)
        await ledger.send("s7", path="review", model="big")
        await ledger.send("s8", path="write", model="gone", end="expire")
        await ledger.send("s9", path="write", model="x", run_id="run-2")

    asyncio.run(main())
    answers = ledger.of_run(reports).answers()
    assert {node: [(each.model, each.attempts) for each in found] for node, found in answers.items()} == {
        "classify": [("big", 2), (None, 1), ("big", 1)],
        "review": [("big", 2)],
        "write": [(None, 1)],
    }


def test_a_node_says_how_its_tasks_ended_and_reads_what_they_cost(reports, ledger):
    of_run = ledger.of_run(reports)
    assert of_run.costs().usd_per_completed is None
    of_run.outcome("package", "a", success=False, evidence="no quote")
    asyncio.run(ledger.send("s", nano=30))
    costs = of_run.costs()
    assert (costs.calls, costs.completed, costs.failed, costs.usd_per_completed) == (1, 0, 1, None)
    of_run.outcome("package", "a", success=True, evidence="a person", value_usd=Decimal("1.5"))
    of_run.outcome("package", "b", success=True, evidence="a check")
    of_run.outcome("mail", "b", success=True, evidence="a check")
    assert of_run.costs().usd_per_completed == usd(10)
    assert of_run.costs("package").usd_per_completed == usd(15)
    assert of_run.costs("audit").usd_per_completed is None
