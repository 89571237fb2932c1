"""What an input of a step points at, and which files it may name."""

import pytest

from harness.exceptions import NameUnknown
from harness.workflow.nodes.plan.values import (
    can_fit,
    field_schema,
    leaves_folder,
    path_problem,
    paths_in,
    reference_in,
    references,
    resolved,
)


def found(value):
    reference = reference_in(value)
    return reference and (reference.of_state, reference.key, reference.path)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"from": "a"}, (False, "a", ())),
        ({"from": "a.b.0"}, (False, "a", ("b", "0"))),
        ({"from": "r1.a"}, (False, "r1.a", ())),
        ({"from": "r12.a.b"}, (False, "r12.a", ("b",))),
        ({"state": "k.b"}, (True, "k", ("b",))),
        ({"state": "r1.a"}, (True, "r1", ("a",))),
        ({"from": 3}, None),
        ({"from": "a", "state": "b"}, None),
        ({}, None),
        ("a", None),
    ],
)
def test_a_reference_is_one_word_with_a_name_and_all_else_is_a_value(value, expected):
    assert found(value) == expected


def test_references_are_followed_at_the_top_and_in_a_list_and_nowhere_deeper():
    value = [{"from": "a.x"}, "plain", {"state": "k.1"}, [{"from": "a"}]]
    assert [str(each) for each in references(value)] == ["a.x", "k.1"]
    results, passed = {"a": {"x": 1}, "r1.b": [2]}, {"k": [3, 4]}
    assert resolved(value, passed=passed, results=results) == [1, "plain", 4, [{"from": "a"}]]
    assert resolved({"from": "r1.b.0"}, passed=passed, results=results) == 2
    assert resolved({"in": {"from": "a"}}, passed=passed, results=results) == {"in": {"from": "a"}}


@pytest.mark.parametrize(
    "value", [{"from": "b"}, {"from": "a.y"}, {"from": "a.x.z"}, {"state": "k.2"}, {"state": "k.-1"}]
)
def test_what_is_not_there_is_named(value):
    with pytest.raises(NameUnknown):
        resolved(value, passed={"k": [1]}, results={"a": {"x": 1}})


def test_fields_of_schemas_are_found_or_unknown_or_said_to_be_missing():
    schema = {"type": "object", "properties": {"list": {"type": "array", "items": {"type": "integer"}}}}
    assert field_schema(schema, ["list", "3"]) == {"type": "integer"}
    assert field_schema(schema, ["other"]) == {}
    assert "no field 'x'" in field_schema(schema, ["list", "x"])
    assert "no field 'x'" in field_schema({"type": "string"}, ["x"])
    assert "no field 'x'" in field_schema({**schema, "additionalProperties": False}, ["x"])


@pytest.mark.parametrize(
    ("yields", "takes", "expected"),
    [
        ({"type": "string"}, {"type": "string"}, True),
        ({"type": "integer"}, {"type": "number"}, True),
        ({"type": "number"}, {"type": "integer"}, True),
        ({"type": ["string", "null"]}, {"type": "string"}, True),
        ({}, {"type": "string"}, True),
        ({"enum": ["a"]}, {"type": "integer"}, False),
        ({"type": "object"}, {"type": "array"}, False),
    ],
)
def test_types_fit_unless_they_never_can(yields, takes, expected):
    assert can_fit(yields, takes) is expected


def test_paths_are_found_wherever_a_schema_says_so():
    path = {"type": "string", "format": "path"}
    schema = {
        "type": "object",
        "properties": {
            "one": path,
            "many": {"type": "array", "items": {"$ref": "#/$defs/file"}},
            "word": {"type": "string"},
        },
        "additionalProperties": {"anyOf": [{"type": "null"}, {"type": "string", "format": "file-path"}]},
        "$defs": {"file": path},
    }
    value = {"one": "a", "many": ["b", "c"], "word": "d", "more": "e", "none": None}
    assert list(paths_in(value, schema)) == ["a", "b", "c", "e"]


@pytest.mark.parametrize("inside", ["a", "a/b.md", "./a", "a/./b", "...", "a b"])
def test_relative_paths_are_inside(inside):
    assert path_problem(inside) is None


def test_a_link_that_leaves_the_folder_is_found_when_it_is_looked_at(tmp_path):
    folder, outside = tmp_path / "work", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (folder / "notes").mkdir()
    (folder / "away").symlink_to(outside)
    (folder / "near").symlink_to(folder / "notes")
    assert leaves_folder("notes/new.md", folder) is None
    assert leaves_folder("near/new.md", folder) is None
    assert "link that leaves" in leaves_folder("away/x", folder)
    assert "leaves the working folder" in leaves_folder("../outside/x", folder)
