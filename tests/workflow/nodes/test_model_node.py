"""What a model node makes of an answer: values, refusals, answers cut short, and answers of an earlier try."""

import asyncio
from decimal import Decimal

import pytest

from harness.exceptions import AnswerInvalid
from harness.model_call import Answer
from harness.models.messages import ModelReply, RefusalPart, StopReason, TextPart, assistant
from harness.models.usage import Usage
from harness.workflow.events import CallAnswered
from harness.workflow.loading import workflow_from_spec
from harness.workflow.nodes.model_node import ModelNodeRunner
from harness.workflow.nodes.node_services import Visit
from harness.workflow.spec import WorkflowSpec
from tests.workflow.conftest import context_of

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


class Answers:
    """Stands where the metered call stands: an answer for each ordinal; those of `journal` were paid for earlier."""

    def __init__(self, *replies, journal=0):
        self.replies = replies
        self.journal = journal
        self.asked = []
        self.requests = []

    async def ask(self, request, context, **_):
        self.asked.append(context)
        self.requests.append(request)
        replayed = context.ordinal < self.journal
        return Answer(self.replies[context.ordinal], "m", 0 if replayed else 1, replayed=replayed, cost_usd=Decimal(0))


def reply(text, stop=StopReason.STOP, part=TextPart):
    message = assistant("").model_copy(update={"parts": (part(text=text),)})
    return ModelReply(message=message, stop=stop, stop_raw=stop.value, usage=Usage(1, 1), model="m")


def asked(answers, **node):
    given = {"kind": "model", "role": "r", "prompt": "p.md", "output": "k"} | node
    spec = {"workflow": "w", "state": {"k": {}}, "nodes": {"n": given}, "start": "n"}
    loaded = workflow_from_spec(WorkflowSpec.model_validate(spec), {"p.md": "What is {{ k }}?"})
    runner = ModelNodeRunner(loaded, "n", loaded.spec.nodes["n"])
    events = []
    context = context_of({}, events, model_call=answers)
    visit = Visit("n", "n", "task", {"k": 1}, context.run, context.services)
    return asyncio.run(runner.run(visit)), events


def test_without_a_schema_the_value_is_the_text_and_with_one_the_validated_value():
    assert asked(Answers(reply("said")))[0] == "said"
    assert asked(Answers(reply('{"n": 3}')), schema=SCHEMA)[0] == {"n": 3}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply("half of it", StopReason.LENGTH), "output limit"),
        (reply("no", StopReason.REFUSAL), "declined"),
        (reply("no", StopReason.FILTER), "declined"),
        (reply("half of it", StopReason.CONTEXT), "context ended"),
        (reply("half of it", StopReason.BROKEN), "broke it off"),
        (reply("so far", StopReason.PAUSE), "wants to be asked again"),
        (reply("", StopReason.TOOL), "asks for a tool"),
        (reply("I would rather not", part=RefusalPart), "I would rather not"),
    ],
)
def test_an_answer_that_is_none_is_refused_whatever_it_says(answer, words):
    with pytest.raises(AnswerInvalid, match=words):
        asked(Answers(answer))
    assert asked(Answers(answer), on_invalid="null")[0] is None


def test_the_error_of_an_answer_that_was_cut_off_reads_well_where_no_schema_was_asked_for():
    with pytest.raises(AnswerInvalid) as raised:
        asked(Answers(reply("half of it", StopReason.LENGTH)))
    assert str(raised.value) == (
        "role 'r': what 'm' answered cannot be used: it was cut at its output limit; "
        "raise the node's max_output_tokens or ask for less"
    )


def test_an_answer_outside_the_schema_is_sent_back_once_with_what_is_wrong_with_it():
    answers = Answers(reply('{"n": "three"}'), reply('{"n": 3}'))
    value, events = asked(answers, schema=SCHEMA)
    assert value == {"n": 3}
    assert [each.ordinal for each in answers.asked] == [0, 1]
    question, answer, complaint = answers.requests[1].messages
    assert question == answers.requests[0].messages[0]
    assert (answer.role, answer.text) == ("assistant", '{"n": "three"}')
    assert complaint.role == "user"
    assert "$.n: 'three' is not of type 'integer'" in complaint.text
    assert sum(isinstance(each, CallAnswered) for each in events) == 2


def test_an_answer_that_stays_outside_its_schema_fails_the_node():
    answers = Answers(reply("no JSON"), reply("nor this"), reply('{"n": 1}'))
    with pytest.raises(AnswerInvalid, match="not JSON"):
        asked(answers, schema=SCHEMA)
    assert [each.ordinal for each in answers.asked] == [0, 1]


def test_an_answer_that_was_cut_off_is_not_sent_back():
    answers = Answers(reply('{"n": ', StopReason.LENGTH), reply('{"n": 1}'))
    with pytest.raises(AnswerInvalid, match="output limit"):
        asked(answers, schema=SCHEMA)
    assert len(answers.asked) == 1


def test_a_repair_that_a_crash_kept_from_being_asked_is_asked_on_resuming():
    answers = Answers(reply("no JSON"), reply('{"n": 1}'), journal=1)
    value, events = asked(answers, schema=SCHEMA)
    assert value == {"n": 1}
    assert [each.replayed for each in events if isinstance(each, CallAnswered)] == [True, False]


def test_a_refused_answer_of_an_earlier_try_is_followed_by_one_new_question():
    answers = Answers(reply("no JSON"), reply("nor this"), reply('{"n": 1}'), journal=2)
    value, events = asked(answers, schema=SCHEMA)
    assert value == {"n": 1}
    assert [each.ordinal for each in answers.asked] == [0, 1, 2]
    assert answers.requests[2] == answers.requests[0]
    assert [each.replayed for each in events if isinstance(each, CallAnswered)] == [True, True, False]


def test_without_repairs_a_refused_answer_fails_at_once():
    answers = Answers(reply("no JSON"), reply('{"n": 1}'))
    with pytest.raises(AnswerInvalid):
        asked(answers, schema=SCHEMA, repair=0)
    assert [each.ordinal for each in answers.asked] == [0]


def test_where_an_invalid_answer_is_null_journalled_ones_stay_null():
    answers = Answers(reply("no JSON"), reply("nor this"), reply('{"n": 1}'), journal=2)
    assert asked(answers, schema=SCHEMA, on_invalid="null")[0] is None
    assert len(answers.asked) == 2
