"""Reading YAML that people, and others, wrote: plain values only, mistakes by place, hostile texts refused at once."""

import json
import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ontology.exceptions import YamlInvalid
from ontology.yaml_documents import (
    MAX_BYTES,
    Position,
    parse_yaml,
    read_yaml,
    validation_problems,
)

WORKFLOW = """\
# a comment
name: audit
nodes:
  classify:
    kind: model
    role: classifier
    tries: 3
  "check it":
    kind: code
edges:
  - [classify, "check it"]
"""


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(YamlInvalid) as caught:
        parse_yaml(text, name="w.yaml")
    return caught.value.problems


def test_the_values_of_a_file_are_plain_and_typed_as_yaml_1_2_says(
    tmp_path: Path,
) -> None:
    path = tmp_path / "values.yaml"
    path.write_text("a: no\nb: true\nc: 012\nd: 0o14\ne: 1.5e1\nf: ~\ng:\nh: '5'\ni: 2026-01-02\nj: 0x1F\nk: |\n  t\n")

    assert read_yaml(path).value == {
        "a": "no",
        "b": True,
        "c": 12,
        "d": 12,
        "e": 15.0,
        "f": None,
        "g": None,
        "h": "5",
        "i": "2026-01-02",
        "j": 31,
        "k": "t\n",
    }


def test_an_empty_file_and_one_of_comments_hold_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_bytes(b"\xef\xbb\xbf")
    assert read_yaml(path).value is None
    assert parse_yaml("# nothing\n", name="c").value is None


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        ((), 2, 1),
        (("name",), 2, 1),
        (("nodes", "classify"), 4, 3),
        (("nodes", "classify", "tries"), 7, 5),
        (("nodes", "check it"), 8, 3),
        (("edges", 0), 11, 5),
        (("edges", 0, 1), 11, 16),
        (("nodes", "classify", "missing", "deeper"), 4, 3),
        (("edges", 7), 10, 1),
        (("nothing",), 2, 1),
    ],
)
def test_each_key_has_its_place_and_a_missing_one_that_of_its_parent(
    path: tuple[str | int, ...], line: int, column: int
) -> None:
    document = parse_yaml(WORKFLOW, name="w.yaml")

    assert document.position(path) == Position(line, column)
    assert document.place(path) == f"w.yaml:{line}:{column}"


def test_an_alias_has_its_own_place_and_its_anchors_value_and_places_below() -> None:
    document = parse_yaml("a: &x\n  k: 1\nb: *x\n", name="w.yaml")

    assert document.value == {"a": {"k": 1}, "b": {"k": 1}}
    assert document.position(["b"]) == Position(3, 1)
    assert document.position(["b", "k"]) == Position(2, 3)


def test_every_mistake_that_does_not_stop_the_reading_is_told_in_order() -> None:
    assert problems("a: 1\na: 2\nb: !!python/object/apply:os.system [x]\n1: x\n<<: {c: 1}\nd: *q\ne: .inf\n") == (
        "w.yaml:2:1: a: the key stands twice; it is first on line 1: remove one",
        (
            "w.yaml:3:4: b: the tag 'tag:yaml.org,2002:python/object/apply:os.system' is not read: "
            "write a plain value (quote it to get text)"
        ),
        "w.yaml:4:1: the key '1' is not text: put it in quotes",
        "w.yaml:5:1: the merge key << is not part of YAML 1.2: write the keys out",
        "w.yaml:6:4: d: the alias *q has no anchor &q that ends before it",
        "w.yaml:7:4: e: '.inf' is not a number that can be kept: write a finite, shorter one",
    )


@pytest.mark.parametrize(
    ("text", "place", "remedy"),
    [
        ("a:\n\t- b", "w.yaml:2:1", "spaces, not tabs"),
        ("a: b: c", "w.yaml:1:5", "needs quotes"),
        ("a: @x", "w.yaml:1:4", "put the value in quotes"),
        ('a: "\\ud800"', "w.yaml:1:4", "half of a character"),
        ("a: 'b\n", "w.yaml:2:1", "a quote is not closed"),
        ("a: [1,\n", "w.yaml:2:1", "a bracket is not closed"),
        ("a: \x07", "w.yaml:1:4", "U+0007"),
        ("%YAML 1.1\n---\na: yes", "w.yaml:2:1", "only YAML 1.2"),
        ("a: 1\n---\nb: 2", "w.yaml:2:1", "one document a file"),
        ("a: &a [*a]", "w.yaml:1:8", "no anchor"),
        ("? [a]\n: b", "w.yaml:1:3", "a key must be text"),
        ("a: !!str 5", "w.yaml:1:4", "tag"),
        ("a: " + "9" * 5000, "w.yaml:1:4", "not a number that can be kept"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused_with_its_place_and_a_remedy(text: str, place: str, remedy: str) -> None:
    (problem,) = problems(text)

    assert problem.startswith(place + ": ")
    assert remedy in problem


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("a: 1\nb: é\n".encode("latin-1"))

    with pytest.raises(YamlInvalid, match=r"latin\.yaml:2:1: byte 0xe9 is not UTF-8"):
        read_yaml(path)


def test_a_file_over_a_megabyte_is_refused_unread_and_one_below_is_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "large.yaml"
    path.write_text("a: " + "x" * (MAX_BYTES - 3))
    assert isinstance(read_yaml(path).value, dict)

    path.write_text("a: " + "x" * (MAX_BYTES - 2))
    with pytest.raises(YamlInvalid, match="larger than 1,000,000 bytes"):
        read_yaml(path)
    with pytest.raises(YamlInvalid, match="larger than 1,000,000 bytes"):
        parse_yaml("é" * (MAX_BYTES // 2 + 1), name="w.yaml")


def test_aliases_that_explode_are_refused_before_they_cost_anything() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    started = time.process_time()

    (problem,) = problems("\n".join(lines))

    assert "once its aliases are written out" in problem
    assert time.process_time() - started < 2


def test_nesting_is_bounded_also_through_aliases() -> None:
    (problem,) = problems("a: " + "[" * 100_000)
    assert "nested deeper than 100 levels" in problem

    chain = "a0: &a0 " + "[" * 60 + "]" * 60 + "\nb: " + "[" * 60 + "*a0" + "]" * 60
    (problem,) = problems(chain)
    assert "nested deeper than 100 levels" in problem


def test_the_error_survives_a_process_border() -> None:
    error = YamlInvalid(["a", "b"])
    assert pickle.loads(pickle.dumps(error)).problems == ("a", "b")


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelNode(Closed):
    kind: Literal["model"]
    role: str
    tries: int = 1
    model: str | None = None


class CodeNode(Closed):
    kind: Literal["code"]
    entry: str = ""


class Workflow(Closed):
    name: str
    effort: Literal["low", "high"] = "low"
    nodes: dict[str, Annotated[ModelNode | CodeNode, Field(discriminator="kind")]]
    edges: list[tuple[str, str]] = []


def refused(text: str, model: type[BaseModel] | None = Workflow) -> list[str]:
    document = parse_yaml(text, name="w.yaml")
    with pytest.raises(ValidationError) as caught:
        Workflow.model_validate(document.value)
    return validation_problems(document, caught.value, model)


def test_what_a_model_refuses_is_told_by_place_and_key_with_the_nearest_known_word() -> None:
    text = """\
nam: x
name: y
effort: hihg
nodes:
  a: {kind: model, rol: r, role: r}
  b: {kind: cod}
  c: {}
  d:
    kind: model
    tries: many
edges:
  - [a]
"""
    assert refused(text) == [
        "w.yaml:1:1: nam: unknown key; did you mean 'name'?",
        "w.yaml:3:1: effort: 'hihg' is not known; did you mean 'high'?",
        "w.yaml:5:20: nodes.a.rol: unknown key; did you mean 'role'?",
        "w.yaml:6:7: nodes.b.kind: 'cod' is not known; did you mean 'code'?",
        "w.yaml:7:3: nodes.c.kind: is missing: add it",
        "w.yaml:8:3: nodes.d.role: is missing: add it",
        "w.yaml:10:5: nodes.d.tries: Input should be a valid integer, unable to parse string as an integer, not 'many'",
        "w.yaml:12:5: edges[0][1]: is missing: add it",
    ]


def test_the_name_of_a_union_member_is_not_taken_for_a_key_of_the_same_name() -> None:
    text = "name: x\nnodes:\n  a:\n    kind: model\n    model: m\n    role: 5\n  b:\n    kind: model\n    model: m\n"

    assert refused(text) == [
        "w.yaml:6:5: nodes.a.role: Input should be a valid string, not 5",
        "w.yaml:7:3: nodes.b.role: is missing: add it",
    ]


def test_an_unknown_key_with_no_near_one_lists_those_of_its_own_union_member() -> None:
    text = "name: x\nnodes:\n  a:\n    kind: code\n    zzz: 1\n"

    assert refused(text) == ["w.yaml:5:5: nodes.a.zzz: unknown key; known here: kind, entry"]
    assert refused(text, None) == ["w.yaml:5:5: nodes.a.zzz: unknown key; remove it"]


class Tree(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: "Tree | int | None" = None


def test_a_deep_document_whose_keys_repeat_is_explained_quickly() -> None:
    document = parse_yaml("{a: " * 90 + "x" + "}" * 90, name="w.yaml")
    started = time.process_time()

    with pytest.raises(ValidationError) as caught:
        Tree.model_validate(document.value)

    assert validation_problems(document, caught.value, Tree)
    assert time.process_time() - started < 3


Values: TypeAlias = "bool | int | str | list[Values] | dict[str, Values] | None"
text_of_people = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20)
plain: st.SearchStrategy[Values] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | text_of_people,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text_of_people, inner, max_size=4),
    max_leaves=20,
)


@given(plain, st.booleans())
def test_json_is_read_as_the_same_values_and_each_key_has_its_place(value: Values, ascii_only: bool) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=ascii_only)

    document = parse_yaml(text, name="w.yaml")

    assert document.value == value
    lines = text.split("\n")
    for path in key_paths(value):
        position = document.position(path)
        assert lines[position.line - 1][position.column - 1 :].startswith(json.dumps(path[-1], ensure_ascii=ascii_only))


def key_paths(value: Values) -> Iterator[list[str | int]]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield [key]
            yield from ([key, *path] for path in key_paths(below))
    if isinstance(value, list):
        for at, below in enumerate(value):
            yield from ([at, *path] for path in key_paths(below))


@given(st.text(max_size=300) | st.text("[]{}:-&*!|>'\"\n\t #%?,ab1", max_size=300))
def test_any_text_is_read_or_refused_and_nothing_else_happens(text: str) -> None:
    found: tuple[str, ...] = ()
    try:
        parse_yaml(text, name="w.yaml")
    except YamlInvalid as error:
        found = error.problems or ("refused without a reason",)
    assert all(problem.startswith("w.yaml:") and "\n" not in problem for problem in found)
