"""Values of the ontology to rows of its tables, and back."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from ontology.entities import (
    LABEL,
    Assertion,
    Batch,
    Link,
    PropertyValue,
    Provenance,
    Statement,
    canonical_value,
    fact_digest,
    value_digest,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Moment(NamedTuple):
    """The two times of a question as the tables count them; `recorded` None is whatever stands now."""

    valid: int
    recorded: int | None


def microseconds(moment: datetime) -> int:
    """A time as whole microseconds since 1970 in UTC; exact, which a float is not."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment_of(count: int) -> datetime:
    """The time that many microseconds after 1970, in UTC."""
    return _EPOCH + timedelta(microseconds=count)


def statements_of(batch: Batch) -> Iterator[Statement]:
    """All that a batch says: the names and values of its entities, then its statements."""
    for entity in batch.entities:
        yield Statement(subject_id=entity.entity_id, property=LABEL, value=entity.name)
        for name, values in entity.properties.items():
            for value in values:
                yield Statement(subject_id=entity.entity_id, property=name, value=value)
    yield from batch.statements


def assertion_row(batch: Batch, statement: Statement, recorded_at: int) -> dict[str, Any]:
    """A new row, still without its identifier."""
    provenance = statement.provenance or batch.provenance
    value = statement.value
    return {
        "organisation": batch.organisation,
        "fact_digest": fact_digest(batch.organisation, statement, provenance.source),
        "subject_id": statement.subject_id,
        "property": statement.property,
        "value": None if value is None else canonical_value(value),
        "value_digest": None if value is None else value_digest(value),
        "value_folded": value.casefold() if isinstance(value, str) else None,
        "object_id": statement.object_id,
        "valid_from": None if statement.valid_from is None else microseconds(statement.valid_from),
        "valid_to": None if statement.valid_to is None else microseconds(statement.valid_to),
        "recorded_at": recorded_at,
        "confidence": statement.confidence,
        "principal": batch.principal,
        "schema_digest": batch.schema_digest,
        **provenance.model_dump(),
    }


def value_of(row: Mapping[str, Any]) -> PropertyValue:
    """The value of a row that holds one."""
    return json.loads(row["value"])


def assertion_of(row: Mapping[str, Any]) -> Assertion:
    """A row as it was recorded."""
    return Assertion(
        assertion_id=row["assertion_id"],
        organisation=row["organisation"],
        subject_id=row["subject_id"],
        property=row["property"],
        value=None if row["value"] is None else value_of(row),
        object_id=row["object_id"],
        valid_from=_optional(row["valid_from"]),
        valid_to=_optional(row["valid_to"]),
        recorded_at=moment_of(row["recorded_at"]),
        retracted_at=_optional(row["retracted_at"]),
        retracted_by=row["retracted_by"],
        retraction_reason=row["retraction_reason"],
        confidence=row["confidence"],
        principal=row["principal"],
        schema_digest=row["schema_digest"],
        provenance=_provenance_of(row),
    )


def link_of(row: Mapping[str, Any]) -> Link:
    """A row that links two entities, as an edge."""
    return Link(
        assertion_id=row["assertion_id"],
        type=row["property"],
        subject_id=row["subject_id"],
        object_id=row["object_id"],
        valid_from=_optional(row["valid_from"]),
        valid_to=_optional(row["valid_to"]),
        confidence=row["confidence"],
        provenance=_provenance_of(row),
    )


def _provenance_of(row: Mapping[str, Any]) -> Provenance:
    return Provenance(**{name: row[name] for name in Provenance.model_fields})


def _optional(count: int | None) -> datetime | None:
    return None if count is None else moment_of(count)
