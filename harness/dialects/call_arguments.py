"""The arguments of tool calls: neutral calls keep them as text, several wires want an object and send one."""

import json

from harness.dialects.wire_json import parse_object
from harness.json_values import Json, JsonObject


def arguments_object(text: str) -> JsonObject:
    """The object that a text says; one that says none (a call cut off, free text) is kept in one, under `input`."""
    if not text.strip():
        return {}
    try:
        return parse_object(text)
    except ValueError:
        return {"input": text}


def arguments_text(given: Json) -> str:
    """What a wire sent as a neutral call keeps it: a text as it is, anything else as JSON, nothing as no text."""
    return given if isinstance(given, str) else "" if given is None else json.dumps(given, ensure_ascii=False)
