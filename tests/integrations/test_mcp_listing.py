"""What a server says of its tools, made fit to be read, and what of it is pinned."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.exceptions import ToolChanged
from harness.integrations.mcp_listing import (
    MAX_ANNOTATION_CHARACTERS,
    MAX_DESCRIPTION_CHARACTERS,
    MAX_SCHEMA_BYTES,
    WrittenTool,
    listed_tools,
    shown_text,
)
from harness.integrations.mcp_pins import difference, require_approved
from harness.tools.tool_approvals import ApprovedTool
from harness.workflow.visible_text import visible_text

TAGGED = "Reads a file.\U000e0053\U000e0065\u202e\x1b[2J"


def listed(name="read", description="Reads a file.", schema=None, output=None):
    schema = {"type": "object"} if schema is None else schema
    return listed_tools([WrittenTool(name, description, schema, output)])[name]


def test_hidden_characters_of_a_description_are_shown_to_whoever_reads_it():
    tool = listed(description=TAGGED)
    assert tool.problem is None
    assert tool.shown_description == "Reads a file.\\U000e0053\\U000e0065\\u202e\\u001b[2J"
    # The pin is of what was written.
    assert tool.document["description"] == TAGGED


def test_a_long_description_is_cut_and_says_so():
    shown = listed(description="x" * 100_000).shown_description
    assert len(shown) < MAX_DESCRIPTION_CHARACTERS + 40
    assert shown.endswith("[cut: 100,000 characters]")


def test_what_a_schema_says_to_readers_is_made_fit_and_the_rest_is_as_it_was():
    schema = {
        "type": "object",
        "title": TAGGED,
        "properties": {
            "description": {"type": "string", "description": TAGGED, "default": "d"},
            "kind": {"enum": ["description", {"description": "as it is"}]},
        },
        "$defs": {"title": {"type": "array", "items": {"title": "y" * 5000}}},
    }
    tool = listed(schema=schema)
    shown = tool.shown_schema
    assert tool.problem is None
    assert shown["title"] == shown["properties"]["description"]["description"] == visible_text(TAGGED)
    assert shown["properties"]["description"]["default"] == "d"
    assert shown["properties"]["kind"] == schema["properties"]["kind"]
    assert len(shown["$defs"]["title"]["items"]["title"]) < MAX_ANNOTATION_CHARACTERS + 40
    assert schema["title"] == TAGGED


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a\u202eb": {}}},
        {"type": "object", "properties": {"a": {"enum": ["x\U000e0041"]}}},
        {"type": "object", "properties": {"a": {"default": {"description": "\U000e0041"}}}},
        {"type": "object", "properties": {"description": {"const": "\x1b"}}},
    ],
)
def test_hidden_characters_that_a_schema_needs_turn_the_tool_off(schema):
    assert listed(schema=schema).problem.startswith("its input schema hides characters in ")


@pytest.mark.parametrize(
    ("tool", "problem"),
    [
        ({"name": ""}, "its name '' is not of 1 to 128"),
        ({"name": "a b"}, "its name 'a b'"),
        ({"name": "x" * 129}, "is not of 1 to 128"),
        ({"schema": {"type": "array"}}, "its input schema is not one of an object"),
        ({"schema": {"type": "object", "a": float("nan")}}, "its input schema is no JSON"),
        ({"schema": {"type": "object", "description": "x" * MAX_SCHEMA_BYTES}}, "bytes long, and 100,000 are allowed"),
        ({"schema": {"type": "object", "properties": 3}}, "its input schema is no JSON Schema"),
        ({"output": {"type": 7}}, "its output schema is no JSON Schema"),
    ],
)
def test_what_cannot_be_used_says_why(tool, problem):
    assert problem in listed(**tool).problem


def test_the_pin_is_of_name_description_and_schema_and_of_nothing_else():
    digest = listed().digest
    assert listed(output={"type": "object"}).digest == digest
    assert listed(schema={"properties": {}, "type": "object"}).digest != digest
    assert (
        listed(schema={"type": "object", "b": 1, "a": 2}).digest
        == listed(schema={"a": 2, "b": 1, "type": "object"}).digest
    )
    assert len({digest, listed(name="write").digest, listed(description="Reads.").digest}) == 3


@given(text=st.text(max_size=300), limit=st.integers(1, 100))
def test_shown_text_hides_nothing_and_is_bounded(text, limit):
    shown = shown_text(text, limit)
    assert visible_text(shown) == shown
    assert len(shown) <= limit + 40
    if visible_text(text) == text and len(text) <= limit:
        assert shown == text


def test_a_change_is_said_by_what_and_where():
    before = listed(description="a" * 500 + "one", schema={"type": "object", "properties": {"n": {"maximum": 3}}})
    after = listed(description="a" * 500 + "two\x1b", schema={"type": "object", "properties": {"n": {"maximum": 9}}})
    words = difference(before.document, after.document)
    assert "its description changed from '..." in words
    assert "one'" in words
    assert "two\\u001b'" in words
    assert "its input schema changed at 'properties.n.maximum' from '3' to '9'" in words
    assert len(words) < 600


def test_a_digest_that_differs_is_never_let_through():
    tool = listed()
    approved = ApprovedTool("0" * 64, tool.document, "ada", None)
    with pytest.raises(ToolChanged, match="is not what was approved"):
        require_approved("files", tool, approved)
    require_approved("files", tool, ApprovedTool(tool.digest, tool.document, "ada", None))
