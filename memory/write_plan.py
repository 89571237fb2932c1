"""What writing a batch comes to, given what is there. Pure; carrying it out is left to a record store."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any

from memory.exceptions import LineageUnknown
from memory.record_store import Outcome, Written
from memory.records import MemoryRecord, NewRecord, RecordContent, Scope, Trust, lowest_trust

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Head:
    """The current version of a record, as far as writing needs it."""

    version_id: str
    digest: str
    recorded_at: datetime
    trust: Trust
    scope: Scope


@dataclass(slots=True)
class WritePlan:
    """Versions to insert, versions of before to close and when, and what to answer, in the batch's order."""

    inserts: dict[str, MemoryRecord] = field(default_factory=dict[str, MemoryRecord])
    closes: dict[str, datetime] = field(default_factory=dict[str, datetime])
    written: list[Written] = field(default_factory=list[Written])


def plan_writes(
    batch: Sequence[NewRecord], heads: Mapping[str, Head], now: datetime, new_id: Callable[[], str]
) -> WritePlan:
    """Decide for each record of a batch, one after the other, whether it is new, a correction or known.

    Args:
        heads: current versions, by record id, of the batch's records and of those they were made from.

    Raises:
        LineageUnknown: made from a record that is not there or that its scope does not see.
    """
    known = dict(heads)
    plan = WritePlan()
    for given in batch:
        trust = inherited_trust(given, known)
        new = given if trust == given.trust else replace(given, trust=trust)
        record_id, digest = new.record_id, new.digest
        head = known.get(record_id)
        if head is not None and head.digest == digest:
            plan.written.append(Written(record_id, head.version_id, Outcome.UNCHANGED))
            continue
        recorded_at = now
        if head is not None:
            # A clock that went back must not make a correction older than what it corrects.
            recorded_at = max(now, head.recorded_at + _TICK)
            _close(plan, head.version_id, recorded_at)
        version = _version(new, record_id, new_id(), recorded_at, digest)
        plan.inserts[version.version_id] = version
        known[record_id] = Head(version.version_id, digest, recorded_at, new.trust, new.scope)
        outcome = Outcome.ADDED if head is None else Outcome.CORRECTED
        plan.written.append(Written(record_id, version.version_id, outcome))
    return plan


def inherited_trust(new: NewRecord, known: Mapping[str, Head]) -> Trust:
    """The lowest of its own trust and that of everything it was made from."""
    origins: list[Trust] = []
    for record_id in new.lineage:
        head = known.get(record_id)
        if head is None or not new.scope.sees(head.scope):
            raise LineageUnknown("lineage", record_id, "no such record in its scope; write what it was made from first")
        origins.append(head.trust)
    return lowest_trust(new.trust, *origins)


def _close(plan: WritePlan, version_id: str, at: datetime) -> None:
    if version_id in plan.inserts:
        plan.inserts[version_id] = replace(plan.inserts[version_id], superseded_at=at)
    else:
        plan.closes[version_id] = at


def _version(new: NewRecord, record_id: str, version_id: str, recorded_at: datetime, digest: str) -> MemoryRecord:
    content: dict[str, Any] = {part.name: getattr(new, part.name) for part in fields(RecordContent)}
    return MemoryRecord(
        **content,
        record_id=record_id,
        version_id=version_id,
        recorded_at=recorded_at,
        superseded_at=None,
        digest=digest,
    )
