"""What a check finds in a human node."""

import pytest

from harness.workflow.checking.checks import check
from harness.workflow.checking.registry import Registry
from harness.workflow.loading import load_workflow

WORKFLOW = """\
workflow: w
state:
  draft: {{type: string}}
  drafts: {{type: array}}
  approval: {{type: object}}
nodes:
  ask: {{kind: human, question: q.md, output: approval{more}}}
start: ask
"""
QUESTION = "May this go out?\n{{ draft }}\n"


@pytest.fixture
def found(tmp_path):
    def find(more="", question=QUESTION, **files):
        for name, text in {"q.md": question, **{f"{key}.yaml": each for key, each in files.items()}}.items():
            (tmp_path / name).write_text(text)
        (tmp_path / "w.yaml").write_text(WORKFLOW.format(more=more))
        lines = check(load_workflow(tmp_path / "w.yaml"), Registry(), lambda *_: True)
        return [line.removeprefix(f"{tmp_path}/") for line in lines]

    return find


@pytest.mark.parametrize(
    "more",
    [
        "",
        ", shows: [draft]",
        ", answer: {type: object, properties: {grade: {type: integer}}}",
        ", expires_seconds: 60",
        ", expires_seconds: 60, on_expiry: default, default: {approved: false}",
        ", expires_seconds: 60, on_expiry: default, default: null",
        ", to: [ada, grace]",
    ],
)
def test_what_makes_sense_passes(found, more):
    assert found(more) == []


@pytest.mark.parametrize(
    ("more", "key", "words"),
    [
        (", shows: [drafft]", "shows[0]", "'draft'"),
        (", shows: [draft, draft]", "shows[1]", "stands twice"),
        (", answer: {type: objekt}", "answer.type", "objekt"),
        (", answer: {type: string}", "output", "string"),
        (", on_expiry: default, default: {approved: false}", "on_expiry", "add `expires_seconds`"),
        (", expires_seconds: 60, on_expiry: default", "on_expiry", "no `default`"),
        (", expires_seconds: 60, default: {approved: false}", "default", "never taken"),
        (", expires_seconds: 60, on_expiry: default, default: {approved: true}", "default", "nobody saw"),
        (", expires_seconds: 60, on_expiry: default, default: {approved: perhaps}", "default", "outside"),
        (", cache: {seconds: 60}", "cache", "asked anew"),
        (", timeout_seconds: 60", "timeout_seconds", "expires_seconds"),
        (", fallback: {value: {approved: true}}", "fallback", "nothing answers for a person"),
    ],
)
def test_what_makes_none_is_found_by_its_key(found, more, key, words):
    (line,) = found(more)
    assert line.startswith("w.yaml:7:")
    assert f": nodes.ask.{key}: " in line
    assert words in line


def test_a_question_about_what_is_not_there_is_found_in_its_file(found):
    (line,) = found(question="May\n{{ drafft }} go out?")
    assert line.startswith("q.md:2:1: drafft: ")
    (line,) = found(question="May {{ draft. }} go out?")
    assert line.startswith("q.md:1:5: ")


def test_a_schema_of_a_file_is_found_by_its_own_place(found):
    assert found(", answer: a.yaml", a="type: object\n") == []
    (line,) = found(", answer: a.yaml", a="type: object\nproperties: {x: {type: whole}}\n")
    assert line.startswith("a.yaml:2:")


def test_an_item_may_be_asked_about_and_shown(found):
    (line,) = found(", for_each: drafts, item: one, shows: [one]", question="May {{ one }} go out?")
    assert "nodes.ask.output: `for_each` makes it a list (array)" in line
