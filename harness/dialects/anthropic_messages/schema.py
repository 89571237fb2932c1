"""JSON schemas as Anthropic's structured output takes them: a part of the standard, objects closed.

What the part has no keyword for is said in the description, so that the model may still keep to it; the answer is
validated against the whole schema by whoever asked.

Source: https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations
"""

from harness.json_values import Json, JsonObject

_KEPT = frozenset({"type", "title", "description", "enum", "const", "required", "$ref"})
_SCHEMAS_BY_NAME = ("properties", "$defs", "definitions")
_LISTS_OF_SCHEMAS = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)  # fmt: skip


def has_open_objects(schema: Json) -> bool:
    """Whether it asks for objects with names it does not know beforehand; closed, they could only be empty."""
    if isinstance(schema, list):
        return any(has_open_objects(item) for item in schema)
    if not isinstance(schema, dict):
        return False
    if schema.get("additionalProperties") not in (None, False) or "patternProperties" in schema:
        return True
    return any(has_open_objects(value) for key, value in schema.items() if key not in ("enum", "const", "default"))


def native_schema(schema: JsonObject) -> JsonObject:
    """The schema in the keywords there are."""
    native: JsonObject = {}
    said: list[str] = []
    for key, value in schema.items():
        if key in _SCHEMAS_BY_NAME and isinstance(value, dict):
            native[key] = {name: _native(each) for name, each in value.items()}
        elif key in _LISTS_OF_SCHEMAS and isinstance(value, list):
            native[_LISTS_OF_SCHEMAS[key]] = [_native(each) for each in value]
        elif key == "items" and isinstance(value, dict):
            native[key] = native_schema(value)
        elif key in _KEPT or (key == "format" and value in _FORMATS) or (key == "minItems" and value in (0, 1)):
            native[key] = value
        elif key not in ("additionalProperties", "$schema", "$id"):
            said.append(f"{key}: {value}")
    if _is_object(native):
        native["additionalProperties"] = False
    if said:
        words = [native["description"]] if isinstance(native.get("description"), str) else []
        native["description"] = "\n\n".join([*map(str, words), "{" + ", ".join(said) + "}"])
    return native


def _native(schema: Json) -> Json:
    return native_schema(schema) if isinstance(schema, dict) else schema


def _is_object(schema: JsonObject) -> bool:
    kinds = schema.get("type")
    return kinds == "object" or (isinstance(kinds, list) and "object" in kinds) or "properties" in schema
