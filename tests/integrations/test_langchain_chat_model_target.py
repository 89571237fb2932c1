"""Any chat model of LangChain's as a target of the catalogue: metered, bounded, streamed, its errors in our classes."""

import asyncio
import json
from itertools import count

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from harness.cli.forecast import bindings_in_force, forecast
from harness.exceptions import (
    Broken,
    BudgetExceeded,
    ContextTooLong,
    KeyRefused,
    NameUnknown,
    Overloaded,
    QuotaSpent,
    RateLimited,
    RequestRefused,
    SpecificationInvalid,
    Unreachable,
)
from harness.integrations.langchain import HarnessChatModel
from harness.integrations.langchain.houses import HOUSES
from harness.ledger.entries import CallContext
from harness.models.messages import (
    DocumentPart,
    ImagePart,
    Message,
    ModelRequest,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    user,
)
from harness.models.request_options import OutputSchema, Tool, ToolChoice
from harness.workflow.building import Workflow
from tests.integrations.langchain_house import costs_of, house_of, project, set_cap

HEAD = """
import asyncio
import json
from pathlib import Path
from typing import Any
from langchain_core.language_models import BaseChatModel, FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

USAGE = {"input_tokens": 30, "output_tokens": 10, "total_tokens": 40,
         "input_token_details": {"cache_read": 20, "cache_creation": 0, "ephemeral_1h_input_tokens": 4},
         "output_token_details": {"reasoning": 5}}
"""

# A chat model that writes down what it was asked, and answers with what the test says.
NOTING = (
    HEAD
    + """
class Noting(BaseChatModel):
    answer: dict
    heard: list = []

    @property
    def _llm_type(self):
        return "noting"

    def bind_tools(self, tools, **kwargs):
        return self.bind(tools=tools, **kwargs)

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        note = {"messages": [each.model_dump() for each in messages], "stop": stop, **kwargs}
        with Path(__file__).with_name("heard.jsonl").open("a") as file:
            file.write(json.dumps(note) + "\\n")
        return ChatResult(generations=[ChatGeneration(message=AIMessage(**self.answer))])

def make(model):
    return Noting(answer=json.loads(Path(__file__).with_name("answer.json").read_text()))
"""
)


@pytest.fixture
def folder_of(tmp_path, monkeypatch):
    """A project whose role `inside` is filled by what `make` in this text makes."""
    monkeypatch.setenv("HARNESS_PERSON", "ada")
    monkeypatch.setenv("HARNESS_CALL_ATTEMPTS", "1")

    def made(makers, **options):
        return project(tmp_path, makers=makers, **options)

    yield made
    HOUSES.close_folder(tmp_path)


@pytest.fixture
def noting(folder_of):
    """The role `inside`, answering what is given, and what it was told."""

    def made(answer, **options):
        folder = folder_of(NOTING, **options)
        (folder / "answer.json").write_text(json.dumps(answer))
        return folder

    return made


def heard(folder):
    return [json.loads(line) for line in (folder / "heard.jsonl").read_text().splitlines()]


ORDINALS = count()


def ask(folder, request, *, stream=False):
    """The reply of the metered call, and what was heard of it."""
    events = []

    async def main():
        async with house_of(folder) as house:
            await house.binding_version()
            # Each a question of its own: the journal would answer it a second time.
            context = CallContext("default", "ada", "task", "inside", "here", ordinal=next(ORDINALS))
            return (await house.model_call.ask(request, context, on_event=events.append if stream else None)).reply

    return asyncio.run(main()), events


def question(*messages, **options):
    return ModelRequest(messages=messages or (user("hello"),), max_output_tokens=100, **options)


def test_an_answer_is_priced_by_the_usage_that_langchain_tells(noting):
    answer = {"content": "fine", "usage_metadata": {"input_tokens": 30, "output_tokens": 10, "total_tokens": 40}}
    folder = noting(answer | {"response_metadata": {"finish_reason": "length", "model_name": "m-1", "id": "r1"}})
    reply, _ = ask(folder, question())
    assert (reply.text, reply.stop.value, reply.stop_raw, reply.model, reply.request_id) == (
        "fine",
        "length",
        "length",
        "m-1",
        "r1",
    )
    (line,) = costs_of(folder).values()
    assert (line.input_tokens, line.output_tokens, line.estimated_usd) == (30, 10, 0)


def test_every_part_of_usage_is_read(folder_of):
    folder = folder_of(
        HEAD + "def make():\n    return GenericFakeChatModel(messages=iter([AIMessage('a', usage_metadata=USAGE)]))"
    )
    reply, _ = ask(folder, question())
    usage = reply.usage
    assert (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens) == (30, 10, 5)
    assert (usage.cache_read_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens) == (20, 4, 4)


def test_a_model_that_tells_no_usage_is_charged_as_held(folder_of):
    folder = folder_of(HEAD + "def make():\n    return FakeListChatModel(responses=['fine'])")
    with HarnessChatModel(role="inside", folder=folder, max_tokens=50) as model:
        assert model.invoke("hello").usage_metadata is None
    line = costs_of(folder)["langchain"]
    assert line.usd == line.estimated_usd > 0
    assert line.output_tokens == 50


def test_words_and_pieces_of_calls_arrive_before_the_end(folder_of):
    makers = """
class Streaming(GenericFakeChatModel):
    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        for text in ("one ", "two ", "three"):
            yield ChatGenerationChunk(message=AIMessageChunk(content=text))
        for args in ('{"city"', ': "Rome"}'):
            first = {"index": 0, "args": args, "id": "c1" if args[0] == "{" else None, "name": "look" if args[0] == "{" else None}
            yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[first]))
        yield ChatGenerationChunk(message=AIMessageChunk(content="", usage_metadata=USAGE))

def make():
    return Streaming(messages=iter([]))
"""
    reply, events = ask(folder_of(HEAD + makers), question(), stream=True)
    assert [event.text for event in events if event.type == "text_delta"] == ["one ", "two ", "three"]
    assert [event.arguments for event in events if event.type == "tool_call_delta"] == ['{"city"', ': "Rome"}']
    assert reply.text == "one two three"
    (call,) = [part for part in reply.message.parts if isinstance(part, ToolCallPart)]
    assert (call.call_id, call.name, json.loads(call.arguments)) == ("c1", "look", {"city": "Rome"})
    assert (reply.usage.input_tokens, reply.stop.value) == (30, "tool")


def test_a_reply_is_the_same_streamed_and_whole(noting):
    call = {"name": "look", "args": {"city": "Rome"}, "id": "c1", "type": "tool_call"}
    answer = {"content": "I look.", "tool_calls": [call], "response_metadata": {"finish_reason": "tool_calls"}}
    folder = noting(answer)
    whole, _ = ask(folder, question())
    streamed, _ = ask(folder, question(), stream=True)
    assert streamed.message == whole.message
    assert (streamed.stop, streamed.usage) == (whole.stop, whole.usage)


def test_the_conversation_is_told_in_langchains_words(noting):
    folder = noting({"content": "fine"}, capabilities=("tools", "images", "documents"))
    call = ToolCallPart(call_id="c1", name="look", arguments='{"city": "Rome"}')
    image = ImagePart(media_type="image/png", data="iVBORw0KGgo=")
    document = DocumentPart(media_type="application/pdf", data="JVBERg==")
    conversation = (
        Message(role="system", parts=(TextPart(text="Be brief."),)),
        Message(role="user", parts=(TextPart(text="See"), image, document)),
        Message(role="assistant", parts=(ReasoningPart(text="hm"), TextPart(text="I look."), call)),
        Message(role="tool", parts=(ToolResultPart(call_id="c1", text="rain", failed=True),)),
        user("And?"),
    )
    tools = (Tool(name="look", description="Looks.", parameters={"type": "object", "properties": {}}),)
    ask(
        folder,
        question(
            *conversation,
            tools=tools,
            tool_choice=ToolChoice(mode="required", parallel=False),
            stop=("END",),
            temperature=0.5,
        ),
    )
    (told,) = heard(folder)
    assert [each["type"] for each in told["messages"]] == ["system", "human", "ai", "tool", "human"]
    assert told["messages"][1]["content"] == [
        {"type": "text", "text": "See"},
        {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"},
        {"type": "file", "base64": "JVBERg==", "mime_type": "application/pdf"},
    ]
    assert told["messages"][2]["content"] == "I look."
    assert told["messages"][2]["tool_calls"][0]["args"] == {"city": "Rome"}
    assert (told["messages"][3]["status"], told["messages"][3]["content"]) == ("error", "rain")
    assert (told["stop"], told["temperature"], told["max_tokens"]) == (["END"], 0.5, 100)
    assert (told["tool_choice"], told["parallel_tool_calls"]) == ("any", False)
    assert told["tools"][0]["function"]["name"] == "look"


BLOCKS = [
    {"type": "thinking", "thinking": "hm", "signature": "s"},
    {"type": "text", "text": "I look.", "citations": [{"url": "a"}]},
    {"type": "tool_use", "id": "c1", "name": "look", "input": {"city": "Rome"}},
    {"type": "odd", "value": [1, None]},
]


def test_blocks_of_the_models_own_go_back_as_they_came(noting):
    call = {"name": "look", "args": {"city": "Rome"}, "id": "c1", "type": "tool_call"}
    answer = {"content": BLOCKS, "tool_calls": [call], "additional_kwargs": {"signatures": {"c1": "x"}}}
    folder = noting(answer)
    reply, _ = ask(folder, question())
    assert [part.type for part in reply.message.parts] == ["reasoning", "text", "tool_call", "other", "other"]
    result = Message(role="tool", parts=(ToolResultPart(call_id="c1", text="rain"),))
    ask(folder, question(user("hello"), reply.message, result))
    told = heard(folder)[-1]["messages"][1]
    assert told["content"] == BLOCKS
    assert told["additional_kwargs"] == {"signatures": {"c1": "x"}}
    assert [(each["id"], each["args"]) for each in told["tool_calls"]] == [("c1", {"city": "Rome"})]


def test_blocks_of_another_model_stay_behind(noting):
    answer = {"content": BLOCKS[:2]}
    folder = noting(answer)
    reply, _ = ask(folder, question())
    foreign = tuple(
        part.model_copy(update={"origin": part.origin.model_copy(update={"model": "other"})})
        for part in reply.message.parts
    )
    ask(folder, question(user("hello"), Message(role="assistant", parts=foreign), user("and?")))
    assert heard(folder)[-1]["messages"][1]["content"] == "I look."


def test_a_shape_is_asked_for_as_a_tool_and_comes_as_words(noting):
    call = {"name": "place", "args": {"city": "Rome"}, "id": "c1", "type": "tool_call"}
    folder = noting({"content": "", "tool_calls": [call], "response_metadata": {"finish_reason": "tool_calls"}})
    shape = OutputSchema(name="place", json_schema={"type": "object", "properties": {"city": {"type": "string"}}})
    for stream in (False, True):
        reply, events = ask(folder, question(output_schema=shape), stream=stream)
        assert (json.loads(reply.text), reply.stop.value) == ({"city": "Rome"}, "stop")
        assert "".join(event.text for event in events) == (reply.text if stream else "")
    assert heard(folder)[0]["tool_choice"] == "place"


FAILING = (
    HEAD
    + """
import httpx

class Failure(Exception):
    pass

class Failing(GenericFakeChatModel):
    after: int = 0

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        for _ in range(self.after):
            yield ChatGenerationChunk(message=AIMessageChunk(content="piece "))
        raise failure()

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        raise failure()

def make():
    return Failing(messages=iter([]), after=AFTER)

def failure():
    error = Failure(WORDS)
    for name, value in FIELDS.items():
        setattr(error, name, value)
    return error
"""
)


def failing(words, fields, after=0):
    return f"{FAILING}\nWORDS, FIELDS, AFTER = {words!r}, {fields}, {after}\n"


RESPONSE = "httpx.Response({}, headers={{'retry-after': '7', 'x-request-id': 'r9'}})"


@pytest.mark.parametrize(
    ("words", "fields", "expected"),
    [
        ("slow down", "{'status_code': 429}", RateLimited),
        ("slow down", "{'response': " + RESPONSE.format(429) + "}", RateLimited),
        ("no", "{'status_code': 429, 'body': {'code': 'insufficient_quota', 'message': 'spent'}}", QuotaSpent),
        ("prompt is too long: 300 tokens", "{'status_code': 400}", ContextTooLong),
        ("invalid", "{'response': {'ResponseMetadata': {'HTTPStatusCode': 403}}}", KeyRefused),
        ("down", "{'code': 503}", Overloaded),
        ("what", "{'status_code': 404}", RequestRefused),
        ("boom", "{}", Broken),
        ("refused", "{'__cause__': ConnectionRefusedError()}", Unreachable),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_a_package_raises_is_one_of_our_errors(folder_of, words, fields, expected, stream):
    folder = folder_of(failing(words, fields))
    with pytest.raises(expected) as raised:
        ask(folder, question(), stream=stream)
    assert type(raised.value) is expected
    if "httpx" in fields:
        assert (raised.value.retry_after_seconds, raised.value.request_id) == (7, "r9")


@pytest.mark.parametrize(("fields", "expected"), [("{'status_code': 529}", Overloaded), ("{}", Broken)])
def test_a_failure_in_the_middle_of_a_stream_is_no_short_answer_and_may_have_been_billed(folder_of, fields, expected):
    folder = folder_of(failing("the server is overloaded", fields, after=2))
    model = HarnessChatModel(role="inside", folder=folder)
    pieces = model.stream("hello")
    assert [next(pieces).content, next(pieces).content] == ["piece ", "piece "]
    with pytest.raises(expected):
        next(pieces)
    model.close()
    line = costs_of(folder)["langchain"]
    assert line.usd == line.estimated_usd > 0


def test_who_goes_away_from_a_stream_pays_for_what_may_have_been_made(folder_of):
    makers = """
class Endless(GenericFakeChatModel):
    async def _astream(self, messages, stop=None, run_manager=None, **kwargs):
        yield ChatGenerationChunk(message=AIMessageChunk(content="first"))
        await asyncio.Event().wait()

def make():
    return Endless(messages=iter([]))
"""
    folder = folder_of(HEAD + makers)
    model = HarnessChatModel(role="inside", folder=folder)
    heard = model.stream("hello")
    assert next(heard).content == "first"
    heard.close()
    model.close()
    line = costs_of(folder)["langchain"]
    assert (line.calls, line.usd == line.estimated_usd > 0) == (1, True)


def test_a_caps_refusal_asks_nothing(noting):
    folder = noting({"content": "fine"})
    set_cap(folder, 1)
    ask(folder, question())
    with pytest.raises(BudgetExceeded):
        ask(folder, question(user("again")))
    assert len(heard(folder)) == 1


@pytest.mark.parametrize(
    ("makers", "words"),
    [
        ("def make():\n    raise ValueError('no key')", "no key"),
        ("def make():\n    return 'model'", "str"),
        (HEAD + "def make():\n    return FakeListChatModel(responses=['fine'])", "cannot be given tools"),
    ],
)
def test_a_chat_model_that_cannot_be_asked_costs_nothing(folder_of, makers, words):
    folder = folder_of(makers)
    tools = (Tool(name="look", description="Looks.", parameters={"type": "object", "properties": {}}),)
    with pytest.raises(RequestRefused, match=words):
        ask(folder, question(tools=tools))
    assert all(line.usd == 0 for line in costs_of(folder).values())


def test_names_that_are_not_registered_are_said(folder_of):
    folder = folder_of(HEAD + "def make():\n    return FakeListChatModel(responses=['fine'])")
    (folder / "harness.yaml").write_text("bindings: bindings.yaml\nchat_models: {minne: makers:make}\n")
    with pytest.raises(NameUnknown, match="minne"):
        ask(folder, question())
    (folder / "harness.yaml").write_text("bindings: bindings.yaml\nchat_models: {mine: makers:mak}\n")
    with pytest.raises(SpecificationInvalid, match=r"harness\.yaml:2:.*did you mean 'make'"):
        ask(folder, question())


def test_a_node_of_a_workflow_is_forecast_and_answered_by_it(noting):
    folder = noting({"content": "fine", "usage_metadata": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}})
    flow = Workflow("greet", state={"text": str})
    flow.model("write", role="inside", prompt="Greet.", max_output_tokens=50, output="text")

    async def main():
        async with house_of(folder) as house:
            told = await forecast(house, house.load(flow), await bindings_in_force(house), values={}, items=None)
            return told.worst.known, await (await house.start(flow)).outcome()

    worst, outcome = asyncio.run(main())
    assert (outcome.run.status.value, outcome.state["text"]) == ("completed", "fine")
    assert worst.calls * 50 < worst.tokens  # at most so many out each time, and what is asked
    assert worst.usd > 0
    assert heard(folder)[0]["messages"][0]["content"] == "Greet."


def test_callbacks_of_the_caller_hear_each_token_once(folder_of):
    folder = folder_of(HEAD + "def make():\n    return FakeListChatModel(responses=['fine'])")

    tokens = []

    class Tokens(BaseCallbackHandler):
        def on_llm_new_token(self, token, **_):
            tokens.append(token)

    list(HarnessChatModel(role="inside", folder=folder).stream("hello", config={"callbacks": [Tokens()]}))
    assert "".join(tokens) == "fine"


def test_a_conversation_goes_round_through_both_borders(noting):
    call = {"name": "look", "args": {"city": "Rome"}, "id": "c1", "type": "tool_call"}
    folder = noting({"content": BLOCKS, "tool_calls": [call]})
    model = HarnessChatModel(role="inside", folder=folder)
    answer = model.invoke([SystemMessage("Be brief."), HumanMessage("hello")])
    assert isinstance(answer, AIMessage)
    model.invoke([HumanMessage("hello"), answer, ToolMessage("rain", tool_call_id="c1")])
    assert heard(folder)[-1]["messages"][1]["content"] == BLOCKS
