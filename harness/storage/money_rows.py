"""Values of money to rows and back: times as sortable text, a send as the JSON that its hold keeps."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from harness.budgets.limits import Charge, Limit, ScopeKind, Unit
from harness.budgets.periods import Period
from harness.ledger.entries import CallContext, EntryKind, Send, Settlement
from harness.ledger.tasks import Task
from harness.models.prices import nano_usd, usd
from harness.models.usage import Usage

LIMIT_COLUMNS = "limit_id, organisation, scope_kind, scope_id, unit, amount, period, zone, made_by, made_at, reason"
# A run and those that are its steps, and theirs: a step's task is a part of one of its parent's.
RUN_AND_ITS_STEPS = (
    "WITH RECURSIVE tree(run_id) AS (SELECT CAST(:run_id AS TEXT) UNION SELECT part.run_id FROM tree "
    "JOIN tasks whole ON whole.run_id = tree.run_id JOIN tasks part ON part.parent_id = whole.task_id "
    "WHERE part.organisation = :organisation AND part.run_id IS NOT NULL) SELECT run_id FROM tree"
)
TASK_COLUMNS = (
    "task_id, organisation, person, kind, key, run_id, workflow, parent_id, started_at, "
    "success, evidence, value_nano_usd, ended_at"
)

_CONTEXT = ("organisation", "person", "team", "task_id", "run_id", "workflow", "node", "role")


def stored_time(at: datetime) -> str:
    """UTC to the microsecond, so that text sorts as time does."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def read_time(text: str) -> datetime:
    """The moment that `stored_time` wrote."""
    return datetime.fromisoformat(text)


def limit_from_row(row: Sequence[Any]) -> Limit:
    """A row of `LIMIT_COLUMNS`."""
    return Limit(
        limit_id=row[0],
        organisation=row[1],
        scope_kind=ScopeKind(row[2]),
        scope_id=row[3],
        unit=Unit(row[4]),
        amount=row[5],
        period=Period(row[6]),
        zone=row[7],
        made_by=row[8],
        made_at=read_time(row[9]),
        reason=row[10],
    )


def limit_values(limit: Limit) -> dict[str, object]:
    """Parameters for `LIMIT_COLUMNS`."""
    return {
        "limit_id": limit.limit_id,
        "organisation": limit.organisation,
        "scope_kind": limit.scope_kind.value,
        "scope_id": limit.scope_id,
        "unit": limit.unit.value,
        "amount": limit.amount,
        "period": limit.period.value,
        "zone": limit.zone,
        "made_by": limit.made_by,
        "made_at": stored_time(limit.made_at),
        "reason": limit.reason,
    }


def task_values(task: Task) -> dict[str, object]:
    """Parameters for `TASK_COLUMNS`."""
    return {
        "task_id": task.task_id,
        "organisation": task.organisation,
        "person": task.person,
        "kind": task.kind,
        "key": task.key,
        "run_id": task.run_id,
        "workflow": task.workflow,
        "parent_id": task.parent_id,
        "started_at": stored_time(task.started_at),
        "success": None if task.success is None else int(task.success),
        "evidence": task.evidence,
        "value_nano_usd": None if task.value_usd is None else nano_usd(task.value_usd),
        "ended_at": None if task.ended_at is None else stored_time(task.ended_at),
    }


def task_from_row(row: Sequence[Any]) -> Task:
    """A row of `TASK_COLUMNS`."""
    value: Decimal | None = None if row[11] is None else usd(row[11])
    return Task(
        task_id=row[0],
        organisation=row[1],
        person=row[2],
        kind=row[3],
        key=row[4],
        run_id=row[5],
        workflow=row[6],
        parent_id=row[7],
        started_at=read_time(row[8]),
        success=None if row[9] is None else bool(row[9]),
        evidence=row[10],
        value_usd=value,
        ended_at=None if row[12] is None else read_time(row[12]),
    )


def send_to_json(send: Send) -> str:
    """A send as its hold keeps it, so that another process can settle it."""
    context = send.context
    return json.dumps(
        {
            "context": {name: getattr(context, name) for name in (*_CONTEXT, "path", "ordinal", "within")},
            "request_digest": send.request_digest,
            "model": send.model,
            "endpoint": send.endpoint,
            "binding_version": send.binding_version,
            "nano_usd": send.bound.nano_usd,
            "calls": send.bound.calls,
            "input_bound": send.input_bound,
            "output_bound": send.output_bound,
        },
        separators=(",", ":"),
    )


def send_from_json(send_id: str, text: str) -> Send:
    """The send that `send_to_json` wrote."""
    kept: dict[str, Any] = json.loads(text)
    context = CallContext(**kept["context"])
    tokens = kept["input_bound"] + kept["output_bound"]
    return Send(
        send_id=send_id,
        context=replace(context, within=tuple(context.within)),
        request_digest=kept["request_digest"],
        model=kept["model"],
        endpoint=kept["endpoint"],
        binding_version=kept["binding_version"],
        bound=Charge(kept["nano_usd"], tokens, kept["calls"]),
        input_bound=kept["input_bound"],
        output_bound=kept["output_bound"],
    )


def entry_values(
    kind: EntryKind, send: Send, at: datetime, settlement: Settlement | None, charge: Charge, usage: Usage
) -> Mapping[str, object]:
    """One entry's parameters, by column; without a settlement those that only an answer knows are NULL."""
    context = send.context
    values: dict[str, object] = {name: getattr(context, name) for name in _CONTEXT}
    values.update(
        kind=kind.value,
        at=stored_time(at),
        call_id=context.call_id,
        send_id=send.send_id,
        model=send.model,
        endpoint=send.endpoint,
        binding_version=send.binding_version,
        calls=charge.calls,
        nano_usd=charge.nano_usd,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        estimated=int(settlement.estimated) if settlement else int(kind is EntryKind.EXPIRE),
        price_source=settlement.price_source if settlement else None,
        price_version=settlement.price_version if settlement else None,
        request_id=settlement.request_id if settlement else None,
        error=settlement.error if settlement else None,
        latency_ms=settlement.latency_ms if settlement else None,
    )
    return values
