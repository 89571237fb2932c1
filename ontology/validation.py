"""Whether an entity or a link is what its schema allows. Pure: takes values, returns the problems in words."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from ontology.entities import Entity, PropertyValue, derive_entity_id
from ontology.exceptions import EntityInvalid
from ontology.object_types import Property, Schema
from ontology.yaml_documents import nearest, shorten

_ABSOLUTE_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+")


def identified_entity(
    schema: Schema,
    *,
    organisation: str,
    type_name: str,
    properties: Mapping[str, PropertyValue | tuple[PropertyValue, ...]],
    name: str | None = None,
) -> Entity:
    """A valid entity, whose identifier follows from the values that tell things of its type apart.

    Args:
        schema: what its type allows.
        organisation: whose it is.
        type_name: a type of the schema that is not abstract.
        properties: a single value may stand without a tuple around it.
        name: what to call it; None takes the values of its identity.

    Raises:
        EntityInvalid: with every problem.
    """
    object_type = schema.types.get(type_name)
    if object_type is None:
        raise EntityInvalid(type_name, f"is no type of {schema.name!r}; {nearest(type_name, list(schema.types))}")
    ranges = {key: each.range for key, each in object_type.properties.items()}
    values = {
        key: tuple(_normal(each, ranges.get(key)) for each in (given if isinstance(given, tuple) else (given,)))
        for key, given in properties.items()
    }
    identity = {key: values[key][0] for key in object_type.identity if values.get(key)}
    shown = name or " ".join(str(value) for value in identity.values())
    entity = Entity(
        entity_id=derive_entity_id(organisation, type_name, identity),
        organisation=organisation,
        type=type_name,
        name=shown,
        properties=values,
    )
    problems = entity_problems(schema, entity)
    if problems:
        raise EntityInvalid(f"{type_name} {shown}".strip(), "; ".join(problems))
    return entity


def entity_problems(schema: Schema, entity: Entity) -> list[str]:
    """What keeps an entity from being of its type; empty when nothing does."""
    object_type = schema.types.get(entity.type)
    if object_type is None:
        return [f"{entity.type!r} is no type of {schema.name!r}; {nearest(entity.type, list(schema.types))}"]
    problems = [f"{entity.type!r} is abstract: use one of its kinds"] if object_type.abstract else []
    for name, values in entity.properties.items():
        if name in object_type.links:
            problems.append(f"{name!r} is a link: state it with the other entity's identifier")
        elif name not in object_type.properties:
            problems.append(
                f"{name!r} is no property of {entity.type!r}; {nearest(name, list(object_type.properties))}"
            )
        else:
            problems.extend(_property_problems(schema, object_type.properties[name], values))
    for name, required in object_type.properties.items():
        if required.required and not entity.properties.get(name):
            problems.append(f"{name!r} is missing")
    return problems


def link_problems(schema: Schema, subject_type: str, link: str, object_type: str) -> list[str]:
    """What keeps two things of these types from being linked so; empty when nothing does."""
    unknown = [each for each in (subject_type, object_type) if each not in schema.types]
    if unknown:
        return [f"{each!r} is no type of {schema.name!r}; {nearest(each, list(schema.types))}" for each in unknown]
    links = schema.types[subject_type].links
    if link not in links:
        return [f"{link!r} is no link of {subject_type!r}; {nearest(link, list(links))}"]
    if not schema.is_kind_of(object_type, links[link].range):
        return [f"{link!r} leads from {subject_type!r} to {links[link].range!r}, not to {object_type!r}"]
    return []


def value_problem(schema: Schema, range_: str, value: PropertyValue) -> str | None:
    """Why a value is not of a property's range; None when it is."""
    shown = shorten(repr(value), 80)
    if range_ in schema.enumerations:
        words = schema.enumerations[range_].values
        return None if value in words else f"{shown} is no {range_}; {nearest(str(value), words)}"
    return None if _CHECKS[range_](value) else f"{shown} is no {_IN_WORDS.get(range_, range_)}"


def _property_problems(schema: Schema, wanted: Property, values: tuple[PropertyValue, ...]) -> list[str]:
    problems = (
        [f"{wanted.name!r} can have one value, not {len(values)}"] if len(values) > 1 and not wanted.multivalued else []
    )
    for value in values:
        problem = value_problem(schema, wanted.range, value)
        if problem:
            problems.append(f"{wanted.name!r}: {problem}")
    return problems


def _normal(value: PropertyValue, range_: str | None) -> PropertyValue:
    """A whole number given for a float is that float, so that it is one value and not two."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if whole and range_ in {"float", "double"} else value


def _is_text(value: PropertyValue) -> bool:
    return isinstance(value, str)


def _is_integer(value: PropertyValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_float(value: PropertyValue) -> bool:
    return isinstance(value, float)


def _is_boolean(value: PropertyValue) -> bool:
    return isinstance(value, bool)


def _is_decimal(value: PropertyValue) -> bool:
    try:
        return isinstance(value, str) and Decimal(value).is_finite()
    except InvalidOperation:
        return False


def _is_date(value: PropertyValue) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _is_datetime(value: PropertyValue) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_iri(value: PropertyValue) -> bool:
    return isinstance(value, str) and _ABSOLUTE_IRI.fullmatch(value) is not None


_CHECKS: Mapping[str, Callable[[PropertyValue], bool]] = {
    "string": _is_text,
    "integer": _is_integer,
    "float": _is_float,
    "double": _is_float,
    "decimal": _is_decimal,
    "boolean": _is_boolean,
    "date": _is_date,
    "datetime": _is_datetime,
    "uri": _is_iri,
    "uriorcurie": _is_iri,
}
_IN_WORDS = {
    "string": "text",
    "decimal": 'decimal number in text, such as "0.10"',
    "date": "date, such as 2026-01-31",
    "datetime": "time with its offset, such as 2026-01-31T12:00:00+00:00",
    "uri": "absolute IRI, such as https://example.org/a",
    "uriorcurie": "absolute IRI or prefix:name",
}
