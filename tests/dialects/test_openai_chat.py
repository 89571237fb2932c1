import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.dialects.openai_chat.dialect import OpenAIChat
from harness.dialects.openai_chat.quirks import OpenAIChatQuirks
from harness.dialects.wire import WireResponse
from harness.exceptions import Broken, ConfigurationInvalid, KeyRefused, Overloaded, QuotaSpent
from harness.models.catalogue import Endpoint, Model
from harness.models.messages import (
    Message,
    ModelRequest,
    OutputSchema,
    ReasoningPart,
    RefusalPart,
    ReplyEnd,
    StopReason,
    TextDelta,
    Tool,
    ToolCallDelta,
    ToolCallPart,
    ToolResultPart,
    assistant,
    system,
    user,
)
from tests.dialects.wire_targets import origin_of, target_of

CHAT = OpenAIChat()
MODEL = Model(endpoint="there", wire_name="a/b:c;d", context_tokens=100)
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}


def encoded(request, *, stream=False, api_key=None, **quirks):
    endpoint = Endpoint(base_url="http://x/v1", quirks=quirks, timeout_seconds=7)
    return CHAT.encode(request, target_of(MODEL, endpoint, base_url="http://y:1/v1/", api_key=api_key), stream=stream)


def asking(*messages, **more):
    return ModelRequest(messages=messages, max_output_tokens=50, **more)


def body_of(request, **more):
    return json.loads(encoded(request, **more).body)


def decoded(message, finish="stop", headers=None, origin=None, **more):
    completion = {"model": "m", "choices": [{"message": message, "finish_reason": finish}], **more}
    return CHAT.decode(WireResponse(200, headers or {}, json.dumps(completion).encode()), origin or origin_of())


def test_a_request_is_compact_json_with_everything_that_was_asked():
    request = asking(
        system("Be brief."),
        user("Grüße"),
        output_schema=OutputSchema(name="my answer!", json_schema=SCHEMA),
        tools=(Tool(name="t", description="d", parameters=SCHEMA),),
        temperature=0.0,
        seed=3,
        stop=("END",),
    )
    wire = encoded(request, api_key=" k \n")
    assert wire.body == json.dumps(json.loads(wire.body), ensure_ascii=False, separators=(",", ":")).encode()
    assert (wire.method, wire.url, wire.timeout_seconds) == ("POST", "http://y:1/v1/chat/completions", 7)
    assert wire.headers["authorization"] == "Bearer k"
    assert json.loads(wire.body) == {
        "model": "a/b:c;d",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Grüße"}],
        "max_tokens": 50,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "my_answer_", "schema": SCHEMA, "strict": True},
        },
        "tools": [{"type": "function", "function": {"name": "t", "description": "d", "parameters": SCHEMA}}],
        "temperature": 0.0,
        "seed": 3,
        "stop": ["END"],
    }


def test_what_was_not_asked_is_not_sent():
    assert set(body_of(asking(user("x")))) == {"model", "messages", "max_tokens"}


def test_a_tool_loop_goes_out_as_calls_and_results():
    call = ToolCallPart(call_id="call_1", name="look", arguments='{"n": 1}')
    results = (ToolResultPart(call_id="call_1", text="7"), ToolResultPart(call_id="call_2", text="no", failed=True))
    request = asking(
        user("x"),
        Message(role="assistant", parts=(ReasoningPart(text="hm"), call)),
        Message(role="tool", parts=results),
        assistant("done"),
    )
    turns = body_of(request)["messages"]
    wire_call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"n": 1}'}}
    assert turns[1:] == [
        {"role": "assistant", "content": None, "tool_calls": [wire_call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "7"},
        {"role": "tool", "tool_call_id": "call_2", "content": "Error: no"},
        {"role": "assistant", "content": "done"},
    ]
    assert body_of(request, reasoning_field="reasoning_content")["messages"][1]["reasoning_content"] == "hm"


def test_quirks_change_what_is_sent():
    request = asking(system("s"), user("x"), seed=1, output_schema=OutputSchema(name="n", json_schema=SCHEMA))
    quirks = {"output_limit": "max_completion_tokens", "system_role": "developer", "seed_field": "random_seed"}
    body = body_of(request, strict_schema=False, **quirks)
    assert (body["max_completion_tokens"], body["random_seed"]) == (50, 1)
    assert body["messages"][0]["role"] == "developer"
    assert "strict" not in body["response_format"]["json_schema"]
    assert "max_tokens" not in body
    assert encoded(request, api_key="k", api_key_header="api-key").headers["api-key"] == "k"


def test_streams_ask_for_usage_unless_the_endpoint_refuses_that():
    assert body_of(asking(user("x")), stream=True)["stream_options"] == {"include_usage": True}
    body = body_of(asking(user("x")), stream=True, include_usage=False)
    assert body["stream"] is True
    assert "stream_options" not in body


def test_mistral_gets_ids_of_nine_alphanumerics_the_same_for_call_and_result():
    call = ToolCallPart(call_id="toolu_01-x", name="look", arguments="{}")
    request = asking(
        Message(role="assistant", parts=(call,)),
        Message(role="tool", parts=(ToolResultPart(call_id="toolu_01-x", text="7"),)),
    )
    turns = body_of(request, tool_call_ids="nine_alphanumerics")["messages"]
    sent = turns[0]["tool_calls"][0]["id"]
    assert sent == turns[1]["tool_call_id"]
    assert len(sent) == 9
    assert sent.isalnum()


def test_an_unknown_quirk_is_refused_with_the_ones_there_are():
    endpoint = Endpoint(base_url="http://x", quirks={"outputlimit": "max_tokens"})
    with pytest.raises(ConfigurationInvalid, match="output_limit"):
        OpenAIChatQuirks.of("there", endpoint)


def test_a_key_that_no_header_can_hold_is_refused_without_being_shown():
    with pytest.raises(KeyRefused) as caught:
        encoded(asking(user("x")), api_key="sk-se\ncret")
    assert "cret" not in str(caught.value)


def test_a_reply_keeps_words_thoughts_calls_and_the_raw_answer():
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":  1}'}}
    message = {"content": "hi", "reasoning": "hm", "tool_calls": [call]}
    reply = decoded(message, "tool_calls", {"x-request-id": "req_1"}, extra={"kept": True})
    assert reply.message.parts[0] == ReasoningPart(text="hm", opaque={"reasoning": "hm"}, origin=origin_of())
    assert reply.text == "hi"
    assert reply.message.parts[2] == ToolCallPart(call_id="call_1", name="f", arguments='{"a":  1}')
    assert (reply.stop, reply.stop_raw, reply.request_id) == (StopReason.TOOL, "tool_calls", "req_1")
    assert reply.raw["extra"] == {"kept": True}


def test_a_refusal_is_no_normal_stop():
    reply = decoded({"content": None, "refusal": "I cannot."})
    assert reply.message.parts == (RefusalPart(text="I cannot."),)
    assert (reply.stop, reply.stop_raw) == (StopReason.REFUSAL, "stop")


@pytest.mark.parametrize(
    ("raw", "neutral"),
    [("length", "length"), ("MAX_TOKENS", "length"), ("content_filter", "filter"), ("new_word", "unknown")],
)
def test_stop_reasons_keep_their_raw_word(raw, neutral):
    reply = decoded({"content": "x"}, raw)
    assert (reply.stop, reply.stop_raw) == (neutral, raw)


def test_usage_that_was_not_given_is_unknown_and_never_zero():
    assert decoded({"content": "x"}).usage.known is False
    usage = decoded({"content": "x"}, usage={"prompt_tokens": 0, "completion_tokens": 2}).usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.reasoning_tokens) == (
        0,
        2,
        None,
        None,
    )


@pytest.mark.parametrize("count", [-1, True, "12", 1.5, 10**30, None])
def test_a_count_that_cannot_be_one_is_unknown(count):
    assert decoded({"content": "x"}, usage={"prompt_tokens": count}).usage.input_tokens is None


def test_a_call_without_an_id_gets_the_same_one_each_time_it_is_read():
    calls = [{"function": {"name": "f", "arguments": {"a": 1}}}] * 2
    first, second = (decoded({"tool_calls": calls}).message.parts for _ in range(2))
    assert first == second
    assert first[0].call_id != first[1].call_id
    assert json.loads(first[0].arguments) == {"a": 1}


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[1]", b'{"choices": []}', b"\xff", b'{"choices": 3}', b"[" * 100_000]
)
def test_an_answer_that_cannot_be_read_is_broken(body):
    with pytest.raises(Broken):
        CHAT.decode(WireResponse(200, {}, body), origin_of())


def test_numbers_json_does_not_know_and_halves_of_characters_do_no_harm():
    body = (
        b'{"model":"m","x":[NaN,-Infinity,1e999],"choices":[{"message":{"content":"a\\ud83d"},"finish_reason":"stop"}]}'
    )
    reply = CHAT.decode(WireResponse(200, {}, body), origin_of())
    assert reply.text == "a\ufffd"
    assert reply.raw["x"] == [None, None, None]


def test_an_error_instead_of_choices_is_that_error():
    body = b'{"error": {"message": "no more", "code": "insufficient_quota"}}'
    with pytest.raises(QuotaSpent):
        CHAT.decode(WireResponse(200, {}, body), origin_of())


def events_of(*chunks, headers=None):
    decoder = CHAT.stream_decoder(origin_of(), headers or {"content-type": "text/event-stream"})
    return [event for chunk in chunks for event in decoder.feed(chunk)] + decoder.end()


def event(delta, finish=None, **more):
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c", "choices": [choice], **more}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def test_parallel_tool_calls_are_put_together_from_their_pieces():
    pieces = [
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}},
        {"index": 1, "id": "b", "function": {"name": "g", "arguments": '{"x"'}},
        {"index": 0, "function": {"arguments": '{"y": 1}'}},
        {"index": 1, "function": {"arguments": ": 2}"}},
    ]
    found = events_of(*(event({"tool_calls": [piece]}) for piece in pieces), event({}, "tool_calls"), DONE)
    assert [(part.call_id, part.name, part.arguments) for part in found[-1].reply.message.parts] == [
        ("a", "f", '{"y": 1}'),
        ("b", "g", '{"x": 2}'),
    ]


def test_calls_that_all_say_index_zero_are_told_apart_by_their_ids():
    pieces = [{"index": 0, "id": name, "function": {"name": "f", "arguments": "{}"}} for name in "ab"]
    found = events_of(event({"tool_calls": pieces}, "tool_calls"), DONE)
    assert [part.call_id for part in found[-1].reply.message.parts] == ["a", "b"]


def test_a_stream_without_done_is_whole_when_the_model_said_why_it_stopped():
    assert events_of(event({"content": "x"}), event({}, "stop"))[-1].reply.text == "x"


def test_a_stream_that_ends_before_its_answer_is_broken():
    with pytest.raises(Broken):
        events_of(event({"content": "x"}))
    with pytest.raises(Broken):
        events_of(event({"content": "x"}), event({}, "stop")[:-20])
    with pytest.raises(Broken):
        events_of()


def test_an_error_inside_a_stream_may_have_been_billed():
    with pytest.raises(Overloaded) as caught:
        events_of(event({"content": "x"}), b'data: {"error": {"message": "m", "type": "server_error"}}\n\n')
    assert caught.value.maybe_billed


def test_a_server_that_answers_whole_when_asked_to_stream_is_understood():
    body = json.dumps({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}).encode()
    found = events_of(body[:9], body[9:], headers={"content-type": "application/json; charset=utf-8"})
    assert [type(each) for each in found] == [TextDelta, ReplyEnd]
    assert found[-1].reply.text == "hi"
    call = {"id": "a", "function": {"name": "f", "arguments": "{}"}}
    body = json.dumps({"choices": [{"message": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]}).encode()
    found = events_of(body, headers={"content-type": "application/json"})
    assert found[0] == ToolCallDelta(place=0, call_id="a", name="f", arguments="{}")


NAMES = [
    "choices",
    "message",
    "content",
    "tool_calls",
    "function",
    "arguments",
    "usage",
    "prompt_tokens",
    "finish_reason",
]
shaped = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from(NAMES), inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=6,
)


@settings(deadline=None)  # the machine may be busy
@given(
    st.fixed_dictionaries(
        {"choices": st.lists(st.fixed_dictionaries({"message": shaped}), min_size=1)}, optional={"usage": shaped}
    )
)
def test_whatever_a_server_sends_is_a_reply_or_one_of_our_errors(completion):
    body = json.dumps(completion).encode()
    assert CHAT.decode(WireResponse(200, {}, body), origin_of()).message.role == "assistant"


@settings(deadline=None)  # the machine may be busy
@given(
    st.lists(
        st.fixed_dictionaries(
            {"choices": st.lists(st.fixed_dictionaries({"delta": shaped}))}, optional={"usage": shaped}
        ),
        max_size=4,
    )
)
def test_whatever_a_server_streams_is_a_reply_or_broken(chunks):
    body = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + DONE
    try:
        assert isinstance(events_of(body)[-1], ReplyEnd)
    except Broken:
        counted = chunks and all(isinstance(chunk.get("usage"), dict) for chunk in chunks)
        assert not (counted and any(chunk["choices"] for chunk in chunks))


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
calls = st.builds(ToolCallPart, call_id=words, name=words, arguments=st.just('{"a": [1]}'))
calls |= st.builds(ToolCallPart, call_id=words, name=words, arguments=words, custom=st.just(True))
thoughts = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
HERE = origin_of(model=MODEL.wire_name)


def in_a_field(text):
    return [ReasoningPart(text=text, opaque={"reasoning_content": text}, origin=HERE)] if text else []


def among_the_content(text):
    block = {"type": "thinking", "thinking": [{"type": "text", "text": text}], "closed": True}
    return [ReasoningPart(text=text, opaque=block, origin=HERE)]


def in_details(text):
    details = {"reasoning_details": [{"type": "reasoning.text", "text": text, "signature": "s", "index": 0}]}
    return [ReasoningPart(text=text, opaque=details, origin=HERE)]


@settings(deadline=None)  # the machine may be busy
@given(
    st.builds(lambda make, text: make(text), st.sampled_from([in_a_field, among_the_content, in_details]), thoughts),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    st.lists(calls, max_size=3, unique_by=lambda c: c.call_id),
)
def test_a_turn_that_goes_out_comes_back_the_same(reasoning, text, tool_calls):
    said = [{"type": "text", "text": text}] if text else []
    turn = Message.model_validate({"role": "assistant", "parts": [*reasoning, *said, *tool_calls]})
    sent = body_of(asking(turn))["messages"][0]
    assert decoded(sent, origin=HERE).message == turn
