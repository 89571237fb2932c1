"""Questions of runs and people's answers in `runs.db`: one adapter a port, over the same rows.

What is shown and what was answered are payloads of the run that asks. How a question stands is not stored but read off
the clock: it expires without anybody doing anything.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from typing_extensions import override

from harness.engines.run_store import ENDED, typed_run_id
from harness.exceptions import AnswerRefused, NameUnknown
from harness.json_values import Json
from harness.names import nearest_names
from harness.storage.payloads import PayloadScope, insert_payloads
from harness.storage.run_rows import PLAIN_JSON, moment_of, text_of
from harness.storage.transactions import Operation, Row, Statement, TransactionWriter
from harness.workflow.answers import value_problem
from harness.workflow.nodes.questions import (
    AskedQuestion,
    Question,
    QuestionKind,
    Questions,
    QuestionStatus,
    RunQuestions,
)

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # those of run ids: none to misread
_ID_LENGTHS = (8, 12, 24)  # the shortest that is free; two of 24 letters never meet
_ALIKE_AMONG = 500  # the newest questions, to suggest one of


@dataclass(frozen=True, slots=True)
class AskingRun:
    """The run whose questions are asked, and the one it is a step of, or itself."""

    organisation: str
    run_id: str
    root_run_id: str
    workflow: str
    person: str


class SqlRunQuestions(RunQuestions):
    """Implements `RunQuestions`."""

    def __init__(self, writer: TransactionWriter, *, run: AskingRun, clock: Callable[[], datetime]) -> None:
        self._writer = writer
        self._run = run
        self._clock = clock

    @override
    async def ask(self, question: Question) -> AskedQuestion:
        run = self._run
        scope = PayloadScope(run.organisation, run.person, run.run_id, "run")
        shown = {
            "text": question.text,
            "shows": question.shows,
            "answer_schema": question.answer_schema,
            "to": list(question.to),
        }
        payload = scope.payload(PLAIN_JSON.dumps(shown, where="question"))
        place: dict[str, object] = {
            "organisation": run.organisation,
            "run_id": run.run_id,
            "path": question.path,
            "digest": question.digest,
        }

        def operation() -> Operation[AskedQuestion]:
            now = self._clock()
            rows = yield Statement(f"{_SELECT} {_AT_PLACE}", place)
            if not rows:
                question_id = yield from _free_id(run.organisation, run.run_id, question)
                yield from insert_payloads(scope, [payload], text_of(now))
                yield Statement(
                    _INSERT,
                    {
                        **place,
                        "question_id": question_id,
                        "root_run_id": run.root_run_id,
                        "workflow": run.workflow,
                        "person": run.person,
                        "node": question.node,
                        "kind": question.kind.value,
                        "asked_id": payload.payload_id,
                        "expires_at": text_of(question.expires_at) if question.expires_at else None,
                        "asked_at": text_of(now),
                    },
                )
                rows = yield Statement(f"{_SELECT} {_AT_PLACE}", place)
            else:
                yield Statement(_ASK_AGAIN, {**place, "now": text_of(now)})
            return _asked(rows[0], now)

        return await self._writer.run(operation, durable=True)


class SqlQuestions(Questions):
    """Implements `Questions`."""

    def __init__(self, writer: TransactionWriter, *, organisation: str, clock: Callable[[], datetime]) -> None:
        self._writer = writer
        self._organisation = organisation
        self._clock = clock

    @override
    async def open(self, run_id: str | None = None) -> Sequence[AskedQuestion]:
        condition = "AND (questions.run_id = :run_id OR questions.root_run_id = :run_id)" if run_id else _OF_LIVE_RUNS

        def operation() -> Operation[Sequence[AskedQuestion]]:
            now = self._clock()
            rows = yield Statement(
                f"{_SELECT} AND questions.answered_at IS NULL "
                "AND (questions.expires_at IS NULL OR questions.expires_at > :now) "
                f"{_NEWEST_OF_PLACE} {condition} ORDER BY questions.asked_at, questions.question_id",
                {"organisation": self._organisation, "run_id": run_id, "now": text_of(now)},
            )
            return [_asked(row, now) for row in rows]

        return await self._writer.run(operation)

    @override
    async def question(self, question_id: str) -> AskedQuestion:
        return await self._writer.run(lambda: self._found(question_id))

    @override
    async def answer(self, question_id: str, answer: Json, *, digest: str, person: str) -> AskedQuestion:
        content = PLAIN_JSON.dumps(answer, where="answer")

        def operation() -> Operation[AskedQuestion]:
            asked = yield from self._found(question_id)
            if _is_given(asked, answer, digest, person):
                return asked
            _check(asked, answer, digest, person)
            scope = PayloadScope(self._organisation, asked.person, asked.run_id, "run")
            payload = scope.payload(content)
            now = text_of(self._clock())
            taken = yield Statement(
                _ANSWER,
                {
                    "organisation": self._organisation,
                    "question_id": asked.question_id,
                    "answer_id": payload.payload_id,
                    "person": person,
                    "now": now,
                },
            )
            if not taken:  # on PostgreSQL, by another process since we looked
                later = yield from self._found(asked.question_id)
                if not _is_given(later, answer, digest, person):
                    _check(later, answer, digest, person)
                return later
            yield from insert_payloads(scope, [payload], now)
            return (yield from self._found(asked.question_id))

        return await self._writer.run(operation, durable=True)

    def _found(self, name: str) -> Operation[AskedQuestion]:
        typed = typed_run_id(name)
        rows = yield Statement(
            f"{_SELECT} AND questions.question_id >= :first AND questions.question_id <= :last "
            "ORDER BY questions.question_id LIMIT 4",
            {"organisation": self._organisation, "first": typed, "last": typed + "~"},  # "~" sorts behind all letters
        )
        meant = [row for row in rows if row[0] == typed] or rows
        if len(meant) == 1 and typed:
            return _asked(meant[0], self._clock())
        alike = [row[0] for row in rows]
        if not alike:
            newest = yield Statement(
                "SELECT question_id FROM questions WHERE organisation = :organisation "
                "ORDER BY asked_at DESC LIMIT :limit",
                {"organisation": self._organisation, "limit": _ALIKE_AMONG},
            )
            alike = list(nearest_names(typed, [row[0] for row in newest]))
        raise NameUnknown("question", name, alike)


def _free_id(organisation: str, run_id: str, question: Question) -> Operation[str]:
    """The shortest id of a question's place that no other place has."""
    letters = _letters_of(organisation, run_id, question.path, question.digest)
    for length in _ID_LENGTHS[:-1]:
        taken = yield Statement(
            "SELECT 1 FROM questions WHERE organisation = :organisation AND question_id = :question_id",
            {"organisation": organisation, "question_id": letters[:length]},
        )
        if not taken:
            return letters[:length]
    return letters


def _letters_of(*place: str) -> str:
    number = int.from_bytes(hashlib.sha256("\0".join(place).encode("utf-8", "surrogatepass")).digest())
    return "".join(_LETTERS[(number >> 5 * letter) & 31] for letter in range(_ID_LENGTHS[-1]))


def _is_given(asked: AskedQuestion, answer: Json, digest: str, person: str) -> bool:
    """Whether this is the answer that was taken, said once more."""
    return (
        asked.status is QuestionStatus.ANSWERED
        and (asked.answered_by, asked.question.digest) == (person, digest)
        # As texts, because True == 1 in Python.
        and PLAIN_JSON.dumps(asked.answer, where="answer") == PLAIN_JSON.dumps(answer, where="answer")
    )


def _check(asked: AskedQuestion, answer: Json, digest: str, person: str) -> None:
    """Whether an answer may be taken.

    Raises:
        AnswerRefused: with the first reason why not.
    """
    question = asked.question
    reason = None
    if asked.status is QuestionStatus.ANSWERED:
        reason = f"it was answered by {asked.answered_by!r} at {asked.answered_at:%Y-%m-%d %H:%M} UTC"
    elif asked.status is QuestionStatus.EXPIRED:
        reason = f"it expired at {question.expires_at:%Y-%m-%d %H:%M} UTC"
    elif question.to and person not in question.to:
        reason = f"it is asked of {', '.join(map(repr, question.to))}, not of {person!r}"
    elif digest != question.digest:
        reason = f"the answer is for {digest[:12]!r}, and what is shown is {question.digest[:12]!r}: look at it anew"
    elif problem := value_problem(answer, question.answer_schema):
        reason = f"it does not fit what is asked for: {problem}"
    if reason is not None:
        raise AnswerRefused(asked.question_id, reason)


def _asked(row: Row, now: datetime) -> AskedQuestion:
    if row[9] is None:
        raise NameUnknown("payload", row[8])  # erased; what was asked is not known any more
    shown = cast("dict[str, Any]", PLAIN_JSON.loads(row[9]))
    expires_at, answered_at = moment_of(row[10]), moment_of(row[14])
    question = Question(
        path=row[5],
        node=row[6],
        kind=QuestionKind(row[7]),
        digest=row[15],
        text=shown["text"],
        shows=shown["shows"],
        answer_schema=shown["answer_schema"],
        to=tuple(shown["to"]),
        expires_at=expires_at,
    )
    if answered_at is not None and row[12] is None:
        raise NameUnknown("payload", "the answer")
    return AskedQuestion(
        question_id=row[0],
        run_id=row[1],
        root_run_id=row[2],
        workflow=row[3],
        person=row[4],
        question=question,
        status=_status(answered_at, expires_at, now),
        asked_at=datetime.fromisoformat(row[11]),
        answer=cast("Json", PLAIN_JSON.loads(row[12])) if row[12] is not None else None,
        answered_by=row[13],
        answered_at=answered_at,
    )


def _status(answered_at: datetime | None, expires_at: datetime | None, now: datetime) -> QuestionStatus:
    if answered_at is not None:
        return QuestionStatus.ANSWERED
    return QuestionStatus.EXPIRED if expires_at is not None and expires_at <= now else QuestionStatus.OPEN


_SELECT = """\
SELECT questions.question_id, questions.run_id, questions.root_run_id, questions.workflow, questions.person,
  questions.path, questions.node, questions.kind, questions.asked_payload_id, asked.content, questions.expires_at,
  questions.asked_at, answers.content, questions.answered_by, questions.answered_at, questions.digest
FROM questions LEFT JOIN payloads AS asked ON asked.payload_id = questions.asked_payload_id
LEFT JOIN payloads AS answers ON answers.payload_id = questions.answer_payload_id
WHERE questions.organisation = :organisation"""

_AT_PLACE = "AND questions.run_id = :run_id AND questions.path = :path AND questions.digest = :digest"

# A place that asks something else by now, because the run went on with another workflow, waits for the newer alone.
_LATER = """\
EXISTS (SELECT 1 FROM questions AS later WHERE later.organisation = questions.organisation
  AND later.run_id = questions.run_id AND later.path = questions.path AND later.asked_at > questions.asked_at)"""
_NEWEST_OF_PLACE = f"AND NOT {_LATER}"
_ASK_AGAIN = f"""\
UPDATE questions SET asked_at = :now
WHERE organisation = :organisation AND run_id = :run_id AND path = :path AND digest = :digest
  AND answered_at IS NULL AND {_LATER}"""

# Who was cancelled, or failed beside its question, waits for nobody.
_OF_LIVE_RUNS = f"""\
AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.organisation = questions.organisation
  AND runs.run_id = questions.run_id AND runs.status IN ({", ".join(f"'{status.value}'" for status in sorted(ENDED))}))"""

# Nothing is done where another process asked at the same moment, at this place and so under this id.
_INSERT = """\
INSERT INTO questions (organisation, question_id, run_id, root_run_id, workflow, person, path, node, kind, digest,
  asked_payload_id, expires_at, asked_at)
VALUES (:organisation, :question_id, :run_id, :root_run_id, :workflow, :person, :path, :node, :kind, :digest,
  :asked_id, :expires_at, :asked_at)
ON CONFLICT DO NOTHING"""

_ANSWER = """\
UPDATE questions SET answer_payload_id = :answer_id, answered_by = :person, answered_at = :now
WHERE organisation = :organisation AND question_id = :question_id AND answered_at IS NULL
  AND (expires_at IS NULL OR expires_at > :now)
RETURNING question_id"""
