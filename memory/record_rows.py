"""A version of a record as rows of its tables, and back."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import RowMapping

from memory.records import Kind, MemoryRecord, Provenance, Scope, Sensitivity, Trust

SUBJECT = "subject"
LINEAGE = "lineage"


def record_row(record: MemoryRecord) -> dict[str, Any]:
    """The row of `memory_records`."""
    scope, origin = record.scope, record.provenance
    return {
        "version_id": record.version_id,
        "record_id": record.record_id,
        "organisation": scope.organisation,
        "team": scope.team,
        "person": scope.person,
        "agent": scope.agent,
        "session": scope.session,
        "text": record.text,
        "kind": record.kind.value,
        "author": record.author,
        "source": origin.source,
        "principal": origin.principal,
        "place": origin.place,
        "run_id": origin.run_id,
        "step": origin.step,
        "model": origin.model,
        "quote": origin.quote,
        "trust": record.trust.label,
        "valid_from": record.valid_from,
        "valid_to": record.valid_to,
        "recorded_at": record.recorded_at,
        "superseded_at": record.superseded_at,
        "confidence": record.confidence,
        "sensitivity": record.sensitivity.value,
        "expires_at": record.expires_at,
        "digest": record.digest,
    }


def link_rows(record: MemoryRecord) -> list[dict[str, Any]]:
    """The rows of `memory_record_links`."""
    return [
        {
            "version_id": record.version_id,
            "relation": relation,
            "target": target,
            "position": position,
            "organisation": record.scope.organisation,
        }
        for relation, targets in ((SUBJECT, record.subjects), (LINEAGE, record.lineage))
        for position, target in enumerate(dict.fromkeys(targets))
    ]


def scope_of(row: RowMapping) -> Scope:
    """For whom a row's record is."""
    return Scope(
        organisation=row["organisation"],
        team=row["team"],
        person=row["person"],
        agent=row["agent"],
        session=row["session"],
    )


def record_of(row: RowMapping, links: Iterable[tuple[str, str]]) -> MemoryRecord:
    """The version in a row.

    Args:
        links: relation and target of its links, in their order.
    """
    linked = list(links)
    return MemoryRecord(
        scope=scope_of(row),
        text=row["text"],
        kind=Kind(row["kind"]),
        author=row["author"],
        provenance=Provenance(
            source=row["source"],
            principal=row["principal"],
            place=row["place"],
            run_id=row["run_id"],
            step=row["step"],
            model=row["model"],
            quote=row["quote"],
        ),
        trust=Trust.from_label(row["trust"]),
        subjects=tuple(target for relation, target in linked if relation == SUBJECT),
        valid_from=row["valid_from"],
        valid_to=row["valid_to"],
        lineage=tuple(target for relation, target in linked if relation == LINEAGE),
        confidence=row["confidence"],
        sensitivity=Sensitivity(row["sensitivity"]),
        expires_at=row["expires_at"],
        record_id=row["record_id"],
        version_id=row["version_id"],
        recorded_at=row["recorded_at"],
        superseded_at=row["superseded_at"],
        digest=row["digest"],
    )
