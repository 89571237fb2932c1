"""What a human node asks, when it waits, and what becomes of the answer or of the time that passes without one."""

import asyncio
import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from harness.exceptions import AnswerRefused, NameUnknown, NodeFailed, QuestionExpired, WaitsForPerson
from harness.workflow.events import QuestionAnswered, QuestionAsked
from harness.workflow.loading import workflow_from_spec
from harness.workflow.nodes.asking_people import question_digest, require_fitting, shows_what_it_says
from harness.workflow.nodes.node_runner import NodeRunner
from harness.workflow.nodes.questions import APPROVAL_SCHEMA, AskedQuestion, QuestionKind, QuestionStatus
from harness.workflow.spec import WorkflowSpec
from tests.workflow.conftest import context_of

NOW = datetime(2026, 11, 24, tzinfo=UTC)


class Day:
    """A clock that stands until it is set on, and the questions that are asked under it."""

    def __init__(self):
        self.now = NOW
        self.asked = {}
        self.ids = itertools.count(1)

    def __call__(self):
        return self.now

    async def ask(self, question):
        key = question.path, question.digest
        if key not in self.asked:
            self.asked[key] = AskedQuestion(
                f"q{next(self.ids)}",
                "run",
                "run",
                "w",
                "ada",
                question,
                QuestionStatus.OPEN,
                self.now,
                None,
                None,
                None,
            )
        found = self.asked[key]
        until = found.question.expires_at
        if found.status is QuestionStatus.OPEN and until is not None and until <= self.now:
            self.asked[key] = found = replace(found, status=QuestionStatus.EXPIRED)
        return found

    def answer(self, answer, path="ask"):
        for key, asked in self.asked.items():
            if asked.question.path == path:
                self.asked[key] = replace(
                    asked, status=QuestionStatus.ANSWERED, answer=answer, answered_by="grace", answered_at=self.now
                )

    @property
    def one(self):
        (asked,) = self.asked.values()
        return asked.question


def runner_of(*, files=None, **node):
    given = {"kind": "human", "question": "q.md", "output": "said"} | node
    spec = {
        "workflow": "w",
        "state": {"draft": {}, "drafts": {"type": "array"}, "said": {"type": "any"}},
        "nodes": {"ask": given},
        "start": "ask",
    }
    held = {"q.md": "May this go out?\n{{ draft }}\n"} | (files or {})
    return NodeRunner(workflow_from_spec(WorkflowSpec.model_validate(spec), held), "ask")


def visited(runner, day, draft="Dear all", drafts=()):
    events = []
    context = context_of({}, events, questions=day, clock=day)
    update = asyncio.run(runner.run({"draft": draft, "drafts": list(drafts)}, context))
    return update["said"], events


def test_it_waits_until_somebody_answers_and_asks_once():
    day, runner = Day(), runner_of()
    with pytest.raises(WaitsForPerson) as waits:
        visited(runner, day)
    with pytest.raises(WaitsForPerson):
        visited(runner, day)
    assert len(day.asked) == 1
    assert (waits.value.run_id, waits.value.node) == ("run", "ask")
    assert waits.value.question == "May this go out? Dear all"
    day.answer({"approved": True, "comment": "go"})
    said, events = visited(runner, day)
    assert said == {"approved": True, "comment": "go"}
    assert QuestionAnswered("ask", "q1", "grace") in events


def test_what_is_shown_is_the_values_themselves_and_the_digest_is_of_all_of_it():
    day = Day()
    with pytest.raises(WaitsForPerson):
        visited(runner_of(shows=["draft"]), day, draft={"text": "x" * 50_000})
    question = day.one
    assert question.shows == {"draft": {"text": "x" * 50_000}}
    assert question.answer_schema == APPROVAL_SCHEMA
    assert shows_what_it_says(question)
    for changed in (
        replace(question, text="another"),
        replace(question, shows={"draft": {}}),
        replace(question, kind=QuestionKind.PLAN),
        replace(question, answer_schema={"type": "string"}),
    ):
        assert not shows_what_it_says(changed)


def test_an_answer_to_other_values_is_no_answer():
    day, runner = Day(), runner_of(shows=["draft"])
    with pytest.raises(WaitsForPerson):
        visited(runner, day, draft="kind")
    day.answer({"approved": True})
    assert visited(runner, day, draft="kind")[0] == {"approved": True}
    with pytest.raises(WaitsForPerson):
        visited(runner, day, draft="unkind")


def test_a_typed_answer_is_held_to_its_schema_from_a_file_or_in_place():
    schema = {"type": "object", "properties": {"grade": {"enum": [1, 2, 3]}}, "required": ["grade"]}
    for node in ({"answer": schema}, {"answer": "a.yaml", "files": {"a.yaml": '{"type": "integer"}'}}):
        day, runner = Day(), runner_of(**node)
        with pytest.raises(WaitsForPerson):
            visited(runner, day)
        good, bad = ({"grade": 2}, {"grade": 4}) if "files" not in node else (2, "2")
        day.answer(good)
        assert visited(runner, day)[0] == good
        day.answer(bad)
        with pytest.raises(AnswerRefused):
            visited(runner, day)
        with pytest.raises(AnswerRefused, match="q1"):
            require_fitting("q1", day.one, bad)


def test_its_time_runs_from_the_first_asking_however_often_the_node_runs_again():
    day, runner = Day(), runner_of(expires_seconds=3600)
    with pytest.raises(WaitsForPerson):
        visited(runner, day)
    day.now += timedelta(minutes=59)
    with pytest.raises(WaitsForPerson):
        visited(runner, day)
    assert day.one.expires_at == NOW + timedelta(hours=1)
    day.now += timedelta(minutes=1)
    with pytest.raises(QuestionExpired) as expired:
        visited(runner, day)
    assert expired.value.expired_at == NOW + timedelta(hours=1)
    assert not expired.value.retryable


def test_an_answer_in_time_counts_long_afterwards():
    day, runner = Day(), runner_of(expires_seconds=60)
    with pytest.raises(WaitsForPerson):
        visited(runner, day)
    day.answer({"approved": True})
    day.now += timedelta(days=9)
    assert visited(runner, day)[0] == {"approved": True}


def test_an_expired_question_may_take_its_default():
    day, runner = Day(), runner_of(expires_seconds=60, on_expiry="default", default={"approved": False})
    with pytest.raises(WaitsForPerson):
        visited(runner, day)
    day.now += timedelta(seconds=60)
    assert visited(runner, day)[0] == {"approved": False}


def test_one_question_an_item_all_asked_at_once_and_answered_in_any_order():
    day, runner = Day(), runner_of(for_each="drafts", item="one", max_concurrency=1, shows=["one"],
                                   files={"q.md": "May {{ one }} go out?"})  # fmt: skip
    drafts = ["a", "b", "c"]
    with pytest.raises(WaitsForPerson) as waits:
        visited(runner, day, drafts=drafts)
    assert waits.value.question == "May a go out?"
    assert sorted(asked.question.path for asked in day.asked.values()) == ["ask[0]", "ask[1]", "ask[2]"]
    assert [asked.question.shows for asked in day.asked.values()] == [{"one": each} for each in drafts]
    for place in (2, 0, 1):
        with pytest.raises(WaitsForPerson):
            visited(runner, day, drafts=drafts)
        day.answer({"approved": place != 1}, path=f"ask[{place}]")
    assert visited(runner, day, drafts=drafts)[0] == [{"approved": True}, {"approved": False}, {"approved": True}]


def test_what_failed_is_told_before_what_waits():
    day, runner = Day(), runner_of(for_each="drafts", item="one", files={"q.md": "May {{ one.text }} go out?"})
    with pytest.raises(NameUnknown):
        visited(runner, day, drafts=[{"text": "a"}, {}])
    assert len(day.asked) == 1


def test_a_person_is_wanted_by_an_event_without_people_s_words():
    day, events = Day(), []
    context = context_of({}, events, questions=day, clock=day)
    with pytest.raises(WaitsForPerson):
        asyncio.run(runner_of(expires_seconds=60).run({"draft": "secret words"}, context))
    (asked,) = [event for event in events if isinstance(event, QuestionAsked)]
    assert asked == QuestionAsked("ask", "q1", "answer", day.one.digest, NOW + timedelta(seconds=60))
    assert "secret" not in repr(events)


def test_the_run_that_somebody_started_is_the_one_to_be_answered():
    day = Day()
    context = context_of({}, [], questions=day, clock=day)
    context = replace(context, run=replace(context.run, run_id="step", root_run_id="started"))
    with pytest.raises(WaitsForPerson) as waits:
        asyncio.run(runner_of().run({"draft": "d"}, context))
    assert waits.value.run_id == "started"


def test_an_answer_that_does_not_fit_the_state_key_fails_the_node():
    spec = {
        "workflow": "w", "state": {"said": {"type": "string"}}, "start": "ask",
        "nodes": {"ask": {"kind": "human", "question": "q.md", "answer": {}, "output": "said"}},
    }  # fmt: skip
    runner = NodeRunner(workflow_from_spec(WorkflowSpec.model_validate(spec), {"q.md": "?"}), "ask")
    day = Day()
    with pytest.raises(WaitsForPerson):
        visited(runner, day)
    day.answer(3)
    with pytest.raises(NodeFailed, match="'said' holds string"):
        visited(runner, day)


def test_the_digest_of_equal_questions_is_equal_whatever_the_order_of_keys():
    one = question_digest(QuestionKind.ANSWER, "t", {"a": 1, "b": 2}, {})
    assert one == question_digest(QuestionKind.ANSWER, "t", {"b": 2, "a": 1}, {})
