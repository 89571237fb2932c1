"""Values and references of a plan's inputs, held against JSON Schemas; pure.

An input of a step is a plain value, `{"from": "step"}` or `{"from": "step.field"}` for what a step yields,
`{"from": "r1.step"}` for what a step of an earlier round yielded, `{"state": "key"}` for a value that the node passes
on, or a list whose elements are any of these. A field of a list is its place, from 0.

A schema with `format: path` says that a text names a file: only a relative path inside the working folder is one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import cast

from harness.exceptions import NameUnknown
from harness.json_values import Json, JsonObject
from harness.names import nearest_names
from harness.workflow.value_types import schema_types
from harness.workflow.visible_text import visible_text

# What pydantic writes for `Path`, `FilePath` and `DirectoryPath`.
_PATH_FORMATS = frozenset({"path", "file-path", "directory-path"})
EARLIER_ROUND = re.compile(r"r[0-9]{1,2}")

_MAX_NAME = 120


@dataclass(frozen=True, slots=True)
class Reference:
    """What an input points at.

    Args:
        of_state: it is a value that the node passes on, not a step's result.
        key: the state key, the step, or `r1.step`.
        path: fields below it.
    """

    of_state: bool
    key: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        named = ".".join((self.key, *self.path))
        return named if len(named) <= _MAX_NAME else named[: _MAX_NAME - 3] + "..."


def reference_in(value: Json) -> Reference | None:
    """The reference that a value is; None for a plain one."""
    if not isinstance(value, dict) or len(value) != 1:
        return None
    (word, named), *_ = value.items()
    if word not in ("from", "state") or not isinstance(named, str):
        return None
    head, *path = named.split(".")
    if word == "from" and path and EARLIER_ROUND.fullmatch(head):
        return Reference(of_state=False, key=f"{head}.{path[0]}", path=tuple(path[1:]))
    return Reference(of_state=word == "state", key=head, path=tuple(path))


def references(value: Json) -> tuple[Reference, ...]:
    """The references in an input: itself, or those in its list."""
    each = value if isinstance(value, list) else [value]
    return tuple(found for found in map(reference_in, each) if found is not None)


def resolved(value: Json, *, passed: Mapping[str, Json], results: Mapping[str, Json]) -> Json:
    """An input with its references replaced by what they point at.

    Args:
        passed: state values by key.
        results: of steps by id, and by `r1.id` for those of earlier rounds.

    Raises:
        NameUnknown: nothing is there.
    """
    found = reference_in(value)
    if found is not None:
        return value_under(found, passed if found.of_state else results)
    if isinstance(value, list):
        one_by_one = [reference_in(each) for each in value]
        return [
            each if found is None else value_under(found, passed if found.of_state else results)
            for each, found in zip(value, one_by_one, strict=True)
        ]
    return value


def value_under(reference: Reference, known: Mapping[str, Json]) -> Json:
    """What a reference points at.

    Raises:
        NameUnknown: nothing is there.
    """
    if reference.key not in known:
        raise NameUnknown("value for a step", str(reference), nearest_names(reference.key[:_MAX_NAME], known))
    value = known[reference.key]
    for part in reference.path:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise NameUnknown("field for a step", str(reference), nearest_names(part[:_MAX_NAME], _fields(value)))
    return value


def field_schema(schema: Mapping[str, Json], path: Sequence[str]) -> JsonObject | str:
    """The schema of a field of what a schema describes, `{}` where that is not known; or why there is none, in words."""
    here: Mapping[str, Json] = schema
    for part in path:
        types, fields = schema_types(here), here.get("properties")
        if types and not ({"object", "array"} & set(types)):
            return f"{' or '.join(types)} has no field {part!r}"
        if "array" in types and "object" not in types and not part.isdecimal():
            return f"a list has places from 0, and no field {part!r}"
        below: Json = {}
        if part.isdecimal() and "object" not in types:
            below = here.get("items", {})
        elif isinstance(fields, dict) and part in fields:
            below = fields[part]
        elif here.get("additionalProperties") is False:
            named = ", ".join(fields) if isinstance(fields, dict) and fields else "none"
            return f"it has no field {part!r} (its fields: {named})"
        here = below if isinstance(below, dict) else {}
    return dict(here)


def can_fit(found: Mapping[str, Json], wanted: Mapping[str, Json]) -> bool:
    """Whether a value under one schema can be one under another, as far as their types tell."""
    left, right = set(schema_types(found)), set(schema_types(wanted))
    if not left or not right:
        return True
    numbers = {"integer", "number"}
    return bool(left & right) or bool(left & numbers and right & numbers)


def paths_in(value: Json, schema: Mapping[str, Json], root: Mapping[str, Json] | None = None) -> Iterator[str]:
    """The texts in a value that name files, as its schema says by `format: path`.

    Args:
        root: the schema that references lead into; itself where it stands alone.
    """
    whole = schema if root is None else root
    if isinstance(value, str) and schema.get("format") in _PATH_FORMATS:
        yield value
    for each in _same_value(schema, whole):
        yield from paths_in(value, each, whole)
    for below, each in _below(value, schema):
        yield from paths_in(below, each, whole)


def _same_value(schema: Mapping[str, Json], root: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    """The schemas inside one that hold for the same value; `schema_problem` lets none lead back to itself."""
    for word in ("anyOf", "oneOf", "allOf"):
        several = schema.get(word)
        yield from _schemas(several if isinstance(several, list) else [])
    named = schema.get("$ref")
    if isinstance(named, str) and named.startswith("#/"):
        here: Json = dict(root)
        for part in named.removeprefix("#/").split("/"):
            here = here.get(part) if isinstance(here, dict) else None
        yield from _schemas([here])


def _below(value: Json, schema: Mapping[str, Json]) -> Iterator[tuple[Json, JsonObject]]:
    """The parts of a list or an object, each with the schema that holds for it."""
    if isinstance(value, list):
        firsts = schema.get("prefixItems")
        of_place = cast("list[Json]", firsts) if isinstance(firsts, list) else []
        for place, each in enumerate(value):
            for found in _schemas([of_place[place] if place < len(of_place) else schema.get("items")]):
                yield each, found
    if isinstance(value, dict):
        properties = schema.get("properties")
        of_name = properties if isinstance(properties, dict) else {}
        for key, each in value.items():
            for found in _schemas([of_name[key] if key in of_name else schema.get("additionalProperties")]):
                yield each, found


def path_problem(named: str) -> str | None:
    """Why a text names no file inside the working folder, whatever is there; None where it does."""
    pure = PurePosixPath(named)
    if not named or named.startswith("~") or "\\" in named or ":" in named or "\0" in named:
        return f"{_shown(named)} is no relative path with `/` between its parts"
    if pure.is_absolute() or ".." in pure.parts:
        return f"{_shown(named)} leaves the working folder: name a file inside it"
    return None


def leaves_folder(named: str, folder: Path) -> str | None:
    """Why a file is outside a folder now, links followed; None where it is inside, whether it exists or not."""
    problem = path_problem(named)
    if problem is not None:
        return problem
    try:
        root = folder.resolve(strict=True)
        found = (root / PurePosixPath(named)).resolve()
    except (OSError, RuntimeError) as error:
        return f"{_shown(named)} cannot be looked at: {error}"
    return None if found.is_relative_to(root) else f"{_shown(named)} is or goes over a link that leaves {folder.name!r}"


def _fields(value: Json) -> list[str]:
    if isinstance(value, dict):
        return list(value)
    return [str(place) for place in range(min(len(value), 10))] if isinstance(value, list) else []


def _schemas(values: Sequence[Json]) -> list[JsonObject]:
    return [each for each in values if isinstance(each, dict)]


def _shown(named: str) -> str:
    return repr(visible_text(named if len(named) <= 80 else named[:77] + "..."))  # noqa: PLR2004 - enough to recognise
