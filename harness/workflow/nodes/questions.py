"""What a run waits for a person to say: the port through which nodes ask and people answer.

A question is recorded and the run put down; days of waiting hold no process. Who was answered reads it here when the
run goes on. What is shown comes from values and code, never from a model's summary of them, and carries a digest: an
answer names the digest it was given for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from harness.json_values import Json, JsonObject


class QuestionKind(StrEnum):
    """What is asked for."""

    ANSWER = "answer"  # a human node's
    TOOL_CALL = "tool_call"  # may this call be made, with these arguments
    PLAN = "plan"  # may this plan be run


class QuestionStatus(StrEnum):
    """How it stands."""

    OPEN = "open"
    ANSWERED = "answered"
    EXPIRED = "expired"


# What is answered where a question names no schema of its own.
APPROVAL_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"approved": {"type": "boolean"}, "comment": {"type": "string", "maxLength": 10_000}},
    "required": ["approved"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Question:
    """A question as a node asks it.

    Args:
        path: the place within the run; one place asks one thing of one digest.
        text: for the person.
        shows: the values that are approved, whole.
        digest: over kind, text, shows and schema.
        to: who may answer; empty lets anybody of the organisation.
        expires_at: after this it is answered no more.
    """

    path: str
    node: str
    kind: QuestionKind
    text: str
    shows: Json
    answer_schema: JsonObject
    digest: str
    to: tuple[str, ...] = ()
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question as it is recorded, with its answer where there is one.

    Args:
        question_id: short, for people to type.
        run_id: the run that waits; `root_run_id` the one it is a step of, or itself.
    """

    question_id: str
    run_id: str
    root_run_id: str
    workflow: str
    person: str
    question: Question
    status: QuestionStatus
    asked_at: datetime
    answer: Json
    answered_by: str | None
    answered_at: datetime | None


class RunQuestions(Protocol):
    """The questions of one run, as its nodes see them."""

    async def ask(self, question: Question) -> AskedQuestion:
        """Record a question, once, and return it as it stands now: open, answered, or expired."""
        ...


class Questions(Protocol):
    """The questions of an organisation, as people see them."""

    async def open(self, run_id: str | None = None) -> Sequence[AskedQuestion]:
        """What waits for an answer, the oldest first; of one run and the runs that are its steps, or of all."""
        ...

    async def question(self, question_id: str) -> AskedQuestion:
        """One question; the beginning of its id is enough. NameUnknown without one."""
        ...

    async def answer(self, question_id: str, answer: Json, *, digest: str, person: str) -> AskedQuestion:
        """Answer, once.

        Raises:
            AnswerRefused: it is expired, answered already, asked of somebody else, or the digest is not what is shown.
        """
        ...
