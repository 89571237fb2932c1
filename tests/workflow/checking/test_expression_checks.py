"""What can be known of a condition before it is asked: names, types, and where it stands in the file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.exceptions import ExpressionFailed
from harness.workflow.checking.checks import check
from harness.workflow.checking.expression_checks import expression_problems
from harness.workflow.checking.registry import Registry
from harness.workflow.expressions import parse, value_of
from harness.workflow.loading import load_workflow
from harness.workflow.spec import StateKeySpec

STATE = {
    key: StateKeySpec.model_validate(declared)
    for key, declared in {
        "score": {"type": "number"},
        "count": {"type": "integer"},
        "title": {"type": "string"},
        "risky": {"type": "boolean"},
        "tags": {"type": "array"},
        "review": {"type": "object"},
        "free": {},
        "summed": {"reducer": "add"},
    }.items()
}


@pytest.mark.parametrize(
    "text",
    [
        "score > 3 and count < score",
        "score == 3 and count == 3.5 and title != 'x'",
        "title > 'a' and lower(title) in ['a', 'b']",
        "title == null or score in [1, null]",
        "review.rank > 3 and review.x == 'y' and review.a.b",
        "free > 3 and free.x and free in tags and len(free) > 1",
        "'x' in review and 'x' in title and 1 in tags",
        "present(review.x) == true and not risky == false",
        "len(tags) > count and len(review) == 1",
        "count in [1, free]",
        "summed > 1",
        "risky == (score > 1)",
    ],
)
def test_what_can_hold_passes(text):
    assert expression_problems(parse(text), STATE) == []


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("scor > 1", 1, "no state key 'scor'; did you mean 'score'?"),
        ("risky and present(nothing.x)", 19, "no state key 'nothing'"),
        ("title.x", 1, "'title' is string and has no field 'x'"),
        ("1 in [tags.x]", 7, "'tags' is array and has no field 'x'"),
        ("score > 'x'", 7, "compares two numbers or two texts, but 'score' is number and \"'x'\" is string"),
        ("risky > 1", 7, "compares numbers or texts, but 'risky' is boolean"),
        ("score <= null", 7, "but 'null' is null"),
        ("tags < 1", 6, "but 'tags' is array"),
        ("summed > 'x'", 8, "'summed' is number"),
        ("score == 'x'", 7, "never holds: 'score' is number"),
        ("risky == 1", 7, "never holds: 'risky' is boolean, '1' is integer"),
        ("tags != 'x'", 6, "always holds: 'tags' is array"),
        ("(score > 1) == 1", 13, "never holds: 'score > 1' is boolean"),
        ("len(title) == 'x'", 12, "never holds: 'len(title)' is integer"),
        ("title in [1, true]", 7, "never holds: 'title' is string, and nothing in the list is"),
        ("title not in [1]", 7, "always holds"),
        ("title in []", 7, "never holds"),
        ("'x' in score", 5, "`in` looks into array or object or string, but 'score' is number"),
        ("1 in title", 3, "only a string can be in string, but '1' is integer"),
        ("score in review", 7, "only a string can be in object, but 'score' is number"),
        ("len(score) > 1", 1, "`len` takes array or object or string, but 'score' is number"),
        ("lower(tags) == 'x'", 1, "`lower` takes string, but 'tags' is array"),
    ],
)
def test_what_can_never_hold_is_told_with_its_column(text, column, reason):
    (problem,) = expression_problems(parse(text), STATE)
    assert problem.column == column
    assert reason in problem.reason


def test_all_that_is_wrong_is_told_in_the_order_of_the_text():
    found = expression_problems(parse("score > 'x' or not (nothing and risky < 1)"), STATE)
    assert [problem.column for problem in found] == [7, 21, 39]


def test_an_item_is_not_there_when_a_node_is_asked_whether_it_runs():
    (problem,) = expression_problems(parse("package.name == 'x'"), STATE, item="package")
    assert "'package' is an item, and `when` is asked once, before the first" in problem.reason


VALUES = {
    "number": st.floats(-5, 5),
    "integer": st.integers(-5, 5),
    "string": st.text(max_size=3),
    "boolean": st.booleans(),
    "array": st.lists(st.integers(0, 3) | st.text(max_size=1), max_size=3),
    "object": st.dictionaries(st.sampled_from("xy"), st.integers(0, 3), max_size=2),
}
typed_names = st.sampled_from(["score", "count", "title", "risky", "tags", "review", "len(tags)", "lower(title)"])
typed_parts = typed_names | st.sampled_from(["1", "1.5", "'x'", "true", "[1, 'x']", "[]", "null"])
operators = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "not in"])


@given(typed_parts, operators, typed_parts, st.fixed_dictionaries({k: VALUES[v.type] for k, v in STATE.items() if v.type in VALUES}))  # fmt: skip
def test_a_comparison_that_passes_never_fails_on_values_of_the_declared_types(left, operator, right, values):
    expression = parse(f"{left} {operator} {right}")
    problems = expression_problems(expression, STATE)
    if problems:
        return
    try:
        value_of(expression, values)
    except ExpressionFailed as failed:
        raise AssertionError(f"{expression}: {failed.reason}") from failed


WORKFLOW = """\
workflow: w
state:
  score: {type: number}
  many: {type: array}
nodes:
  a: {kind: code, code: c}
  choose:
    kind: branch
    cases:
      - {when: "score > 'x'", to: b}
      - {to: end}
  b:
    kind: code
    code: c
    for_each: many
    when: item.x
  m:
    kind: map
    over: many
    when: "lower(score) == 'x'"
    node: {kind: code, code: c}
start: a
edges:
  - {from: a, to: choose, when: "score = 3"}
  - {from: a, to: b, when: "scores == 3"}
  - {from: a, to: m, when: "score and
      (score"}
  - {from: a, to: end, when: {key: score, equals: 3}}
"""


def test_each_condition_is_checked_where_it_stands(tmp_path):
    (tmp_path / "w.yaml").write_text(WORKFLOW)
    found = check(load_workflow(tmp_path / "w.yaml"), Registry.of_names({"c"}), lambda *_: True)
    reason = "`>` compares two numbers or two texts, but 'score' is number and \"'x'\" is string"
    item = "'item' is an item, and `when` is asked once, before the first: let a node choose the items"
    assert [line.removeprefix(f"{tmp_path}/") for line in found] == [
        f"w.yaml:10:10: nodes.choose.cases[0].when: column 7: {reason}",
        f"w.yaml:16:5: nodes.b.when: column 1: {item}",
        "w.yaml:20:5: nodes.m.when: column 1: `lower` takes string, but 'score' is number",
        "w.yaml:24:27: edges[0].when: column 7: '=' is not known here: write `==`",
        "w.yaml:25:22: edges[1].when: column 1: no state key 'scores'; did you mean 'score'?",
        "w.yaml:26:22: edges[2].when: column 17: `)` is missing here; `(` at column 11 is open",
    ]
