"""Whatever happens in whatever order, the money store says what a plain account of the same history says."""

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from harness.budgets.limits import Charge, Limit, ScopeKind, Unit
from harness.budgets.periods import Period, period_at
from harness.exceptions import BudgetExceeded, HoldClosed
from harness.ledger.entries import Send
from harness.storage import limit_operations, money_operations
from harness.storage.driver_sessions import DriverSession, Statement
from harness.storage.transactions import run_operation
from ontology.databases import sqlite_url
from tests.storage.money_samples import CONTEXT, LEASE, NOW, a_failure, a_limit, a_send, an_answer, open_money

SCOPES = [
    (ScopeKind.PERSON, "ada"),
    (ScopeKind.PERSON, "grace"),
    (ScopeKind.TEAM, "tools"),
    (ScopeKind.ORGANISATION, "acme"),
    (ScopeKind.MODEL, "small"),
]
ZONES = ["UTC", "Pacific/Kiritimati", "America/New_York"]


@cache
def empty_database():
    path = Path(tempfile.mkdtemp()) / "empty.db"
    open_money(sqlite_url(path)).dispose()
    return path


@dataclass
class Known:
    """What the account knows of one send."""

    send: Send
    status: str
    charges: list[tuple[datetime, Charge]] = field(default_factory=list)
    lease_until: datetime = NOW


@dataclass
class Kept:
    """A limit, the period each send counts in, and what was used of it when it was set."""

    limit: Limit
    members: dict[str, str]
    used_when_set: int = 0
    ended: bool = False


class MoneyHistories(RuleBasedStateMachine):
    """Holds, settlements, expiries, late answers, new limits, crashes and clocks that jump."""

    sends = Bundle("sends")

    @initialize()
    def open(self):
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "money.db"
        shutil.copy(empty_database(), path)
        self.engine = open_money(sqlite_url(path))
        self.session = DriverSession(self.engine)
        self.now = NOW
        self.number = 0
        self.known: dict[str, Known] = {}
        self.limits: list[Kept] = []
        self.answered: dict[tuple[str, str], str] = {}
        self.overrun = False

    def teardown(self):
        if hasattr(self, "session"):
            self.session.close()
            self.engine.dispose()
            self.folder.cleanup()

    def run(self, operation):
        self.session.begin()
        try:
            return run_operation(self.session, operation)
        finally:
            self.session.commit()

    # What the account says.

    def used(self, kept, period_id):
        counted = [self.known[each] for each, period in kept.members.items() if period == period_id]
        unit = kept.limit.unit
        spent = sum(charge.of(unit) for known in counted for _, charge in known.charges)
        held = sum(known.send.bound.of(unit) for known in counted if known.status == "open")
        return spent, held

    def applying(self, send):
        return [k for k in self.limits if not k.ended and (k.limit.scope_kind, k.limit.scope_id) in send.scopes()]

    def period(self, kept):
        return period_at(kept.limit.period, kept.limit.zone, max(self.now, kept.limit.made_at)).period_id

    def fits(self, send):
        return all(
            sum(self.used(kept, self.period(kept))) + send.bound.of(kept.limit.unit) <= kept.limit.amount
            for kept in self.applying(send)
        )

    # What happens.

    @rule(seconds=st.one_of(st.integers(1, 90), st.integers(3600, 4 * 86_400), st.integers(-90_000, -1)))
    def time_passes(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule(
        target=sends,
        nano=st.integers(0, 300),
        tokens=st.tuples(st.integers(0, 100), st.integers(0, 100)),
        person=st.sampled_from(["ada", "grace"]),
        team=st.sampled_from(["tools", None]),
        model=st.sampled_from(["small", "big"]),
        place=st.integers(0, 5),
        digest=st.sampled_from(["d", "e"]),
    )
    def hold(self, nano, tokens, person, team, model, place, digest):
        self.number += 1
        context = replace(CONTEXT, person=person, team=team, path=f"p{place}")
        name = f"s{self.number}"
        send = replace(a_send(name, nano=nano, tokens=tokens, model=model, digest=digest), context=context)
        until = self.now + timedelta(seconds=LEASE)
        operation = money_operations.hold(send, self.now, until, row_lock="")
        answered = self.answered.get((context.call_id, digest))
        if answered is not None:
            assert self.run(operation).send_id == answered
            return multiple()
        if not self.fits(send):
            try:
                self.run(operation)
            except BudgetExceeded:
                return multiple()
            raise AssertionError("a limit was passed")
        assert self.run(operation) is None
        for kept in self.applying(send):
            kept.members[name] = self.period(kept)
        self.known[name] = Known(send, "open", lease_until=until)
        return name

    @rule(name=sends, part=st.floats(0, 1), above=st.booleans(), failed=st.booleans())
    def answer(self, name, part, above, failed):
        known = self.known[name]
        nano = round(known.send.bound.nano_usd * part) + (1000 if above and part > 0.95 else 0)
        tokens = (round(known.send.input_bound * part), round(known.send.output_bound * part))
        settlement = a_failure(self.now) if failed else an_answer(nano, tokens=tokens, at=self.now)
        operation = money_operations.settle(known.send, settlement)
        if known.status == "settled":
            try:
                self.run(operation)
            except HoldClosed:
                return
            raise AssertionError("a send was settled twice")
        self.run(operation)
        self.overrun |= nano > known.send.bound.nano_usd
        charged, bound = settlement.charge, known.send.bound
        if known.status == "expired":
            charged = Charge(charged.nano_usd - bound.nano_usd, charged.tokens - bound.tokens, charged.calls - 1)
        known.charges.append((self.now, charged))
        known.status = "settled"
        if not failed:
            self.answered.setdefault((known.send.context.call_id, known.send.request_digest), name)

    @rule(name=sends)
    def renew(self, name):
        known = self.known[name]
        self.run(money_operations.renew([name], self.now + timedelta(seconds=LEASE)))
        if known.status == "open":
            known.lease_until = self.now + timedelta(seconds=LEASE)

    @rule()
    def expire(self):
        over = [each for each in self.known.values() if each.status == "open" and each.lease_until < self.now]
        assert self.run(money_operations.expire(self.now)) == len(over)
        for known in over:
            known.status = "expired"
            known.charges.append((self.now, known.send.bound))

    @rule(
        scope=st.sampled_from(SCOPES),
        unit=st.sampled_from(list(Unit)),
        period=st.sampled_from(list(Period)),
        zone=st.sampled_from(ZONES),
        amount=st.integers(0, 1500),
    )
    def set_limit(self, scope, unit, period, zone, amount):
        self.number += 1
        kind, name = scope
        amount = amount // 100 if unit is Unit.CALLS else amount
        limit = a_limit(
            amount, kind=kind, name=name, unit=unit, period=period, zone=zone, made_at=self.now,
            limit_id=f"l{self.number}",
        )  # fmt: skip
        self.run(limit_operations.set_limit(limit))
        span = period_at(period, zone, self.now)
        kept = Kept(limit, {})
        for name, known in self.known.items():
            first = known.charges[0][0] if known.charges else None
            of_now = first is not None and (span.starts_at is None or first >= span.starts_at)
            if scope in known.send.scopes() and (known.status == "open" or of_now):
                kept.members[name] = span.period_id
        kept.used_when_set = sum(self.used(kept, span.period_id))
        same = (limit.scope, unit, period)
        for other in self.limits:
            other.ended |= (other.limit.scope, other.limit.unit, other.limit.period) == same
        self.limits.append(kept)

    @rule(name=consumes(sends), cut=st.integers(0, 8))
    def crash_while_settling(self, name, cut):
        """The process dies between two statements: what it did not commit is not there."""
        known = self.known[name]
        if known.status != "open":
            return
        self.crash(money_operations.settle(known.send, an_answer(1, at=self.now)), cut)

    @rule(cut=st.integers(0, 12), place=st.integers(31, 40))
    def crash_while_holding(self, cut, place):
        send = a_send(f"crashed-{place}-{self.number}", nano=1, tokens=(1, 1), path=f"p{place}")
        self.crash(money_operations.hold(send, self.now, self.now, row_lock=""), cut)

    def crash(self, operation, cut):
        self.session.begin()
        rows = None
        try:
            for _ in range(cut):
                statement = operation.send(rows) if rows is not None else next(operation)
                rows = self.session.execute(statement)
        except (StopIteration, BudgetExceeded):
            pass
        operation.close()
        self.session.rollback()
        self.session.close()

    # What must hold.

    def rows(self, sql):
        return [tuple(row) for row in self.session.execute(Statement(sql))]

    @invariant()
    def balances_are_what_the_account_says(self):
        if not hasattr(self, "session"):
            return
        found = {(limit, period): (spent, held) for limit, period, spent, held in self.rows(
            "SELECT limit_id, period_id, spent, held FROM balances"
        )}  # fmt: skip
        for kept in self.limits:
            periods = {*kept.members.values(), *(p for (limit, p) in found if limit == kept.limit.limit_id)}
            for period in periods:
                assert found[kept.limit.limit_id, period] == self.used(kept, period)

    @invariant()
    def no_limit_is_passed(self):
        if not hasattr(self, "session") or self.overrun:
            return
        for limit_id, spent, held, amount in self.rows(
            "SELECT b.limit_id, spent, held, amount FROM balances b JOIN limits l ON l.limit_id = b.limit_id"
        ):
            kept = next(each for each in self.limits if each.limit.limit_id == limit_id)
            assert spent >= 0
            assert held >= 0
            assert kept.ended or spent + held <= max(amount, kept.used_when_set)

    @invariant()
    def every_send_is_closed_once_and_charged_what_it_cost(self):
        if not hasattr(self, "session"):
            return
        kinds = {name: Counter() for name in self.known}
        spent = Counter()
        for send_id, kind, nano in self.rows("SELECT send_id, kind, nano_usd FROM entries"):
            kinds[send_id][kind] += 1
            spent[send_id] += 0 if kind == "hold" else nano
        for name, known in self.known.items():
            closings = len(known.charges)
            assert kinds[name]["hold"] == 1
            assert kinds[name]["settle"] + kinds[name]["expire"] == min(closings, 1)
            assert kinds[name]["adjust"] == max(closings - 1, 0)
            assert spent[name] == sum(charge.nano_usd for _, charge in known.charges)


MoneyHistories.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestMoneyHistories = MoneyHistories.TestCase
