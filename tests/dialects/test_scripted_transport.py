import asyncio
import json

import pytest

from harness.dialects.openai_chat.dialect import OpenAIChat
from harness.dialects.scripted.transport import SCRIPTED_BASE_URL, ScriptedTransport
from harness.exceptions import QuotaSpent, RateLimited, RequestRefused, SpecificationInvalid
from harness.models.catalogue import Endpoint, Model
from harness.models.messages import Message, ModelRequest, ReplyEnd, StopReason, ToolResultPart, assistant, system, user
from tests.dialects.wire_targets import origin_of, target_of

CHAT = OpenAIChat()
ENDPOINT = Endpoint(scripted_replies="replies.yaml")


@pytest.fixture
def scripted(tmp_path):
    def make(text):
        path = tmp_path / "replies.yaml"
        path.write_text(text, encoding="utf-8")
        return ScriptedTransport("scripted", path)

    return make


def request_for(*messages, model="small", stream=False):
    known = Model(endpoint="scripted", wire_name=model, context_tokens=1000)
    request = ModelRequest(messages=messages, max_output_tokens=9)
    return CHAT.encode(request, target_of(known, ENDPOINT, base_url=SCRIPTED_BASE_URL), stream=stream)


def ask(transport, *messages, **more):
    response = asyncio.run(transport.send(request_for(*messages, **more)))
    if response.status != 200:
        raise CHAT.error(response, "scripted")
    return CHAT.decode(response, origin_of(endpoint="scripted"))


def streamed(transport, *messages):
    async def whole():
        async with transport.stream(request_for(*messages, stream=True)) as answer:
            decoder = CHAT.stream_decoder(origin_of(endpoint="scripted"), answer.headers)
            events = [event async for chunk in answer.chunks() for event in decoder.feed(chunk)]
            return events + decoder.end()

    last = asyncio.run(whole())[-1]
    assert isinstance(last, ReplyEnd)
    return last.reply


def test_the_reply_whose_words_are_in_the_question_goes_before_the_one_for_all(scripted):
    transport = scripted('replies:\n- text: other\n- when: "invoice 17"\n  text: paid\n')
    assert ask(transport, system("s"), user("what of invoice 17?")).text == "paid"
    assert ask(transport, user("what of invoice 18?")).text == "other"
    assert ask(transport, user("what of invoice 17?")).text == "paid"


def test_json_is_answered_as_its_text_and_null_is_json_too(scripted):
    transport = scripted("replies:\n- when: a\n  json: {verdict: approved, n: [1, null]}\n- json: null\n")
    assert json.loads(ask(transport, user("a")).text) == {"verdict": "approved", "n": [1, None]}
    assert ask(transport, user("b")).text == "null"


def test_a_tool_call_and_the_answer_to_its_result(scripted):
    transport = scripted(
        'replies:\n- when: "look"\n  tool_call: {name: look_up, arguments: {n: 17}}\n- when: "it is paid"\n  text: done\n'
    )
    reply = ask(transport, user("look"))
    (call,) = reply.message.parts
    assert (call.name, json.loads(call.arguments), reply.stop) == ("look_up", {"n": 17}, StopReason.TOOL)
    result = Message(role="tool", parts=(ToolResultPart(call_id=call.call_id, text="it is paid"),))
    assert ask(transport, user("look"), reply.message, result).text == "done"


def test_several_tools_are_asked_for_at_once_each_under_an_id_of_its_own(scripted):
    calls = '[{name: f, arguments: {a: 1}}, {name: f, arguments: {a: 1}}, {name: g, arguments: "{no JSON"}]'
    transport = scripted(f"replies:\n- tool_calls: {calls}\n")
    reply = ask(transport, user("go"))
    assert [(call.name, call.arguments) for call in reply.message.parts] == [
        ("f", '{"a": 1}'),
        ("f", '{"a": 1}'),
        ("g", "{no JSON"),
    ]
    assert len({call.call_id for call in reply.message.parts}) == 3
    assert reply.stop is StopReason.TOOL
    assert streamed(transport, user("go")).message == reply.message


def test_the_course_of_a_conversation_is_told_by_its_turns_and_by_what_it_is_about(scripted):
    transport = scripted(
        "replies:\n- turn: 1\n  text: second\n- text: first\n- turn: 1\n  about: ada\n  text: second, to ada\n"
    )
    assert ask(transport, user("who?")).text == "first"
    assert ask(transport, user("who?"), assistant("I"), user("you?")).text == "second"
    assert ask(transport, user("who is ada?"), assistant("I"), user("you?")).text == "second, to ada"
    assert ask(transport, user("who?"), assistant("I"), user("ada?")).text == "second"


def test_usage_is_as_written_or_bytes_by_four(scripted):
    transport = scripted("replies:\n- when: a\n  text: x\n  usage: {input: 12, output: 3}\n- text: fünf!\n")
    written = ask(transport, user("a")).usage
    assert (written.input_tokens, written.output_tokens) == (12, 3)
    counted = ask(transport, user("b")).usage
    assert counted.input_tokens == -(-len(request_for(user("b")).body) // 4)
    assert counted.output_tokens == 2


def test_an_error_is_answered_until_its_times_are_used_up(scripted):
    error = "{status: 429, message: slow, code: rate_limit_exceeded, retry_after_seconds: 2}"
    transport = scripted(f"replies:\n- when: a\n  times: 2\n  error: {error}\n- when: a\n  text: now\n")
    for _ in range(2):
        with pytest.raises(RateLimited, match="slow") as caught:
            ask(transport, user("a"))
        assert caught.value.retry_after_seconds == 2
    assert ask(transport, user("a")).text == "now"


def test_an_error_code_makes_the_same_difference_as_on_the_real_wire(scripted):
    with pytest.raises(QuotaSpent):
        ask(scripted("replies:\n- error: {status: 429, code: insufficient_quota}\n"), user("a"))


def test_one_file_can_serve_several_models(scripted):
    transport = scripted("replies:\n- model: small\n  text: s\n- model: large\n  text: l\n")
    assert ask(transport, user("a"), model="large").text == "l"


def test_what_nothing_answers_is_refused_with_the_file_and_the_question(scripted):
    transport = scripted("replies:\n- when: b\n  text: x\n")
    with pytest.raises(RequestRefused, match=r"replies\.yaml has no reply .* 'small' asked 'what is a\?'"):
        ask(transport, user("what is a?"))


def test_a_stream_has_the_same_reply(scripted):
    transport = scripted('replies:\n- text: "größer als vier Bytes ✓"\n  tool_call: {name: f, arguments: {a: 1}}\n')

    reply = streamed(transport, user("a"))
    assert reply.message == ask(transport, user("a")).message
    assert reply.usage.known


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("replies:\n- txt: a\n", r"replies\.yaml:2:3: replies\[0\]\.txt: unknown key; did you mean 'text'"),
        ("replies:\n- when: a\n", r"replies\.yaml:2:3: .*text, json, tool_call or error"),
        ("replies:\n- tool_call: {name: f}\n  tool_calls: [{name: g}]\n", r"replies\.yaml:2:3: .*not both"),
        ("replies:\n- tool_calls: []\n", r"replies\.yaml:2:3: .*text, json, tool_call or error"),
        ("replies:\n- text: a\n  json: 1\n", r"replies\.yaml:2:3: .*not both"),
        ("replies:\n- text: a\n  error: {status: 500}\n", r"replies\.yaml:2:3: .*no text"),
        (
            "replies:\n- error: {status: 200}\n",
            r"^\S+replies\.yaml:2:11: replies\[0\]\.error\.status: [^\n]*400[^\n]*$",
        ),
        ("replies: []\n", r"replies\.yaml:1:1: `replies` is empty"),
        ("replies: [\n", r"replies\.yaml:\d+:\d+: "),
        ("", r"replies\.yaml:1:1: "),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_line_and_key(scripted, text, problem):
    with pytest.raises(SpecificationInvalid, match=problem):
        scripted(text)


def test_a_missing_file_is_said_by_name(tmp_path):
    with pytest.raises(SpecificationInvalid, match=r"absent\.yaml.* cannot be read"):
        ScriptedTransport("scripted", tmp_path / "absent.yaml")
