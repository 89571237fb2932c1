"""What a check finds in a node that runs another workflow."""

from pathlib import Path

import pytest

from harness.workflow.checking.checks import check
from harness.workflow.checking.registry import Registry
from harness.workflow.loading import load_workflow

OUTER = """\
workflow: outer
state:
  texts: {type: array}
  count: {type: integer}
  found: {type: array}
  one: {type: object}
nodes:
  each:
    kind: workflow
    workflow: inner
    for_each: texts
    item: text
    inputs: {text: {from: text.body}, most: {from: count}}
    outputs: [licence]
    output: found
  once: {kind: workflow, workflow: inner, inputs: {text: "MIT", most: 3}, output: one}
start: [each, once]
"""

INNER = """\
workflow: inner
inputs: [text, most]
state: {text: {type: string}, most: {type: number}, licence: {type: string}}
nodes:
  name: {kind: code, code: name_it, arguments: {text: {from: text}}, output: licence}
start: name
"""


@pytest.fixture
def problems(tmp_path: Path):
    def checked(*changes: tuple[str, str], registered=("outer", "inner"), loaded=("outer", "inner")) -> list[str]:
        text = OUTER
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        (tmp_path / "outer.yaml").write_text(text)
        (tmp_path / "inner.yaml").write_text(INNER)
        paths = {name: tmp_path / f"{name}.yaml" for name in loaded}
        registry = Registry(code=frozenset({"name_it"}), workflows=frozenset(registered))
        found = check(load_workflow(tmp_path / "outer.yaml", paths), registry, lambda *_: True)
        return [line.removeprefix(f"{tmp_path}/") for line in found]

    return checked


def test_a_step_that_is_right_has_no_problem(problems):
    assert problems() == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            ("workflow: inner\n    for_each", "workflow: iner\n    for_each"),
            (
                "outer.yaml:10:5: nodes.each.workflow: no workflow 'iner'; did you mean 'inner'? "
                "(workflows are registered in harness.yaml)"
            ),
        ),
        (
            ("inputs: {text: {from: text.body}", "inputs: {txt: {from: text.body}"),
            "outer.yaml:13:14: nodes.each.inputs.txt: no input 'txt'; did you mean 'text'? (of workflow 'inner')",
        ),
        (
            ("inputs: {text: {from: text.body}", "inputs: {licence: {from: text.body}"),
            "outer.yaml:13:14: nodes.each.inputs.licence: no input 'licence'; there is most, text (of workflow 'inner')",
        ),
        (
            ("most: {from: count}", "most: {from: cuont}"),
            "outer.yaml:13:46: nodes.each.inputs.most.from: no state key 'cuont'; did you mean 'count'?",
        ),
        (
            ("most: {from: count}", "most: {from: texts}"),
            "outer.yaml:13:39: nodes.each.inputs.most: workflow 'inner' takes number here, this is array",
        ),
        (
            ("most: 3", "most: three"),
            "outer.yaml:16:65: nodes.once.inputs.most: workflow 'inner' takes number here, this is string",
        ),
        (
            ("outputs: [licence]", "outputs: [license]"),
            "outer.yaml:14:15: nodes.each.outputs[0]: no state key 'license'; did you mean 'licence'? (of workflow 'inner')",
        ),
        (
            ("output: one", "output: found"),
            "outer.yaml:16:75: nodes.once.output: a workflow's state (object), but the state key 'found' is array",
        ),
    ],
)
def test_what_does_not_fit_the_other_workflow_is_named_with_its_place(problems, change, problem):
    assert problem in problems(change)


def test_one_that_is_registered_but_was_not_loaded_is_told_apart(problems):
    (first, _) = problems(loaded=())
    reason = "workflow 'inner' is registered, but was not loaded with this one: name it in the same harness.yaml"
    assert first == f"outer.yaml:10:5: nodes.each.workflow: {reason}"
