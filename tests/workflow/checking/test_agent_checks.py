"""What a check finds wrong with an agent, by its place."""

import pytest

from harness.tools.declarations import ToolDeclaration
from harness.workflow.checking.checks import check
from harness.workflow.checking.registry import Registry
from harness.workflow.loading import load_workflow

WORKFLOW = """\
workflow: helping
state: {question: {}, answer: {type: string}}
inputs: [question]
nodes:
  help:
    kind: agent
    role: helper
    prompt: ask.md
    tools: [look_up, mail.send]
    limits: {steps: 5}
    output: answer
start: help
"""
REGISTRY = Registry(
    code=frozenset({"sort"}),
    tools={"look_up": ToolDeclaration("look_up")},
    servers={"mail": ToolDeclaration("mail")},
)


@pytest.fixture
def checked(tmp_path):
    def check_it(*changes, prompt="Answer {{ question }}.", bound=True):
        text = WORKFLOW
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "ask.md").write_text(prompt)
        (tmp_path / "w.yaml").write_text(text)
        found = check(load_workflow(tmp_path / "w.yaml"), REGISTRY, lambda *_: bound)
        return [line.replace(f"{tmp_path}/", "") for line in found]

    return check_it


def test_an_agent_that_can_run_is_no_problem(checked):
    assert checked() == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("look_up,", "look_down,"), "w.yaml:9:13: nodes.help.tools[0]: no tool 'look_down'; did you mean 'look_up'?"),
        (("look_up,", "sort,"), "w.yaml:9:13: nodes.help.tools[0]: 'sort' is registered under `code`"),
        (("look_up,", "mail,"), "w.yaml:9:13: nodes.help.tools[0]: 'mail' is a server: name its tools one by one"),
        (("mail.send", "look_up"), "w.yaml:9:22: nodes.help.tools[1]: 'look_up' stands twice"),
        (("[look_up, mail.send]", "[]"), "w.yaml:9:5: nodes.help.tools: an agent without tools only answers"),
        (("    tools: [look_up, mail.send]\n", ""), "w.yaml:5:3: nodes.help: an agent without tools only answers"),
        (("steps: 5", "steps: 1"), "w.yaml:10:14: nodes.help.limits.steps: the last step is told to answer"),
        (("{type: string}", "{type: integer}"), "w.yaml:11:5: nodes.help.output: an answer without `schema` is text"),
        (("output: answer", "output: answer\n    schema: {type: objekt}"), "w.yaml:12:14: nodes.help.schema.type: "),
    ],
)
def test_what_keeps_it_from_running_is_told_with_its_place(checked, change, problem):
    (found,) = checked(change)
    assert found.startswith(problem)


def test_its_role_and_its_prompt_are_checked_as_a_model_nodes(checked):
    (unbound,) = checked(bound=False)
    assert "nodes.help.role: no binding fills the role 'helper'" in unbound
    (unknown,) = checked(prompt="Answer {{ questions }}.")
    assert unknown.startswith("ask.md:1:8: questions: no state key 'questions'; did you mean 'question'?")
