"""Which keys a pydantic model takes at a place of a document, so that a mistyped one can be answered.

Read from the model's JSON Schema, where aliases, unions and discriminators have one plain form.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema

_Schema = Mapping[str, Any]


def allowed_keys(model: type[BaseModel], value: object, key_path: Sequence[str | int]) -> list[str]:
    """The keys known at a path, in the model's order; of a union, those of the members that the values fit.

    Empty when they cannot be known.
    """
    try:
        whole: _Schema = model.model_json_schema(by_alias=True)
    except PydanticInvalidForJsonSchema:
        return []
    schemas = list(_members(whole, whole, value))
    for part in key_path:
        value = _child(value, part)
        schemas = [
            member for schema in schemas for below in _below(schema, part) for member in _members(whole, below, value)
        ]
    return list(dict.fromkeys(key for schema in schemas for key in _mapping(schema, "properties")))


def _members(whole: _Schema, schema: _Schema, value: object) -> Iterator[_Schema]:
    """A schema with its references followed and its unions opened, without the members the value cannot be."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        yield from _members(whole, _mapping(whole, "$defs")[name], value)
        return
    if _fits(schema, value):
        yield schema
    for union in ("anyOf", "oneOf", "allOf"):
        for member in cast("list[_Schema]", schema.get(union, [])):
            yield from _members(whole, member, value)


def _fits(schema: _Schema, value: object) -> bool:
    """Whether the constants a schema asks for (such as a discriminator) are those of the value."""
    if not isinstance(value, dict):
        return True
    given = cast("dict[str, object]", value)
    return all(
        "const" not in wanted or key not in given or given[key] == wanted["const"]
        for key, wanted in _mapping(schema, "properties").items()
    )


def _below(schema: _Schema, part: str | int) -> Iterator[_Schema]:
    patterns = _mapping(schema, "patternProperties")
    candidates = (
        [schema.get("items"), *cast("list[object]", schema.get("prefixItems", []))]
        if isinstance(part, int)
        else [_mapping(schema, "properties").get(part) or schema.get("additionalProperties"), *patterns.values()]
    )
    yield from (cast("_Schema", each) for each in candidates if isinstance(each, Mapping))


def _child(value: object, part: str | int) -> object:
    if isinstance(value, dict):
        return cast("dict[str | int, object]", value).get(part)
    if isinstance(value, list) and isinstance(part, int):
        items = cast("list[object]", value)
        return items[part] if part < len(items) else None
    return None


def _mapping(schema: _Schema, key: str) -> dict[str, Any]:
    return cast("dict[str, Any]", schema.get(key, {}))
