"""Answers are inside their schema or refused with a reason; nothing is repaired, fetched or guessed."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.json_values import JsonObject
from harness.workflow.answers import Accepted, Rejected, SchemaProblem, read_answer, schema_problem

LICENCE: JsonObject = {
    "type": "object",
    "properties": {"spdx": {"enum": ["MIT", "Apache-2.0"]}, "sure": {"type": "boolean"}},
    "required": ["spdx"],
    "additionalProperties": False,
}


def reason(text: str, schema: JsonObject = LICENCE) -> str:
    answer = read_answer(text, schema)
    assert isinstance(answer, Rejected)
    return answer.reason


@pytest.mark.parametrize(
    "text",
    [
        '{"spdx": "MIT"}',
        ' \n{"spdx":"MIT"}\n ',
        '```json\n{"spdx": "MIT"}\n```',
        '```\n{"spdx": "MIT"}\n```\n',
        '```JSON\r\n{"spdx": "MIT"}```',
    ],
)
def test_an_answer_is_taken_with_whitespace_or_one_fence_around_it(text: str):
    assert read_answer(text, LICENCE) == Accepted({"spdx": "MIT"})


@pytest.mark.parametrize(
    "text",
    [
        'Sure: {"spdx": "MIT"}',
        '{"spdx": "MIT"} hope this helps',
        '```json\n```json\n{"spdx": "MIT"}\n```\n```',
        "{'spdx': 'MIT'}",
        '{"spdx": "MIT",}',
        "",
        "NaN",
        "[Infinity]",
        "1e999",
        "[" * 100_000,
        "1" * 5_000,
        '{"spdx": "GPL-3.0", "spdx": "MIT"}',
    ],
)
def test_nothing_is_searched_for_or_repaired(text: str):
    assert reason(text, {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"spdx": "GPL"}', "$.spdx: 'GPL' is not one of ['MIT', 'Apache-2.0']"),
        ("{}", "$: 'spdx' is a required property"),
        ('{"spdx": "MIT", "x": 1}', "$: Additional properties are not allowed ('x' was unexpected)"),
        ('{"spdx": "MIT", "sure": "yes"}', "$.sure: 'yes' is not of type 'boolean'"),
        ("{", "not JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
    ],
)
def test_the_reason_names_the_place_and_the_rule(text: str, expected: str):
    assert reason(text) == expected


def test_a_reason_is_short_and_hides_nothing_whatever_the_answer_says():
    said = reason(json.dumps({"spdx": "\u202e\x1b" + "x" * 10_000}))

    assert len(said) <= 300
    assert "is not one of ['MIT', 'Apache-2.0']" in said
    assert said.isprintable()


def test_too_long_and_too_deep_answers_are_refused_at_once():
    began = time.process_time()

    assert "longer than" in reason('"' + "x" * 1_000_000 + '"', {})
    assert "deeper than 50" in reason("[" * 51 + "]" * 51, {})
    assert "deeper than 50" in reason("[" * 400_000 + "]" * 400_000, {})
    assert isinstance(read_answer("[" * 50 + "]" * 50, {}), Accepted)
    assert time.process_time() - began < 2


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
    )
)
def test_every_json_value_comes_back_as_it_is(value: object):
    assert read_answer(json.dumps(value), {}) == Accepted(value)


@pytest.mark.parametrize(
    ("schema", "path", "words"),
    [
        ({"type": "strin"}, ("type",), "'strin' is not valid"),
        ({"properties": {"a": {"minLength": "3"}}}, ("properties", "a", "minLength"), "not of type 'integer'"),
        ([1], (), "mapping"),
        ({"$schema": 3}, ("$schema",), "as text"),
        ({"$ref": "https://example.com/schema.json"}, ("$ref",), "leaves the schema"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, ("properties", "a", "$ref"), "leaves the schema"),
        ({"$ref": "#/$defs/none"}, ("$ref",), "leads nowhere"),
        ({"$ref": "#"}, (), "without end"),
        ({"properties": {"default": {"$ref": "#/none"}}}, ("properties", "default", "$ref"), "leads nowhere"),
        ({"$defs": {"a": {"$id": "b", "$ref": "#/$defs/a"}}}, ("$defs", "a", "$id"), "another meaning"),
        ({"pattern": "("}, ("pattern",), "not a 'regex'"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_with_its_place(schema: object, path: tuple[str, ...], words: str):
    problem = schema_problem(schema)

    assert isinstance(problem, SchemaProblem)
    assert problem.path == path
    assert words in problem.reason


def test_a_schema_may_refer_to_itself_and_hold_any_value():
    tree: JsonObject = {
        "$defs": {"tree": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
        "$ref": "#/$defs/tree",
        "default": {"$ref": "https://example.com"},
    }

    assert schema_problem(tree) is None
    assert read_answer("[[], [[]]]", tree) == Accepted([[], [[]]])
    assert isinstance(read_answer("[[1]]", tree), Rejected)
