"""Who asks at the place of a visit, and what is heard and told of an answer."""

import asyncio
from dataclasses import replace

from harness.ledger.entries import CallContext
from harness.models.messages import ModelRequest, TextDelta, user
from harness.workflow.events import CallAnswered, Words
from harness.workflow.nodes.asking_models import answer_of_model, call_context
from harness.workflow.nodes.node_services import Visit
from tests.workflow.conftest import context_of
from tests.workflow.nodes.test_model_node import Answers, reply

REQUEST = ModelRequest(messages=(user("well?"),), max_output_tokens=5)


class Streamed(Answers):
    """Says its answer word by word, and whether the journal was to be read."""

    async def ask(self, request, context, *, resumed, on_event):
        self.resumed = resumed
        for word in ("one ", "two") if on_event else ():
            on_event(TextDelta(text=word))
        return await super().ask(request, context)


def visit_of(answers, events, **services):
    context = context_of({}, events, model_call=answers, **services)
    return Visit("n", "n:2[3]", "task", {}, replace(context.run, team="red", resumed=True), context.services)


def test_a_question_is_asked_for_the_runs_person_and_team_at_the_visits_place():
    asked = call_context(visit_of(None, []), "writer")
    assert asked == CallContext("acme", "ada", "task", "writer", "n:2[3]", 0, "red", "run", "w", "n")


def test_words_are_heard_where_somebody_listens_and_the_answer_is_told_once():
    for stream, words in ((True, ["one ", "two"]), (False, [])):
        answers, events = Streamed(*[reply("one two")] * 5), []
        visit = visit_of(answers, events, stream=stream)
        answer = asyncio.run(answer_of_model(visit, REQUEST, call_context(visit, "writer"), 4))
        assert answer.reply.text == "one two"
        assert (answers.asked[0].ordinal, answers.resumed) == (4, True)
        assert [each.text for each in events if isinstance(each, Words)] == words
        assert [(each.node, each.model) for each in events if isinstance(each, CallAnswered)] == [("n", "m")]
