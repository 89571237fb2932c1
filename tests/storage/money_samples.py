"""Sends, settlements and limits as the tests of money need them, with their amounts in whole nano-dollars."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from harness.budgets.limits import Charge, Limit, ScopeKind, Unit
from harness.budgets.periods import Period
from harness.ledger.entries import CallContext, Send, Settlement
from harness.models.usage import Usage
from harness.storage.money_tables import MONEY_MIGRATIONS
from ontology.databases import open_database, upgrade

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)  # a Tuesday
LEASE = 60.0
LATER = NOW + timedelta(seconds=LEASE + 1)

CONTEXT = CallContext(
    organisation="acme",
    person="ada",
    team="tools",
    task_id="task-1",
    role="classifier",
    path="classify[0]",
    run_id="run-1",
    workflow="audit",
    node="classify",
)


def a_send(send_id, *, nano=100, tokens=(60, 40), model="small", digest="d", context=None, **who):
    """A send whose bound is `nano` nano-dollars and these input and output tokens."""
    who.setdefault("path", f"place of {send_id}")
    return Send(
        send_id=send_id,
        context=replace(context or CONTEXT, **who),
        request_digest=digest,
        model=model,
        endpoint="here",
        binding_version=7,
        bound=Charge(nano, sum(tokens)),
        input_bound=tokens[0],
        output_bound=tokens[1],
    )


def an_answer(nano=30, *, tokens=(20, 10), reply="hello", at=NOW, **more):
    """What settles a send that was answered."""
    usage = Usage(*tokens)
    return Settlement(Charge(nano, sum(tokens)), usage, "list", "v1", at, 5, reply=f'"{reply}"', **more)


def a_failure(at=NOW):
    """What settles a send that was not billed."""
    return Settlement(Charge(0, 0, 0), Usage(), "not billed", "", at, 5, error="RateLimited")


def a_limit(amount, *, kind=ScopeKind.PERSON, name="ada", unit=Unit.USD, period=Period.WEEK, limit_id=None, **more):
    """A cap of the organisation acme."""
    values = {
        "limit_id": limit_id or f"{kind}-{name}-{unit}-{period}",
        "organisation": "acme",
        "scope_kind": kind,
        "scope_id": name,
        "unit": unit,
        "amount": amount,
        "period": period,
        "zone": "UTC",
        "made_by": "grace",
        "made_at": NOW,
    }
    return Limit(**values | more)


def open_money(url):
    """The database with the tables of money, empty where it is PostgreSQL's."""
    if str(url).startswith("postgresql"):
        engine = open_database(url)
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        engine.dispose()
    engine = open_database(url)
    upgrade(engine, MONEY_MIGRATIONS)
    return engine


def rows_of(engine, sql, **parameters):
    """What a SELECT finds now."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql), parameters)]
