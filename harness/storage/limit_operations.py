"""Limits and tasks as operations. A limit set in the middle of a period counts what the period already spent."""

import json
from collections.abc import Generator, Mapping, Sequence
from datetime import datetime
from typing import Any

from harness.budgets.limits import Limit, ScopeKind, Unit
from harness.budgets.periods import PeriodSpan, period_at
from harness.ledger.tasks import Task
from harness.storage.money_rows import (
    LIMIT_COLUMNS,
    RUN_AND_ITS_STEPS,
    TASK_COLUMNS,
    limit_values,
    send_from_json,
    stored_time,
    task_values,
)
from harness.storage.transactions import Operation, Row, Statement

_SCOPE_COLUMN = {
    ScopeKind.PERSON: "person",
    ScopeKind.TEAM: "team",
    ScopeKind.ORGANISATION: "organisation",
    ScopeKind.WORKFLOW: "workflow",
    ScopeKind.TASK: "task_id",
    ScopeKind.RUN: "run_id",
    ScopeKind.ROLE: "role",
    ScopeKind.MODEL: "model",
}
_SPENT = {
    Unit.USD: "SUM(nano_usd)",
    Unit.TOKENS: "SUM(COALESCE(input_tokens, 0) + COALESCE(output_tokens, 0))",
    Unit.CALLS: "SUM(calls)",
}


def set_limit(limit: Limit) -> Operation[None]:
    """Put a limit in place of the one of the same scope, unit and period, and take over what is spent and held.

    Raises:
        LimitInvalid: its zone does not exist.
    """
    span = period_at(limit.period, limit.zone, limit.made_at)
    yield Statement(
        "UPDATE limits SET ended_at = :ended_at WHERE organisation = :organisation AND scope_kind = :scope_kind "
        "AND scope_id = :scope_id AND unit = :unit AND period = :period AND ended_at IS NULL",
        {
            "ended_at": stored_time(limit.made_at),
            "organisation": limit.organisation,
            "scope_kind": limit.scope_kind.value,
            "scope_id": limit.scope_id,
            "unit": limit.unit.value,
            "period": limit.period.value,
        },
    )
    names = ", ".join(":" + column.strip() for column in LIMIT_COLUMNS.split(","))
    yield Statement(f"INSERT INTO limits ({LIMIT_COLUMNS}) VALUES ({names})", limit_values(limit))
    spent = yield from _spent_so_far(limit, span)
    held = yield from _join_holds(limit, span)
    yield Statement(
        "INSERT INTO balances (limit_id, period_id, spent, held) VALUES (:limit_id, :period_id, :spent, :held)",
        {"limit_id": limit.limit_id, "period_id": span.period_id, "spent": spent, "held": held},
    )


def end_limit(organisation: str, limit_id: str, at: datetime) -> Operation[bool]:
    """Remove a limit from those that are kept; its history stays."""
    rows = yield Statement(
        "UPDATE limits SET ended_at = :at WHERE organisation = :organisation AND limit_id = :limit_id "
        "AND ended_at IS NULL RETURNING limit_id",
        {"at": stored_time(at), "organisation": organisation, "limit_id": limit_id},
    )
    return bool(rows)


def start_task(task: Task) -> Operation[None]:
    """Record a task; one that is there stays as it is."""
    yield Statement(f"{_insert_task()} ON CONFLICT (task_id) DO NOTHING", task_values(task))


def end_task(task: Task) -> Operation[None]:
    """Record a task's outcome; the last word counts."""
    yield Statement(
        f"{_insert_task()} ON CONFLICT (task_id) DO UPDATE SET success = excluded.success, "
        "evidence = excluded.evidence, value_nano_usd = excluded.value_nano_usd, ended_at = excluded.ended_at "
        "WHERE tasks.organisation = excluded.organisation",
        task_values(task),
    )


def _insert_task() -> str:
    names = ", ".join(":" + column.strip() for column in TASK_COLUMNS.split(","))
    return f"INSERT INTO tasks ({TASK_COLUMNS}) VALUES ({names})"


def _since(span: PeriodSpan) -> str:
    return stored_time(span.starts_at) if span.starts_at else ""


def _spent_so_far(limit: Limit, span: PeriodSpan) -> Generator[Statement, Sequence[Row], int]:
    of_scope, named = _of_scope(limit)
    rows = yield Statement(
        f"SELECT {_SPENT[limit.unit]} FROM entries e WHERE organisation = :organisation AND {of_scope} AND at >= :since "
        "AND (kind IN ('settle', 'expire') OR kind = 'adjust' AND EXISTS (SELECT 1 FROM entries x "
        "WHERE x.send_id = e.send_id AND x.kind IN ('settle', 'expire') AND x.kind = 'expire' AND x.at >= :since))",
        {"organisation": limit.organisation, "since": _since(span), **named},
    )
    return int(rows[0][0] or 0)


def _of_scope(limit: Limit) -> tuple[str, Mapping[str, object]]:
    """The condition that an entry counts against a limit, with its parameters."""
    if limit.scope_kind is ScopeKind.RUN:
        return f"run_id IN ({RUN_AND_ITS_STEPS})", {"run_id": limit.scope_id}
    if limit.scope_kind is not ScopeKind.NODE:
        return f"{_SCOPE_COLUMN[limit.scope_kind]} = :scope_id", {"scope_id": limit.scope_id}
    # A call's id is its place, `#` and a number; only the number is taken off, because a path may have a `#` too.
    place = {"run_id": limit.scope_id.partition("/")[0], "place": f"{limit.scope_id}#"}
    return "run_id = :run_id AND rtrim(call_id, '0123456789') = :place", place


def _join_holds(limit: Limit, span: PeriodSpan) -> Generator[Statement, Sequence[Row], int]:
    """What sends in flight hold is held on the new limit too, and they will settle on it; returns how much.

    An expired send that the period was charged for joins it as well, because its answer may still come and correct
    that charge.
    """
    rows = yield Statement(
        "SELECT send_id, send, limit_spans, status FROM holds h WHERE organisation = :organisation "
        "AND (status = 'open' OR status = 'expired' AND EXISTS (SELECT 1 FROM entries x "
        "WHERE x.send_id = h.send_id AND x.kind IN ('settle', 'expire') AND x.kind = 'expire' AND x.at >= :since))",
        {"organisation": limit.organisation, "since": _since(span)},
    )
    held = 0
    for send_id, kept, spans_text, status in rows:
        send = send_from_json(send_id, kept)
        if (limit.scope_kind, limit.scope_id) not in send.scopes():
            continue
        spans: list[Any] = json.loads(spans_text)
        spans.append([limit.limit_id, limit.unit.value, span.period_id])
        held += send.bound.of(limit.unit) if status == "open" else 0
        yield Statement(
            "UPDATE holds SET limit_spans = :spans WHERE send_id = :send_id",
            {"spans": json.dumps(spans, separators=(",", ":")), "send_id": send_id},
        )
    return held
