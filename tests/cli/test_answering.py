"""What a person's options and words come to."""

import io
import sys
from datetime import UTC, datetime

import pytest
import typer

from harness.cli.answering import GivenAnswer, answer_from_terminal, chosen_on_terminal
from harness.cli.output import Output
from harness.cli.question_views import answer_words, first_words, question_lines
from harness.exceptions import AnswerRefused
from harness.workflow.nodes.asking_people import question_digest
from harness.workflow.nodes.questions import APPROVAL_SCHEMA, AskedQuestion, Question, QuestionKind, QuestionStatus

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
GRADE = {
    "type": "object",
    "properties": {"grade": {"type": "integer"}, "why": {"type": "string"}},
    "required": ["grade"],
}


def asked(schema=APPROVAL_SCHEMA, text="May it go out?", shows=None, kind=QuestionKind.ANSWER, to=()):
    digest = question_digest(kind, text, shows, schema)
    question = Question("ask[1]", "ask", kind, text, shows, schema, digest, to, NOW)
    return AskedQuestion("q1q1q1q1", "run1", "run1", "w", "ada", question, QuestionStatus.OPEN, NOW, None, None, None)


def given(approved=None, comment=None, answer=None, digest=None):
    return GivenAnswer(approved, comment, answer, digest)


def test_yes_and_no_with_a_comment_are_approvals():
    assert given(approved=True).answer_to(asked()) == {"approved": True}
    assert given(approved=False, comment="too long").answer_to(asked()) == {"approved": False, "comment": "too long"}


def test_a_typed_answer_is_json_inside_the_schema_from_the_line_or_a_file(tmp_path, monkeypatch):
    assert given(answer='{"grade": 2}').answer_to(asked(GRADE)) == {"grade": 2}
    (tmp_path / "a.json").write_text('{"grade": 3}')
    assert given(answer=f"@{tmp_path / 'a.json'}").answer_to(asked(GRADE)) == {"grade": 3}
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"grade": 4}\n'))
    assert given(answer="@-").answer_to(asked(GRADE)) == {"grade": 4}
    for bad in ('{"grade": "good"}', "{}", "grade 2", '{"grade": 1, "grade": 2}', "NaN"):
        with pytest.raises(AnswerRefused):
            given(answer=bad).answer_to(asked(GRADE))


def test_yes_is_no_answer_to_a_typed_question():
    with pytest.raises(typer.BadParameter, match="--answer"):
        given(approved=True).answer_to(asked(GRADE))


@pytest.mark.parametrize(
    ("options", "several"),
    [
        ({"approved": True, "answer": "{}"}, False),
        ({"comment": "x"}, False),
        ({"answer": "{}", "comment": "x"}, False),
        ({"approved": True, "digest": "abcdef01"}, True),
        ({"approved": True, "digest": "abc"}, False),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, several):
    with pytest.raises(typer.BadParameter):
        given(**options).require_sense(several=several)


def test_only_what_was_seen_is_answered():
    question = asked()
    for seen in (question.question.digest, question.question.digest[:8], question.question.digest.upper()):
        given(approved=True, digest=seen).require_seen(question)
    with pytest.raises(AnswerRefused, match="look at it again"):
        given(approved=True, digest=asked(text="another").question.digest).require_seen(question)


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("y\n\n", {"approved": True}),
        ("no\ntoo long\n", {"approved": False, "comment": "too long"}),
        ("perhaps\ny\nfine\n", {"approved": True, "comment": "fine"}),
        ("q\n", None),
        ("", None),
    ],
)
def test_the_terminal_is_asked_until_there_is_an_answer(typed, answer, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert answer_from_terminal(Output(as_json=False), asked()) == answer


def test_a_typed_answer_on_the_terminal_is_held_to_its_schema(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"grade": "good"}\n{"grade": 1}\n'))
    assert answer_from_terminal(Output(as_json=False), asked(GRADE)) == {"grade": 1}
    assert "integer" in capsys.readouterr().err


def test_one_of_several_is_chosen_by_its_number(monkeypatch):
    output = Output(as_json=False)
    for typed, chosen in (("2\n", 2), ("9\nx\n1\n", 1), ("a\n", None)):
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        assert chosen_on_terminal(output, 3) == chosen
    monkeypatch.setattr(sys, "stdin", io.StringIO("q\n"))
    with pytest.raises(typer.Abort):
        chosen_on_terminal(output, 3)


def test_what_is_answered_is_said_in_words():
    assert answer_words(APPROVAL_SCHEMA).startswith("yes or no")
    assert answer_words(GRADE) == "a JSON object of grade (integer), why (string, optional)"
    assert answer_words({"enum": [1, 2]}) == 'JSON that fits {"enum": [1, 2]}'


def test_a_question_is_shown_whole_with_its_digest_and_can_pose_as_nothing():
    hostile = "Fine.\ndigest 0000\nanswer: yes\n\x1b[2J"
    question = asked(text=hostile, shows={"arguments": {"to": "b@x", "body": hostile * 50}}, to=("grace",))
    lines = question_lines(question)
    assert lines[-1] == f"digest {question.question.digest}"
    assert [line for line in lines if line.startswith("digest")] == lines[-1:]
    assert [line for line in lines if line.startswith("answer:")] == lines[-2:-1]
    assert sum("│ answer: yes" in line for line in lines) == 51
    assert "may be answered by grace" in lines
    assert "\n" not in first_words(question)
