"""Which schemas go with `strict: true`."""

import json

import pytest

from harness.dialects.known_dialects import DIALECTS
from harness.dialects.strict_schema import may_be_strict
from harness.models.catalogue import DialectName, Endpoint
from harness.models.messages import ModelRequest, OutputSchema, Tool, user
from tests.dialects.wire_targets import target_of

STRING = {"type": "string"}


def closed(**properties):
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "schema",
    [
        closed(a=STRING),
        closed(),
        closed(a={"type": "array", "items": closed(b=STRING)}),
        closed(a={"anyOf": [closed(b=STRING), {"type": "null"}]}),
        closed(a={"$ref": "#/$defs/b"}) | {"$defs": {"b": closed(c=STRING)}},
    ],
)
def test_closed_objects_with_all_required_qualify(schema):
    assert may_be_strict(schema)


@pytest.mark.parametrize(
    "schema",
    [
        STRING,
        {"type": "object"},
        closed(a=STRING) | {"required": []},
        closed(a=STRING) | {"additionalProperties": True},
        closed(a={"type": "object"}),
        closed(a={"type": ["object", "null"]}),
        closed(a={"type": "array", "items": {"type": "object", "properties": {"b": STRING}}}),
        closed(a={"anyOf": [STRING, {"properties": {}}]}),
        closed(a={"$ref": "#/$defs/b"}) | {"$defs": {"b": {"type": "object"}}},
        closed(a={"allOf": [STRING]}),
        closed(a=True),
        {"anyOf": [closed(a=STRING)]},
    ],
)
def test_all_others_do_not(schema):
    assert not may_be_strict(schema)


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses"])
@pytest.mark.parametrize(("schema", "strict"), [(closed(a=STRING), True), ({"type": "object"}, False)])
def test_both_wires_say_strict_only_of_such(dialect, schema, strict):
    target = target_of(None, Endpoint(base_url="http://127.0.0.1:9", dialect=dialect, quirks={"strict_tools": True}))
    request = ModelRequest(
        messages=(user("x"),),
        max_output_tokens=9,
        output_schema=OutputSchema(name="n", json_schema=schema),
        tools=(Tool(name="t", description="", parameters=schema),),
    )
    body = json.loads(DIALECTS[DialectName(dialect)].encode(request, target, stream=False).body)
    tool = body["tools"][0]
    shape = body["text"]["format"] if dialect == "openai_responses" else body["response_format"]["json_schema"]
    assert (shape.get("strict", False), tool.get("function", tool).get("strict", False)) == (strict, strict)
