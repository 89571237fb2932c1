"""What values carry: the worst of what they are made of, unless they can hold nothing that one could obey."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.workflow.origins import (
    CLEAN,
    Origin,
    input_origins,
    is_typed,
    origin_of_output,
    origin_of_read,
    origin_of_tool,
    schema_at,
)
from harness.workflow.spec import WorkflowSpec

TRUSTS = ("inferred", "document", "tool", "verified", "stated")
origins = st.builds(
    Origin,
    st.booleans(),
    st.booleans(),
    st.sampled_from(TRUSTS),
    st.lists(st.sampled_from("abcd"), max_size=3).map(tuple),
)


@given(st.lists(origins, min_size=1))
def test_what_is_made_of_several_carries_the_worst_of_each(made_of):
    made = made_of[0].joined(*made_of[1:])
    assert made.untrusted == any(each.untrusted for each in made_of)
    assert made.private == any(each.private for each in made_of)
    assert made.trust == min((each.trust for each in made_of), key=TRUSTS.index)
    assert set(made.sources) == {name for each in made_of for name in each.sources}


@given(origins)
def test_an_origin_survives_the_state(origin):
    assert Origin.from_json(origin.to_json()) == origin


@given(origins)
def test_clean_adds_nothing(origin):
    joined = CLEAN.joined(origin)
    assert (joined.untrusted, joined.private, joined.trust) == (origin.untrusted, origin.private, origin.trust)


CLOSED = {"type": "object", "additionalProperties": False}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer"},
        {"type": ["number", "null"]},
        {"type": "boolean"},
        {"enum": ["yes", "no"]},
        {"const": "always this"},
        {"type": "string", "pattern": "^[A-Z]{2}-[0-9]+$", "maxLength": 20},
        {"type": "string", "format": "date"},
        {"type": "array", "items": {"enum": ["a", "b"]}},
        {**CLOSED, "properties": {"n": {"type": "number"}, "kind": {"enum": ["a"]}}},
    ],
)
def test_numbers_fixed_words_and_ids_carry_no_instruction(schema):
    assert is_typed(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "string"},
        {"type": "string", "maxLength": 20},
        {"type": "string", "pattern": "^.*$", "maxLength": 20},
        {"type": "string", "pattern": "^[a-z ]+$", "maxLength": 64},
        {"type": "string", "pattern": "^[a-z]+$", "maxLength": 500},
        {"type": "string", "pattern": "[a-z]+", "maxLength": 20},
        {"type": ["integer", "string"]},
        {"type": "array"},
        {"type": "array", "items": {"type": "string"}},
        {"type": "object", "properties": {"n": {"type": "number"}}},
        {**CLOSED, "properties": {"text": {"type": "string"}}},
        {**CLOSED, "properties": {}, "patternProperties": {".*": {}}},
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "email"},
        {"type": "string", "pattern": r"^\D+$", "maxLength": 20},
        {"type": "integer", "$ref": "#/$defs/text"},
        {"const": "x", "$schema": "http://json-schema.org/draft-04/schema#"},
    ],
)
def test_what_could_hold_words_counts_as_open(schema):
    assert not is_typed(schema)


def test_the_schema_of_a_field_is_found_by_its_path():
    schema = {"properties": {"a": {"properties": {"b": {"type": "integer"}}}}}
    assert schema_at(schema, "a.b") == {"type": "integer"}
    assert schema_at(schema, "") == schema
    assert schema_at(schema, "a.c") is None


def test_inputs_carry_what_their_declaration_says():
    state = {"letter": {"untrusted": True}, "customer": {"private": True}, "topic": {}}
    spec = WorkflowSpec.model_validate(
        {"workflow": "w", "state": state, "nodes": {"n": {"kind": "code", "code": "x"}}, "start": "n"}
    )
    found = input_origins(spec)
    assert found["letter"] == Origin(untrusted=True, trust="document", sources=("letter",))
    assert found["customer"] == Origin(private=True, sources=("customer",))
    assert found["topic"] == CLEAN


def test_an_item_carries_what_its_list_carries():
    node = {"kind": "code", "code": "x", "for_each": "letters", "arguments": {"t": {"from": "item.text"}}}
    spec = WorkflowSpec.model_validate({"workflow": "w", "state": {"letters": {}}, "nodes": {"n": node}, "start": "n"})
    letters = Origin(untrusted=True)
    assert origin_of_read(("item.text",), {"letters": letters}, spec.work["n"]).untrusted


@pytest.mark.parametrize(
    ("trusted", "private", "untrusted"), [(True, False, False), (False, False, True), (True, True, False)]
)
def test_a_tools_result_is_from_outside_unless_the_project_trusts_it(trusted, private, untrusted):
    found = origin_of_tool("t", trusted=trusted, private=private)
    assert (found.untrusted, found.private) == (untrusted, private)


def test_the_schema_of_an_answer_says_nothing_of_what_failed():
    node = {"kind": "model", "role": "r", "prompt": "p.md", "for_each": "l", "output": "o", "errors": "e"}
    spec = WorkflowSpec.model_validate({"workflow": "w", "state": {}, "nodes": {"n": node}, "start": "n"})
    made = Origin(untrusted=True, private=True)
    found = {
        key: origin_of_output(spec.work["n"], key, made, schema={"type": "integer"}, declared=None).untrusted
        for key in ("o", "e")
    }
    assert found == {"o": False, "e": True}
