"""Whether values and JSON Schemas fit the types that state keys are declared with."""

from collections.abc import Mapping
from typing import cast

from harness.workflow.spec import Reducer, ValueType

_ACCEPTED: Mapping[Reducer, frozenset[ValueType]] = {
    Reducer.APPEND: frozenset({ValueType.ARRAY}),
    Reducer.MERGE: frozenset({ValueType.OBJECT}),
    Reducer.ADD: frozenset({ValueType.INTEGER, ValueType.NUMBER}),
    Reducer.LAST: frozenset(ValueType),
}


def reducer_fits(reducer: Reducer, declared: ValueType) -> bool:
    """Whether a reducer can join values of a type."""
    return declared is ValueType.ANY or declared in _ACCEPTED[reducer]


def reducer_types(reducer: Reducer) -> str:
    """The types that a reducer joins, for a message."""
    return " or ".join(sorted(_ACCEPTED[reducer]))


def type_of(value: object) -> str:
    """The JSON Schema word for a plain value: `null` too, which no state key is declared with."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return ValueType.BOOLEAN
    kinds = (int, float, str, list, dict)
    words = (ValueType.INTEGER, ValueType.NUMBER, ValueType.STRING, ValueType.ARRAY, ValueType.OBJECT)
    return next(word for kind, word in zip(kinds, words, strict=True) if isinstance(value, kind))


def fits(found: str, declared: ValueType) -> bool:
    """Whether a value of one type may stand in a key of another; an integer is a number."""
    return declared in (ValueType.ANY, found) or (declared is ValueType.NUMBER and found == ValueType.INTEGER)


def schema_types(schema: Mapping[str, object]) -> tuple[str, ...]:
    """The types that a JSON Schema says by `type`, `const` or `enum` at its top; empty where it says none."""
    said = schema.get("type")
    if isinstance(said, str):
        return (said,)
    if isinstance(said, list):
        return tuple(str(each) for each in cast("list[object]", said))
    if "const" in schema:
        return (type_of(schema["const"]),)
    values = schema.get("enum")
    return (
        tuple(dict.fromkeys(type_of(each) for each in cast("list[object]", values))) if isinstance(values, list) else ()
    )
