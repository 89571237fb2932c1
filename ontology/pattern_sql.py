"""A pattern as one SQL query over the ontology's tables."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, true
from sqlalchemy.sql.selectable import FromClause, ScalarSelect

from ontology import tables
from ontology.entities import LABEL, value_digest
from ontology.entity_rows import Moment
from ontology.patterns import LinkPattern, Pattern


def entities_query(organisation: str, pattern: Pattern, moment: Moment) -> Select[str, str, str | None]:
    """Identifier, type and name of the entities that fit, in their order."""
    entity = tables.entities.alias()
    name = _newest_name(entity, "value", moment)
    folded = _newest_name(entity, "value_folded", moment)
    return (
        select(entity.c.entity_id, entity.c.type, name.label("name"))
        .where(entity.c.organisation == organisation, *_conditions(entity, pattern, moment))
        # An entity without a name is first on every database, which differ in where NULL goes.
        .order_by(entity.c.type, func.coalesce(folded, ""), entity.c.entity_id)
    )


def visible(assertion: FromClause, moment: Moment) -> ColumnElement[bool]:
    """Whether an assertion holds, and is known, at a moment."""
    columns = assertion.c
    known = (
        columns.retracted_at.is_(None)
        if moment.recorded is None
        else and_(
            columns.recorded_at <= moment.recorded,
            or_(columns.retracted_at.is_(None), columns.retracted_at > moment.recorded),
        )
    )
    return and_(
        known,
        or_(columns.valid_from.is_(None), columns.valid_from <= moment.valid),
        or_(columns.valid_to.is_(None), columns.valid_to > moment.valid),
    )


def existing(entity: FromClause, moment: Moment) -> ColumnElement[bool]:
    """Whether an entity was known at a moment."""
    return true() if moment.recorded is None else entity.c.recorded_at <= moment.recorded


def _newest_name(entity: FromClause, column: str, moment: Moment) -> ScalarSelect[Any]:
    label = tables.assertions.alias()
    return (
        select(label.c[column])
        .where(_about(label, entity), label.c.property == LABEL, visible(label, moment))
        .order_by(label.c.recorded_at.desc(), label.c.assertion_id.desc())
        .limit(1)
        .scalar_subquery()
    )


def _conditions(entity: FromClause, pattern: Pattern, moment: Moment) -> Iterator[ColumnElement[bool]]:
    yield existing(entity, moment)
    if pattern.types:
        yield entity.c.type.in_(pattern.types)
    for name, values in pattern.values.items():
        row = tables.assertions.alias()
        digests = [value_digest(value) for value in values]
        has_value = and_(row.c.property == name, row.c.value_digest.in_(digests))
        yield exists().where(_about(row, entity), has_value, visible(row, moment))
    for word in pattern.text.split():
        row = tables.assertions.alias()
        has_word = row.c.value_folded.contains(word.casefold(), autoescape=True)
        yield exists().where(_about(row, entity), has_word, visible(row, moment))
    for link in pattern.links:
        yield _linked(entity, link, moment)


def _linked(entity: FromClause, link: LinkPattern, moment: Moment) -> ColumnElement[bool]:
    row = tables.assertions.alias()
    other = tables.entities.alias()
    near, far = (row.c.subject_id, row.c.object_id)
    if link.direction == "in":
        near, far = far, near
    return exists().where(
        row.c.organisation == entity.c.organisation,
        row.c.object_id.is_not(None),
        near == entity.c.entity_id,
        other.c.organisation == row.c.organisation,
        other.c.entity_id == far,
        row.c.property.in_(link.types) if link.types else true(),
        visible(row, moment),
        *_conditions(other, link.other, moment),
    )


def _about(row: FromClause, entity: FromClause) -> ColumnElement[bool]:
    return and_(row.c.organisation == entity.c.organisation, row.c.subject_id == entity.c.entity_id)
