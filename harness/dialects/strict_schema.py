"""Which JSON schemas OpenAI takes with `strict: true`: it refuses all others with a 400.

Source: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
"""

from harness.json_values import Json, JsonObject

_SCHEMAS_BY_NAME = ("properties", "$defs", "definitions")
_REFUSED = frozenset({
    "allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties",
    "unevaluatedProperties", "propertyNames", "minProperties", "maxProperties", "prefixItems", "contains",
    "uniqueItems", "unevaluatedItems",
})  # fmt: skip


def may_be_strict(schema: JsonObject) -> bool:
    """Whether a schema is an object's, with every object in it closed and every property of these required."""
    return schema.get("type") == "object" and "anyOf" not in schema and _keeps(schema)


def _keeps(schema: Json) -> bool:
    if not isinstance(schema, dict) or _REFUSED & schema.keys():
        return False
    if _is_object(schema) and not _is_closed(schema):
        return False
    named = [schema[key] for key in _SCHEMAS_BY_NAME if key in schema]
    choices = schema.get("anyOf", [])
    within = [each for group in named for each in (group.values() if isinstance(group, dict) else [None])]
    within += choices if isinstance(choices, list) else [None]
    within += [schema["items"]] if "items" in schema else []
    return all(_keeps(each) for each in within)


def _is_object(schema: JsonObject) -> bool:
    kinds = schema.get("type")
    return kinds == "object" or (isinstance(kinds, list) and "object" in kinds) or "properties" in schema


def _is_closed(schema: JsonObject) -> bool:
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if schema.get("additionalProperties") is not False or not isinstance(properties, dict):
        return False
    return isinstance(required, list) and set(properties) <= {name for name in required if isinstance(name, str)}
