"""A model's text as the value its JSON Schema asks for, or the reason in words why it is none.

Nothing is repaired or searched for: whitespace around the answer and one ```json fence are taken off, and what is
left is valid or refused. What happens then (asking again, another model, failing) is left to the node.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, cast

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, best_match
from jsonschema.validators import validator_for
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from harness.json_values import Json, JsonObject
from harness.workflow.visible_text import visible_text

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 50
_MAX_REASON = 300

_FENCED = re.compile(r"```(?:json)?[ \t]*\r?\n(?P<body>.*)\r?\n?[ \t]*```", re.DOTALL | re.IGNORECASE)
# What holds values of its own, so that a `$ref` in it is no reference.
_VALUES = frozenset({"const", "enum", "default", "examples"})
# What holds schemas by names of the author's, so that `default` in it is no keyword.
_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})

# The formats that a value is held to; any other is only a description.
CHECKED_FORMATS = frozenset({"date", "uuid"})
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Accepted:
    """An answer inside its schema."""

    value: Json


@dataclass(frozen=True)
class Rejected:
    """An answer outside its schema, and why, in words that can be shown to the model; at most 300 characters.

    Args:
        repairable: whether the model could mend it if it were told.
    """

    reason: str
    repairable: bool = True


@dataclass(frozen=True)
class SchemaProblem:
    """What is wrong in a JSON Schema, and the keys that lead there."""

    path: KeyPath
    reason: str


def read_answer(text: str, schema: JsonObject) -> Accepted | Rejected:
    """Read and validate an answer; `schema` is one in which `schema_problem` finds nothing."""
    if len(text) > MAX_CHARACTERS:
        return Rejected(f"the answer is longer than {MAX_CHARACTERS:,} characters")
    body = text.strip()
    fence = _FENCED.fullmatch(body)
    try:
        value: object = json.loads(
            fence.group("body") if fence else body,
            object_pairs_hook=_unique_keys,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except json.JSONDecodeError as error:
        return Rejected(_shortened(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"))
    except RecursionError:
        return Rejected(f"nested deeper than {MAX_DEPTH} levels")
    except ValueError as error:
        return Rejected(_shortened(f"not JSON: {error}"))
    if _deeper_than(value, MAX_DEPTH):
        return Rejected(f"nested deeper than {MAX_DEPTH} levels")
    return _validated(cast("Json", value), schema)


def value_problem(value: Json, schema: JsonObject) -> str | None:
    """Why a value is outside its schema, in words for people, at most 300 characters; None where it is inside.

    The value is somebody's and may be anything; the schema is one in which `schema_problem` finds nothing.
    """
    if _deeper_than(value, MAX_DEPTH):
        return f"nested deeper than {MAX_DEPTH} levels"
    judged = _validated(value, schema)
    return judged.reason if isinstance(judged, Rejected) else None


def schema_problem(schema: object) -> SchemaProblem | None:
    """The first thing that keeps a value from being used as a JSON Schema for answers; None when it can be.

    References stay inside the schema (`#/$defs/...`): a schema never makes the harness open an address.
    """
    if not isinstance(schema, dict):
        return SchemaProblem((), "a JSON Schema for answers is a mapping")
    rules = cast("JsonObject", schema)
    if not isinstance(rules.get("$schema", ""), str):
        return SchemaProblem(("$schema",), "is the address of a JSON Schema draft: write it as text")
    validator_class = _validator_class(rules)
    try:
        validator_class.check_schema(rules)
    except SchemaError as error:
        return SchemaProblem(tuple(error.absolute_path), _shortened(error.message))
    except RecursionError:
        return SchemaProblem((), "is nested too deep")
    return _lost_reference(rules) or _endless(validator_class, rules)


def _lost_reference(schema: JsonObject) -> SchemaProblem | None:
    resolver = Registry().with_resource("", Resource.from_contents(schema, DRAFT202012)).resolver()
    for path, keyword, value in _keywords(schema, ()):
        if keyword == "$id" and len(path) > 1:
            return SchemaProblem(path, "gives `#` another meaning below it: remove it")
        if keyword not in ("$ref", "$dynamicRef") or not isinstance(value, str):
            continue
        if not value.startswith("#"):
            return SchemaProblem(path, f"{value!r} leaves the schema: copy what it means into `$defs`")
        try:
            resolver.lookup(value)
        except (Unresolvable, ValueError, TypeError):
            return SchemaProblem(path, f"{value!r} leads nowhere in this schema")
    return None


def _endless(validator_class: Any, schema: JsonObject) -> SchemaProblem | None:
    """Whether a reference leads back to itself without going into the value."""
    try:
        for value in (None, "", 0, [], {}):
            validator_class(schema, registry=Registry()).is_valid(value)
    except RecursionError:
        return SchemaProblem((), "a reference leads back to itself without end")
    return None


def _validated(value: Json, schema: JsonObject) -> Accepted | Rejected:
    # The registry given here is empty: the library's own would fetch a reference it does not know over the network.
    validator = _validator_class(schema)(schema, registry=Registry(), format_checker=_formats())
    error = best_match(validator.iter_errors(value))
    if error is None:
        return Accepted(value)
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    return Rejected(_shortened(f"{('$' + place)[:120]}: {_in_words(error)}"))


@lru_cache(maxsize=1)
def _formats() -> FormatChecker:
    """Our own checks: the library's take spaces, underscores and more in an id, and other calendars for a date."""
    checker = FormatChecker(formats=())
    checker.checks("date", raises=ValueError)(_is_date)
    checker.checks("uuid")(_is_uuid)
    return checker


def _is_date(value: object) -> bool:
    if not isinstance(value, str):
        return True
    return _DATE.fullmatch(value) is not None and bool(date.fromisoformat(value))


def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or _UUID.fullmatch(value) is not None


def _in_words(error: Any) -> str:
    """The library's message with the value cut, so that the rule it broke is always seen."""
    shown = repr(error.instance)
    short = shown if len(shown) <= 80 else shown[:77] + "..."  # noqa: PLR2004 - a third of the reason
    return str(error.message).replace(shown, short)


def _validator_class(schema: Mapping[str, object]) -> Any:
    return validator_for(schema, default=Draft202012Validator)


def _keywords(schema: object, path: KeyPath) -> Iterator[tuple[KeyPath, str, object]]:
    """Every keyword of a schema and of the schemas in it: the path to it, itself, and its value."""
    if isinstance(schema, dict):
        for key, value in cast("JsonObject", schema).items():
            below = (*path, key)
            yield below, key, value
            if key in _NAMED and isinstance(value, dict):
                for name, named in value.items():
                    yield from _keywords(named, (*below, name))
            elif key not in _VALUES:
                yield from _keywords(value, below)
    elif isinstance(schema, list):
        for place, value in enumerate(cast("list[object]", schema)):
            yield from _keywords(value, (*path, place))


def _deeper_than(value: object, levels: int) -> bool:
    """Whether lists and objects are nested deeper."""
    layer = [value]
    for _ in range(levels):
        layer = [below for each in layer for below in _children(each) if isinstance(below, dict | list)]
    return bool(layer)


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(cast("dict[str, object]", value).values())
    return cast("list[object]", value) if isinstance(value, list) else []


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON value")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:40]} is too large a number")
    return number


def _shortened(text: str) -> str:
    shown = visible_text(text)
    return shown if len(shown) <= _MAX_REASON else shown[: _MAX_REASON - 3] + "..."
