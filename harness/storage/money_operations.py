"""Holds and settlements as operations: generators that yield one statement at a time.

They run in the writer's loop, and under a scheduler that interleaves clients; both see the same SQL. Each reads
and decides before it writes, so that one that raises has written nothing.
"""

import hashlib
import json
from collections.abc import Generator, Sequence
from datetime import datetime
from typing import Any

from harness.budgets.limits import Charge, Unit
from harness.budgets.periods import period_at
from harness.budgets.reservations import Balance, refusal
from harness.exceptions import HoldClosed
from harness.ledger.entries import EntryKind, Journalled, Send, Settlement
from harness.models.usage import Usage
from harness.storage.money_rows import (
    LIMIT_COLUMNS,
    entry_values,
    limit_from_row,
    send_from_json,
    send_to_json,
    stored_time,
)
from harness.storage.transactions import Operation, Row, Statement

Steps = Generator[Statement, Sequence[Row], Any]

_ENTRY_COLUMNS = (
    "kind, at, organisation, person, team, task_id, run_id, workflow, node, role, call_id, send_id, model, endpoint, "
    "binding_version, calls, nano_usd, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, "
    "cache_write_1h_tokens, reasoning_tokens, estimated, price_source, price_version, request_id, error, latency_ms"
)
_INSERT_ENTRY = (
    f"INSERT INTO entries ({_ENTRY_COLUMNS}) "
    f"VALUES ({', '.join(':' + column.strip() for column in _ENTRY_COLUMNS.split(','))})"
)
_INSERT_HOLD = (
    "INSERT INTO holds (send_id, organisation, person, status, lease_until, nano_usd, input_bound, output_bound, "
    "limit_spans, send) VALUES (:send_id, :organisation, :person, 'open', :lease_until, :nano_usd, :input_bound, "
    ":output_bound, :limit_spans, :send)"
)
_MOVE_BALANCE = (
    "INSERT INTO balances (limit_id, period_id, spent, held) VALUES (:limit_id, :period_id, :spent, :held) "
    "ON CONFLICT (limit_id, period_id) DO UPDATE "
    "SET spent = balances.spent + excluded.spent, held = balances.held + excluded.held"
)
_FIND_REPLY = (
    "SELECT p.content, r.send_id, r.model FROM replies r JOIN payloads p ON p.payload_id = r.payload_id "
    "WHERE r.organisation = :organisation AND r.call_id = :call_id AND r.request_digest = :request_digest"
)


def find_reply(organisation: str, call_id: str, request_digest: str) -> Operation[Journalled | None]:
    """The reply this question already got."""
    rows = yield Statement(
        _FIND_REPLY, {"organisation": organisation, "call_id": call_id, "request_digest": request_digest}
    )
    return Journalled(*rows[0]) if rows else None


def hold(send: Send, at: datetime, lease_until: datetime, *, row_lock: str) -> Operation[Journalled | None]:
    """Hold a send's bound on every limit that applies, unless its question was answered already.

    Args:
        row_lock: what makes two connections take turns at a limit: "FOR UPDATE" on PostgreSQL; nothing on SQLite,
            whose write transaction is alone.

    Raises:
        BudgetExceeded: a limit would be passed.
    """
    known = yield from find_reply(send.context.organisation, send.context.call_id, send.request_digest)
    if known is not None:
        return known
    balances = yield from read_balances(send.context.organisation, send.scopes(), at, row_lock=row_lock)
    refused = refusal(balances, send.bound)
    if refused is not None:
        raise refused
    spans = [[b.limit.limit_id, b.limit.unit.value, b.span.period_id] for b in balances]
    yield Statement(
        _INSERT_HOLD,
        {
            "send_id": send.send_id,
            "organisation": send.context.organisation,
            "person": send.context.person,
            "lease_until": stored_time(lease_until),
            "nano_usd": send.bound.nano_usd,
            "input_bound": send.input_bound,
            "output_bound": send.output_bound,
            "limit_spans": json.dumps(spans, separators=(",", ":")),
            "send": send_to_json(send),
        },
    )
    yield from _move(spans, spent=None, held=send.bound, sign=1)
    yield _entry(EntryKind.HOLD, send, at, None, send.bound, Usage(send.input_bound, send.output_bound))
    return None


def settle(send: Send, settlement: Settlement) -> Operation[None]:
    """Close a hold at its cost; the late answer of an expired one corrects what was charged for it.

    Raises:
        HoldClosed: it was settled before.
    """
    rows = yield Statement("SELECT status, limit_spans FROM holds WHERE send_id = :send_id", {"send_id": send.send_id})
    status: str = rows[0][0] if rows else "unknown"
    spans: list[list[str]] = json.loads(rows[0][1]) if rows else []
    if status == "open":
        yield from _move(spans, spent=settlement.charge, held=send.bound, sign=-1)
        kind, charge, usage = EntryKind.SETTLE, settlement.charge, settlement.usage
    elif status == "expired":
        charge = _minus(settlement.charge, send.bound)
        yield from _move(spans, spent=charge, held=None, sign=1)
        kind, usage = EntryKind.ADJUST, _usage_minus(settlement.usage, send)
    else:
        raise HoldClosed(send.send_id, status)
    yield Statement("UPDATE holds SET status = 'settled' WHERE send_id = :send_id", {"send_id": send.send_id})
    yield _entry(kind, send, settlement.at, settlement, charge, usage)
    if settlement.reply is not None:
        yield from _journal(send, settlement, settlement.reply)


def renew(send_ids: Sequence[str], lease_until: datetime) -> Operation[None]:
    """Put off the end of open holds' leases."""
    for send_id in send_ids:
        yield Statement(
            "UPDATE holds SET lease_until = :lease_until WHERE send_id = :send_id AND status = 'open'",
            {"send_id": send_id, "lease_until": stored_time(lease_until)},
        )


def expire(at: datetime) -> Operation[int]:
    """Settle holds whose lease ended at what they held: what may have been billed is never silently free."""
    rows = yield Statement(
        "SELECT send_id, send, limit_spans FROM holds WHERE status = 'open' AND lease_until < :at ORDER BY send_id",
        {"at": stored_time(at)},
    )
    expired = 0
    for send_id, kept, spans in rows:
        send = send_from_json(send_id, kept)
        closed = yield Statement(
            "UPDATE holds SET status = 'expired' WHERE send_id = :send_id AND status = 'open' RETURNING send_id",
            {"send_id": send_id},
        )
        if closed:
            expired += 1
            yield from _move(json.loads(spans), spent=send.bound, held=send.bound, sign=-1)
            usage = Usage(send.input_bound, send.output_bound)
            yield _entry(EntryKind.EXPIRE, send, at, None, send.bound, usage)
    return expired


def read_balances(
    organisation: str, scopes: Sequence[tuple[str, str]] | None, at: datetime, *, row_lock: str = ""
) -> Operation[tuple[Balance, ...]]:
    """Limits of these scopes (None: all) with what is used of them in the period that `at` falls into."""
    rows = yield _limits_of(organisation, scopes, row_lock)
    balances: list[Balance] = []
    for limit in map(limit_from_row, rows):
        # A limit knows nothing of a period before it was made, so a clock that goes back does not reach one.
        span = period_at(limit.period, limit.zone, max(at, limit.made_at))
        used = yield Statement(
            "SELECT spent, held FROM balances WHERE limit_id = :limit_id AND period_id = :period_id",
            {"limit_id": limit.limit_id, "period_id": span.period_id},
        )
        spent, held = used[0] if used else (0, 0)
        balances.append(Balance(limit, span, spent, held))
    return tuple(balances)


def _limits_of(organisation: str, scopes: Sequence[tuple[str, str]] | None, row_lock: str) -> Statement:
    parameters: dict[str, object] = {"organisation": organisation}
    condition = ""
    if scopes is not None:
        for place, (kind, name) in enumerate(scopes):
            parameters[f"kind_{place}"], parameters[f"name_{place}"] = str(kind), name
        pairs = (f"(scope_kind = :kind_{n} AND scope_id = :name_{n})" for n in range(len(scopes)))
        condition = f"AND ({' OR '.join(pairs)}) " if scopes else "AND 1 = 0 "
    return Statement(
        f"SELECT {LIMIT_COLUMNS} FROM limits WHERE organisation = :organisation AND ended_at IS NULL "
        f"{condition}ORDER BY scope_kind, scope_id, unit, period, limit_id {row_lock}",
        parameters,
    )


def _move(spans: Sequence[Sequence[str]], *, spent: Charge | None, held: Charge | None, sign: int) -> Steps:
    """Add to what is spent, and add (sign 1) or take back (-1) what is held, on each limit of a hold."""
    for limit_id, unit, period_id in spans:
        yield Statement(
            _MOVE_BALANCE,
            {
                "limit_id": limit_id,
                "period_id": period_id,
                "spent": spent.of(Unit(unit)) if spent else 0,
                "held": sign * held.of(Unit(unit)) if held else 0,
            },
        )


def _entry(
    kind: EntryKind, send: Send, at: datetime, settlement: Settlement | None, charge: Charge, usage: Usage
) -> Statement:
    return Statement(_INSERT_ENTRY, entry_values(kind, send, at, settlement, charge, usage))


def _journal(send: Send, settlement: Settlement, reply: str) -> Steps:
    context = send.context
    payload_id = hashlib.sha256(f"{send.send_id}\0{reply}".encode("utf-8", "surrogatepass")).hexdigest()
    yield Statement(
        "INSERT INTO payloads (payload_id, organisation, person, run_id, subject, content, created_at) "
        "VALUES (:payload_id, :organisation, :person, :run_id, :subject, :content, :created_at) "
        "ON CONFLICT (payload_id) DO NOTHING",
        {
            "payload_id": payload_id,
            "organisation": context.organisation,
            "person": context.person,
            "run_id": context.run_id,
            "subject": None,
            "content": reply,
            "created_at": stored_time(settlement.at),
        },
    )
    # Two sends can answer one question (a resend after a crash whose first answer came late): the first stays.
    yield Statement(
        "INSERT INTO replies (call_id, request_digest, organisation, person, send_id, model, payload_id) "
        "VALUES (:call_id, :request_digest, :organisation, :person, :send_id, :model, :payload_id) "
        "ON CONFLICT (organisation, call_id, request_digest) DO NOTHING",
        {
            "call_id": context.call_id,
            "request_digest": send.request_digest,
            "organisation": context.organisation,
            "person": context.person,
            "send_id": send.send_id,
            "model": send.model,
            "payload_id": payload_id,
        },
    )


def _minus(actual: Charge, charged: Charge) -> Charge:
    return Charge(actual.nano_usd - charged.nano_usd, actual.tokens - charged.tokens, actual.calls - charged.calls)


def _usage_minus(usage: Usage, send: Send) -> Usage:
    """Usage of an adjustment: what was used less what the expiry had charged, so that sums over entries are right."""
    return Usage(
        input_tokens=(usage.input_tokens or 0) - send.input_bound,
        output_tokens=(usage.output_tokens or 0) - send.output_bound,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )
