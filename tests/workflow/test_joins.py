"""Which sources a node waits for together, and which meetings cannot be promised."""

import pytest

from harness.workflow.checking.checks import check
from harness.workflow.checking.registry import Registry
from harness.workflow.dominators import BEGIN
from harness.workflow.joins import uncertain_meetings, waiting_sources
from harness.workflow.loading import load_workflow
from harness.workflow.spec import WorkflowSpec


def workflow(start, **edges):
    """`a="bc"`: both; `a="b|c"`: the one or, where a condition does not hold, the other; `a="b?"`: b or the end."""
    nodes = set(start) | set(edges) | {name for text in edges.values() for name in text if name not in "|?"}
    written = []
    for source, text in edges.items():
        *conditional, last = text.split("|")
        if last.endswith("?"):
            conditional, last = [*conditional, last[:-1]], ""
        written += [{"from": source, "to": list(to), "when": {"key": "k", "equals": 1}} for to in conditional]
        written += [{"from": source, "to": list(last)}] if last else []
    return WorkflowSpec.model_validate(
        {
            "workflow": "w",
            "state": {"k": {"type": "integer"}},
            "nodes": {name: {"kind": "code", "code": "x"} for name in sorted(nodes)},
            "start": list(start),
            "edges": written,
        }
    )


def groups(spec):
    found = waiting_sources(spec)
    return {target: [("".join(sorted(name or "^" for name in group))) for group in found[target]] for target in found}


@pytest.mark.parametrize(
    ("start", "edges", "expected"),
    [
        ("s", {"s": "ab", "a": "d", "b": "d"}, {"d": ["ab"]}),
        ("s", {"s": "ab", "a": "c", "c": "d", "b": "d"}, {"d": ["bc"]}),
        ("ab", {"a": "d", "b": "d"}, {"d": ["ab"]}),
        ("s", {"s": "a|b", "a": "d", "b": "d"}, {}),
        # one target of a fan-out leads to the other, which waits for it
        ("s", {"s": "ab", "a": "b"}, {"b": ["as"]}),
        ("ab", {"a": "b"}, {"b": ["^a"]}),
        # of two fan-outs one is taken, and its branches meet where the other's would
        ("s", {"s": "f|g", "f": "ab", "g": "yz", "a": "d", "b": "d", "y": "d", "z": "d"}, {"d": ["ab", "yz"]}),
        # what met goes on as one, so that it may choose
        ("s", {"s": "ab", "a": "m", "b": "m", "m": "p|q", "p": "d", "q": "d"}, {"m": ["ab"]}),
        # loops around a meeting, and one whose body is the fan-out of the meeting itself
        ("s", {"s": "ab", "a": "d", "b": "d", "d": "s?"}, {"d": ["ab"]}),
        ("d", {"d": "ab", "a": "d", "b": "d"}, {"d": ["ab"]}),
    ],
)
def test_a_meeting_waits_for_those_that_come_to_it_in_one_round(start, edges, expected):
    spec = workflow(start, **edges)
    assert groups(spec) == expected
    assert uncertain_meetings(spec) == []


@pytest.mark.parametrize(
    ("start", "edges", "expected"),
    [
        ("s", {"s": "ab", "a": "d", "b": "d?"}, [("d", "b")]),
        ("s", {"s": "ab", "a": "d", "b": "x|y", "x": "d", "y": "d"}, [("d", "b")]),
        ("s", {"s": "ab", "a": "d", "b": "x|y", "x": "d"}, [("d", "b")]),
        # a fan-out that is sometimes smaller, and a loop that is entered behind it
        ("s", {"s": "f|g", "f": "ab", "g": "a", "a": "d", "b": "d"}, [("d", "s")]),
        ("p", {"p": "s|a", "s": "ab", "a": "j", "b": "j"}, [("j", "p")]),
        # a target of a fan-out that may or may not lead to the other
        ("s", {"s": "ab", "a": "b?"}, [("b", "a")]),
        ("ab", {"a": "b?"}, [("b", "a")]),
        # a loop back to one of the branches that met
        ("s", {"s": "ab", "a": "d", "b": "d", "d": "b"}, [("b", "b"), ("d", "d")]),
    ],
)
def test_a_meeting_that_one_branch_can_miss_is_named_with_the_node_that_decides(start, edges, expected):
    assert uncertain_meetings(workflow(start, **edges)) == expected


def test_the_start_is_a_source_like_others():
    assert BEGIN in waiting_sources(workflow("ab", a="b"))["b"][0]


def test_the_check_says_where_and_what_to_do_instead(tmp_path):
    path = tmp_path / "workflow.yaml"
    path.write_text(
        """\
workflow: w
state: {k: {type: boolean}}
nodes:
  a: {kind: code, code: x}
  b: {kind: code, code: x}
  c: {kind: code, code: x}
  d: {kind: code, code: x}
start: [a, b]
edges:
  - {from: a, to: d}
  - {from: b, to: d, when: {key: k, equals: true}}
  - {from: b, to: c}
  - {from: c, to: end}
"""
    )
    problems = check(load_workflow(path), Registry.of_names({"x"}), lambda *_: True)
    meets = "branches that meet at 'd' must all come there: 'b' may take another way; use `when` on a node instead"
    assert [problem.removeprefix(f"{path}:") for problem in problems] == [f"5:3: nodes.b: {meets}"]
