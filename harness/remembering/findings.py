"""Keeps what workflows found: entities and links in the ontology's store, records in the memory.

Both are checked before either is written; both are idempotent, so that a step that is repeated after a kill
completes what was begun and changes nothing else.
"""

from collections.abc import Mapping, Sequence

import anyio.to_thread

from harness.exceptions import FindingRefused
from harness.json_values import Json
from harness.remembering.scopes import writers_scope
from harness.remembering.writes import written
from harness.workflow.nodes.findings import EntityFinding, Findings, FoundBy, LinkFinding, RecordFinding, Remembered
from memory import Kind, MemoryStore, MemoryStoreError, NewRecord, Trust
from memory import Provenance as RecordProvenance
from memory.record_store import Outcome
from ontology import (
    Batch,
    Entity,
    EntityStore,
    OntologyError,
    PropertyValue,
    Provenance,
    Schema,
    Statement,
    derive_entity_id,
    identified_entity,
    link_problems,
)


class FindingsInMemory:
    """Implements `harness.workflow.nodes.findings.FindingsStore`."""

    def __init__(self, schema: Schema, entities: EntityStore, memory: MemoryStore) -> None:
        self._schema = schema
        self._entities = entities
        self._memory = memory

    async def remember(self, findings: Sequence[Findings], found_by: FoundBy) -> Remembered:
        """See the port. Blocking stores, so in a thread."""
        return await anyio.to_thread.run_sync(lambda: self._remember(findings, found_by))

    def _remember(self, findings: Sequence[Findings], found_by: FoundBy) -> Remembered:
        batch = self._batch(findings, found_by)
        records = [self._record(record, found_by) for each in findings for record in each.records]
        try:
            entities = written(lambda: self._entities.write(batch))
            kept = written(lambda: self._memory.remember(records).written)
        except (OntologyError, MemoryStoreError) as error:
            raise FindingRefused(found_by.node, str(error)) from error
        new = sum(each.outcome is not Outcome.UNCHANGED for each in kept)
        links = sum(len(each.links) for each in findings)
        return Remembered(new, len(kept) - new, entities.entities, links)

    def _batch(self, findings: Sequence[Findings], found_by: FoundBy) -> Batch:
        entities: dict[str, Entity] = {}
        statements: list[Statement] = []
        for finding in (each for found in findings for each in found.entities):
            entity = self._entity(finding, found_by)
            entities[entity.entity_id] = entity.model_copy(update={"properties": {}})
            origin = _origin(finding.source, None, None, found_by)
            for name, values in entity.properties.items():
                statements += [
                    Statement(subject_id=entity.entity_id, property=name, value=value, provenance=origin)
                    for value in values
                ]
        statements += [self._link(link, found_by) for found in findings for link in found.links]
        return Batch(
            organisation=found_by.organisation,
            principal=found_by.person,
            provenance=_origin(f"run:{found_by.run_id}", None, None, found_by),
            schema_digest=self._schema.digest,
            entities=tuple(entities.values()),
            statements=tuple(statements),
        )

    def _entity(self, finding: EntityFinding, found_by: FoundBy) -> Entity:
        try:
            return identified_entity(
                self._schema,
                organisation=found_by.organisation,
                type_name=finding.type,
                properties=_property_values(finding),
                name=finding.name,
            )
        except OntologyError as error:
            raise FindingRefused(f"{finding.type} {finding.name or ''}".strip(), str(error)) from error

    def _link(self, finding: LinkFinding, found_by: FoundBy) -> Statement:
        subject, subject_type = self._reference(finding.subject, found_by)
        target, target_type = self._reference(finding.object, found_by)
        problems = link_problems(self._schema, subject_type, finding.link, target_type)
        if problems:
            raise FindingRefused(f"{finding.subject} {finding.link} {finding.object}", "; ".join(problems))
        return Statement(
            subject_id=subject,
            property=finding.link,
            object_id=target,
            provenance=_origin(finding.source, finding.model, finding.quote, found_by),
        )

    def _record(self, finding: RecordFinding, found_by: FoundBy) -> NewRecord:
        try:
            return NewRecord(
                scope=writers_scope(found_by.scope, found_by.session, found_by),
                text=finding.text,
                kind=Kind(finding.kind),
                author=finding.model or found_by.workflow,
                provenance=RecordProvenance(
                    source=finding.source,
                    principal=found_by.person,
                    place=finding.place,
                    run_id=found_by.run_id,
                    step=found_by.node,
                    model=finding.model,
                    quote=finding.quote,
                ),
                trust=Trust.from_label(finding.trust),
                subjects=tuple(self._reference(subject, found_by)[0] for subject in finding.subjects),
                confidence=finding.confidence,
            )
        except (MemoryStoreError, ValueError) as error:
            raise FindingRefused(finding.text[:60], str(error)) from error

    def _reference(self, reference: str, found_by: FoundBy) -> tuple[str, str]:
        """The identifier and type that `Type:key` means; the type has one identifying property."""
        type_name, _, key = reference.partition(":")
        found = self._schema.types.get(type_name)
        if found is None or not key:
            raise FindingRefused(reference, f"write TYPE:KEY; types are {', '.join(self._schema.types)}")
        if len(found.identity) != 1:
            raise FindingRefused(reference, f"{type_name} has no single identifying property")
        return derive_entity_id(found_by.organisation, type_name, {found.identity[0]: key}), type_name


def _origin(source: str, model: str | None, quote: str | None, found_by: FoundBy) -> Provenance:
    return Provenance(source=source, run_id=found_by.run_id, step=found_by.node, model=model, quote=quote)


def _property_values(finding: EntityFinding) -> Mapping[str, PropertyValue | tuple[PropertyValue, ...]]:
    values: dict[str, PropertyValue | tuple[PropertyValue, ...]] = {}
    for name, value in finding.properties.items():
        if isinstance(value, list):
            values[name] = tuple(_scalar(finding, name, each) for each in value)
        elif value is not None:
            values[name] = _scalar(finding, name, value)
    return values


def _scalar(finding: EntityFinding, name: str, value: Json) -> PropertyValue:
    if isinstance(value, str | bool | int | float):
        return value
    raise FindingRefused(f"{finding.type}.{name}", "a property holds text, a number, true or false, or a list of them")
