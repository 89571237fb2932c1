"""A question to a person as it is shown: whole, with its digest, and so that nothing in it can pose as ours."""

import json
from typing import cast

from harness.cli.output import time_text
from harness.cli.readable_values import one_line, quoted_block, readable_lines
from harness.json_values import Json, JsonObject
from harness.workflow.nodes.questions import APPROVAL_SCHEMA, AskedQuestion, QuestionKind

_FIRST_WORDS = 80
_DIGEST_SHOWN = 12

_ASKED_FOR = {
    QuestionKind.ANSWER: "an answer",
    QuestionKind.TOOL_CALL: "leave for a call, with these very arguments",
    QuestionKind.PLAN: "leave for a plan",
}


def question_object(asked: AskedQuestion) -> dict[str, object]:
    """A question for programs, with all that is shown."""
    question = asked.question
    return {
        "event": "question",
        "question_id": asked.question_id,
        "run_id": asked.run_id,
        "root_run_id": asked.root_run_id,
        "workflow": asked.workflow,
        "person": asked.person,
        "node": question.node,
        "path": question.path,
        "kind": question.kind.value,
        "status": asked.status.value,
        "text": question.text,
        "shows": question.shows,
        "answer_schema": question.answer_schema,
        "digest": question.digest,
        "to": question.to,
        "asked_at": asked.asked_at,
        "expires_at": question.expires_at,
    }


def question_lines(asked: AskedQuestion) -> list[str]:
    """A question for people: what is asked, of what, until when, and how it is answered."""
    question = asked.question
    place = f"question {asked.question_id} of run {asked.run_id} ({asked.workflow}, {question.path})"
    until = f", until {time_text(question.expires_at)}" if question.expires_at else ""
    lines = [
        f"{place}: {_ASKED_FOR[question.kind]}",
        f"asked {time_text(asked.asked_at)} by a run of {asked.person}{until}",
    ]
    if question.to:
        lines.append(f"may be answered by {', '.join(question.to)}")
    lines += quoted_block(question.text.rstrip("\n"))
    if question.shows not in (None, {}, []):
        lines += ["it is about:", *(f"  {line}" for line in readable_lines(question.shows))]
    return [*lines, f"answer: {answer_words(question.answer_schema)}", f"digest {question.digest}"]


def first_words(asked: AskedQuestion) -> str:
    """A question on part of a line."""
    words = one_line(asked.question.text)
    return words if len(words) <= _FIRST_WORDS else f"{words[:_FIRST_WORDS]}..."


def short_digest(digest: str) -> str:
    """Enough of a digest to compare two by eye; a command takes it for the whole."""
    return digest[:_DIGEST_SHOWN]


def is_approval(schema: JsonObject) -> bool:
    """Whether yes or no, perhaps with a comment, is an answer."""
    return schema == APPROVAL_SCHEMA


def answer_words(schema: JsonObject) -> str:
    """What is answered, in words where that is short, else as the schema says it."""
    if is_approval(schema):
        return "yes or no, and a comment if there is one to make"
    properties = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(properties, dict) or not properties:
        return f"JSON that fits {_compact(schema)}"
    required = cast("list[Json]", schema.get("required") or [])
    fields = [
        f"{name} ({_compact(each)}{'' if name in required else ', optional'})" for name, each in properties.items()
    ]
    return f"a JSON object of {', '.join(fields)}"


def _compact(schema: Json) -> str:
    if isinstance(schema, dict) and schema.keys() <= {"type", "description"} and isinstance(schema.get("type"), str):
        return str(schema["type"])
    return json.dumps(schema, ensure_ascii=False)
