"""A question is recorded once, stands as the clock says, and takes one answer, on both databases."""

import asyncio
import itertools
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

import harness.storage.sql_questions as module
from harness.engines.run_store import RunStatus
from harness.exceptions import AnswerRefused, NameUnknown
from harness.storage.sql_questions import AskingRun, SqlQuestions, SqlRunQuestions
from harness.storage.transactions import Statement
from harness.workflow.nodes.questions import APPROVAL_SCHEMA, Question, QuestionKind, QuestionStatus
from tests.storage.run_samples import START, Clock, a_held_run, a_step, a_store, another_process, count

QUESTION = Question(
    path="publish",
    node="publish",
    kind=QuestionKind.ANSWER,
    text="Publish \ud800 é?",
    shows={"title": "Grace's report", "pages": 3},
    answer_schema=APPROVAL_SCHEMA,
    digest="digest of what is shown",
)
YES = {"approved": True}


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(writer, clock):
    return a_store(writer, clock)


@pytest.fixture
def questions(writer, clock):
    return SqlQuestions(writer, organisation="acme", clock=clock)


@pytest.fixture
def of_run(writer, clock):
    """Makes the questions of a run."""

    def make(run_id, root_run_id=None):
        run = AskingRun("acme", run_id, root_run_id or run_id, "audit", "ada")
        return SqlRunQuestions(writer, run=run, clock=clock)

    return make


def test_a_question_is_recorded_once_and_reads_as_it_was_asked(of_run, questions, engine, clock):
    async def drive():
        until = clock.now + timedelta(days=3)
        asked = await of_run("run-1", "root").ask(replace(QUESTION, to=("ada", "grace"), expires_at=until))
        clock.advance(60)
        # Who asks again after a crash computes another end; what was promised stands.
        again = await of_run("run-1", "root").ask(replace(QUESTION, expires_at=until + timedelta(days=1)))
        assert again == asked == await questions.question(asked.question_id[:5].upper())
        assert asked.question == replace(QUESTION, to=("ada", "grace"), expires_at=until)
        assert (asked.run_id, asked.root_run_id, asked.workflow, asked.person) == ("run-1", "root", "audit", "ada")
        assert (asked.status, asked.asked_at, asked.answer) == (QuestionStatus.OPEN, START, None)
        assert len(asked.question_id) == 8

    asyncio.run(drive())
    with engine.connect() as connection:
        assert "Grace" not in repr(connection.execute(text("SELECT * FROM questions")).all())


def test_one_place_asks_one_thing_of_one_digest(of_run):
    async def drive():
        asked = [
            (await of_run(run_id).ask(replace(QUESTION, path=path, digest=digest))).question_id
            for run_id, path, digest in itertools.product(("r1", "r2"), ("p1", "p2"), ("d1", "d2"))
        ]
        assert len(set(asked)) == 8

    asyncio.run(drive())


def test_a_taken_id_grows_and_never_names_two_questions(of_run, questions, monkeypatch):
    letters = module._letters_of
    monkeypatch.setattr(module, "_letters_of", lambda *place: "abcdefgh" + letters(*place)[8:])

    async def drive():
        asked = [await of_run("run-1").ask(replace(QUESTION, path=path)) for path in ("one", "two")]
        assert [len(each.question_id) for each in asked] == [8, 12]
        assert await questions.question("abcdefgh") == asked[0]
        assert await of_run("run-1").ask(replace(QUESTION, path="two")) == asked[1]
        with pytest.raises(NameUnknown) as ambiguous:
            await questions.question("abcd")
        assert len(ambiguous.value.nearest) == 2

    asyncio.run(drive())


def test_an_answer_is_found_by_the_run_that_asked(of_run, questions, clock):
    async def drive():
        asked = await of_run("run-1").ask(QUESTION)
        clock.advance(3600 * 24 * 5)
        answered = await questions.answer(asked.question_id, YES, digest=QUESTION.digest, person="grace")
        assert (answered.status, answered.answer, answered.answered_by) == (QuestionStatus.ANSWERED, YES, "grace")
        assert answered.answered_at == clock.now
        assert await of_run("run-1").ask(QUESTION) == answered
        assert await questions.open() == []

    asyncio.run(drive())


def test_the_same_answer_by_the_same_person_is_taken_once_more_and_no_other(of_run, questions):
    async def drive():
        asked = await of_run("run-1").ask(replace(QUESTION, answer_schema={}))
        first = await questions.answer(asked.question_id, True, digest=QUESTION.digest, person="grace")
        assert await questions.answer(asked.question_id, True, digest=QUESTION.digest, person="grace") == first
        for answer, person in ((False, "grace"), (1, "grace"), (True, "ada")):
            with pytest.raises(AnswerRefused, match="answered by 'grace'"):
                await questions.answer(asked.question_id, answer, digest=QUESTION.digest, person=person)
        assert await questions.question(asked.question_id) == first

    asyncio.run(drive())


@pytest.mark.parametrize(
    ("answer", "digest", "person", "reason"),
    [
        (YES, QUESTION.digest, "eve", "asked of 'ada', 'grace', not of 'eve'"),
        (YES, "another", "ada", "look at it anew"),
        ("yes", QUESTION.digest, "ada", "does not fit"),
        ({"approved": "yes"}, QUESTION.digest, "ada", r"\$\.approved"),
        ({"approved": True, "also": 1}, QUESTION.digest, "ada", "does not fit"),
        (None, QUESTION.digest, "ada", "does not fit"),
    ],
)
def test_an_answer_that_is_not_asked_for_is_refused_and_the_question_stands(
    of_run, questions, answer, digest, person, reason
):
    async def drive():
        asked = await of_run("run-1").ask(replace(QUESTION, to=("ada", "grace")))
        with pytest.raises(AnswerRefused, match=reason):
            await questions.answer(asked.question_id, answer, digest=digest, person=person)
        assert await questions.open() == [asked]

    asyncio.run(drive())


def test_a_question_expires_by_itself(of_run, questions, clock):
    async def drive():
        asked = await of_run("run-1").ask(replace(QUESTION, expires_at=clock.now + timedelta(seconds=60)))
        clock.advance(59)
        assert await questions.open() == [asked]
        clock.advance(1)
        assert await questions.open() == []
        assert (await of_run("run-1").ask(QUESTION)).status is QuestionStatus.EXPIRED
        with pytest.raises(AnswerRefused, match="expired at 2026-11-28 09:31 UTC"):
            await questions.answer(asked.question_id, YES, digest=QUESTION.digest, person="ada")

    asyncio.run(drive())


def test_what_is_open_is_listed_oldest_first_of_one_run_and_its_steps_or_of_all(of_run, questions, clock):
    async def drive():
        ids = []
        for run_id, root in (("step", "root"), ("root", None), ("other", None)):
            clock.advance(1)
            ids.append((await of_run(run_id, root).ask(QUESTION)).question_id)
        assert [asked.question_id for asked in await questions.open()] == ids
        assert [asked.question_id for asked in await questions.open("root")] == ids[:2]
        assert [asked.question_id for asked in await questions.open("step")] == ids[:1]

    asyncio.run(drive())


def test_a_place_that_asks_something_else_by_now_waits_for_the_newer_alone(of_run, questions, clock):
    async def drive():
        asks = of_run("run-1")
        other = replace(QUESTION, digest="of something else")
        listed = []
        for question in (QUESTION, other, QUESTION):
            await asks.ask(question)
            clock.now += timedelta(minutes=1)
            listed.append([each.question.digest for each in await questions.open("run-1")])
        return listed

    assert asyncio.run(drive()) == [[QUESTION.digest], ["of something else"], [QUESTION.digest]]


def test_a_cancelled_run_waits_for_nobody_but_can_be_answered_and_resumed(of_run, questions, store):
    async def drive():
        root = await a_held_run(store)
        step = (await a_step(store, root, "review")).run_id
        asked = await of_run(step, root).ask(QUESTION)
        await store.release(root, owner="one", status=RunStatus.WAITING)
        assert await questions.open() == [asked]
        await store.request_cancel(root, person="ada")
        assert await questions.open() == []
        assert await questions.open(root) == [asked]
        await questions.answer(asked.question_id, YES, digest=QUESTION.digest, person="ada")

    asyncio.run(drive())


def test_another_organisation_neither_sees_nor_answers(of_run, writer, clock):
    async def drive():
        asked = await of_run("run-1").ask(QUESTION)
        stranger = SqlQuestions(writer, organisation="other", clock=clock)
        assert await stranger.open() == []
        with pytest.raises(NameUnknown):
            await stranger.answer(asked.question_id, YES, digest=QUESTION.digest, person="ada")
        for nothing in ("", "~", "%"):
            with pytest.raises(NameUnknown):
                await stranger.question(nothing)

    asyncio.run(drive())


def test_erased_text_is_missed_by_name(of_run, questions, writer):
    async def drive():
        asked = await of_run("run-1").ask(QUESTION)

        def erase():
            yield Statement("DELETE FROM payloads")

        await writer.run(erase)
        with pytest.raises(NameUnknown, match="no payload"):
            await questions.question(asked.question_id)

    asyncio.run(drive())


def test_of_several_processes_that_answer_at_once_one_is_heard(of_run, questions, runs_url, engine, clock):
    async def drive(other_writer):
        other = SqlQuestions(other_writer, organisation="acme", clock=clock)
        for place in range(20):
            asked = await of_run("run-1").ask(replace(QUESTION, path=f"place {place}"))
            answers = await asyncio.gather(
                questions.answer(asked.question_id, {"approved": True}, digest=QUESTION.digest, person="ada"),
                other.answer(asked.question_id, {"approved": False}, digest=QUESTION.digest, person="grace"),
                return_exceptions=True,
            )
            taken = [answer for answer in answers if not isinstance(answer, AnswerRefused)]
            assert len(taken) == 1
            assert await questions.question(asked.question_id) == taken[0]

    with another_process(runs_url, clock) as store:
        asyncio.run(drive(store._writer))
    assert count(engine, "questions", "answered_at IS NOT NULL") == 20


def test_of_several_processes_that_ask_at_once_one_records_it(writer, runs_url, engine, clock):
    run = AskingRun("acme", "run-1", "run-1", "audit", "ada")

    async def drive(other_writer):
        for place in range(20):
            question = replace(QUESTION, path=f"place {place}")
            first, second = await asyncio.gather(
                *(SqlRunQuestions(each, run=run, clock=clock).ask(question) for each in (writer, other_writer))
            )
            assert first == second

    with another_process(runs_url, clock) as store:
        asyncio.run(drive(store._writer))
    assert count(engine, "questions") == 20
