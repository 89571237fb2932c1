"""What a person answers: read from the command line's options, or asked for on a terminal."""

import sys
from dataclasses import dataclass
from pathlib import Path

import typer

from harness.cli.output import Output
from harness.cli.question_views import answer_words, is_approval
from harness.exceptions import AnswerRefused
from harness.json_values import Json, JsonObject
from harness.workflow.answers import Rejected, read_answer
from harness.workflow.nodes.asking_people import require_fitting
from harness.workflow.nodes.questions import AskedQuestion

_LEAST_OF_A_DIGEST = 8
_YES, _NO, _LATER = frozenset({"y", "yes"}), frozenset({"n", "no"}), frozenset({"", "q", "quit"})


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """An answer as the options say it.

    Args:
        approved: of `--yes` and `--no`; None where neither was given.
        comment: goes with those.
        answer: JSON, or `@file` with it; `@-` reads the standard input.
        digest: what was seen, or its first eight letters; a question that shows something else is not answered.
    """

    approved: bool | None
    comment: str | None
    answer: str | None
    digest: str | None

    @property
    def said(self) -> bool:
        """Whether the options answer."""
        return self.approved is not None or self.answer is not None

    def require_sense(self, *, several: bool) -> None:
        """Refuse options that do not go together.

        Raises:
            BadParameter: with the remedy.
        """
        if self.approved is not None and self.answer is not None:
            raise typer.BadParameter("give --yes or --no, or --answer, not both")
        if self.comment is not None and self.approved is None:
            raise typer.BadParameter("a comment goes with --yes or --no", param_hint="--comment")
        if self.digest is not None and several:
            raise typer.BadParameter("one digest is of one question: leave --all out", param_hint="--digest")
        if self.digest is not None and len(self.digest) < _LEAST_OF_A_DIGEST:
            raise typer.BadParameter(f"give at least {_LEAST_OF_A_DIGEST} letters of it", param_hint="--digest")

    def require_seen(self, asked: AskedQuestion) -> None:
        """Let only the question pass that was seen.

        Raises:
            AnswerRefused: it shows something else.
        """
        if self.digest is not None and not asked.question.digest.startswith(self.digest.lower()):
            reason = f"it has the digest {asked.question.digest}, not {self.digest!r}: look at it again"
            raise AnswerRefused(asked.question_id, reason)

    def answer_to(self, asked: AskedQuestion) -> Json:
        """The answer, inside the question's schema.

        Raises:
            AnswerRefused: it is outside.
            BadParameter: yes or no is no answer to this question.
        """
        schema = asked.question.answer_schema
        if self.answer is not None:
            return _read(asked, _text_of(self.answer))
        if not is_approval(schema):
            raise typer.BadParameter(
                f"question {asked.question_id} is not answered by yes or no: give --answer, {answer_words(schema)}"
            )
        return _fitting(asked, _approval(self.approved is True, self.comment))


def answer_from_terminal(output: Output, asked: AskedQuestion) -> Json:
    """Ask on the terminal until there is an answer inside the schema; None where the person leaves the question open."""
    while True:
        try:
            if is_approval(asked.question.answer_schema):
                return _asked_approval(output, asked)
            output.words("answer as JSON (empty: leave it open): ")
            text = _line()
            return None if not text else _read(asked, text)
        except AnswerRefused as refused:
            output.problem(refused.reason)


def chosen_on_terminal(output: Output, count: int) -> int | None:
    """Which of so many, from 1; None for all of them.

    Raises:
        Abort: none of them.
    """
    while True:
        output.words(f"which? [1-{count}, a: all, q: none] ")
        text = _line().lower()
        if text in _LATER:
            raise typer.Abort
        if text in ("a", "all"):
            return None
        if text.isascii() and text.isdigit() and 1 <= int(text) <= count:
            return int(text)


def _asked_approval(output: Output, asked: AskedQuestion) -> Json:
    output.words("approve? [y: yes, n: no, q: leave it open] ")
    text = _line().lower()
    if text in _LATER:
        return None
    if text not in _YES | _NO:
        raise AnswerRefused(asked.question_id, "write y, n or q")
    output.words("comment (may be empty): ")
    return _fitting(asked, _approval(text in _YES, _line() or None))


def _approval(approved: bool, comment: str | None) -> JsonObject:
    return {"approved": approved, **({"comment": comment} if comment is not None else {})}


def _fitting(asked: AskedQuestion, answer: Json) -> Json:
    require_fitting(asked.question_id, asked.question, answer)
    return answer


def _read(asked: AskedQuestion, text: str) -> Json:
    read = read_answer(text, asked.question.answer_schema)
    if isinstance(read, Rejected):
        raise AnswerRefused(asked.question_id, read.reason)
    return read.value


def _line() -> str:
    return sys.stdin.readline().strip()


def _text_of(given: str) -> str:
    if not given.startswith("@"):
        return given
    if given == "@-":
        return sys.stdin.read()
    try:
        return Path(given[1:]).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{given[1:]!r} is not UTF-8", param_hint="--answer") from error
