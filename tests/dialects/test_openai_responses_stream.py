import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.dialects.openai_responses.dialect import OpenAIResponses
from harness.dialects.wire import WireResponse
from harness.exceptions import Broken, Overloaded, ProviderError, QuotaSpent, RateLimited
from harness.models.messages import ReasoningDelta, ReplyEnd, StopReason, TextDelta, ToolCallDelta
from tests.dialects.wire_targets import origin_of

RESPONSES = OpenAIResponses()
ORIGIN = origin_of("openai_responses")
DONE = b"data: [DONE]\n\n"
TEXT = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}


def event(kind, **more):
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()


def completed(*output, kind="response.completed", **more):
    response = {"id": "resp_1", "model": "m", "status": kind.rpartition(".")[2], "output": list(output), **more}
    return event(kind, response=response)


def call_item(call_id, name, arguments, kind="function_call"):
    field = "input" if kind == "custom_tool_call" else "arguments"
    return {"type": kind, "id": f"i_{call_id}", "call_id": call_id, "name": name, field: arguments}


def events_of(*chunks, headers=None):
    decoder = RESPONSES.stream_decoder(ORIGIN, headers or {"content-type": "text/event-stream"})
    return [found for chunk in chunks for found in decoder.feed(chunk)] + decoder.end()


def test_words_and_thoughts_arrive_in_pieces_and_the_reply_is_that_of_the_whole_answer():
    thought = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}
    last = completed(thought, TEXT, usage={"input_tokens": 3, "output_tokens": 2})
    found = events_of(
        event("response.created", response={"status": "in_progress", "error": None, "output": []}),
        event("response.reasoning_summary_text.delta", delta="h"),
        event("response.reasoning_text.delta", delta="m"),
        event("response.output_text.delta", delta=""),
        event("response.output_text.delta", delta="hi"),
        event("response.refusal.delta", delta="not words"),
        event("response.brand_new", delta="?"),
        last,
        DONE,
    )
    assert found[:-1] == [ReasoningDelta(text="h"), ReasoningDelta(text="m"), TextDelta(text="hi")]
    body = json.dumps(json.loads(last.split(b"data: ")[1])["response"]).encode()
    whole = RESPONSES.decode(WireResponse(200, {}, body), ORIGIN)
    assert found[-1] == ReplyEnd(reply=whole)


def test_the_pieces_of_parallel_calls_are_told_apart_by_their_items():
    calls = [call_item("a", "f", '{"y": 1}'), call_item("b", "run", "1 + 1", "custom_tool_call")]
    found = events_of(
        event("response.output_item.added", output_index=1, item={**calls[0], "arguments": ""}),
        event("response.output_item.added", output_index=2, item={**calls[1], "input": ""}),
        event("response.custom_tool_call_input.delta", output_index=2, delta="1 + 1"),
        event("response.function_call_arguments.delta", output_index=1, delta='{"y": '),
        event("response.function_call_arguments.delta", output_index=1, delta="1}"),
        event("response.output_item.done", output_index=1, item=calls[0]),
        event("response.output_item.done", output_index=2, item=calls[1]),
        completed(*calls),
    )
    assert found[:-1] == [
        ToolCallDelta(place=0, call_id="a", name="f"),
        ToolCallDelta(place=1, call_id="b", name="run"),
        ToolCallDelta(place=1, arguments="1 + 1"),
        ToolCallDelta(place=0, arguments='{"y": '),
        ToolCallDelta(place=0, arguments="1}"),
    ]
    assert found[-1].reply.stop is StopReason.TOOL


def test_a_call_that_comes_whole_is_told_whole():
    call = call_item("a", "f", "{}")
    found = events_of(event("response.output_item.done", output_index=0, item=call), completed(call))
    assert found[:-1] == [ToolCallDelta(place=0, call_id="a", name="f"), ToolCallDelta(place=0, arguments="{}")]


def reasoning(encrypted):
    return {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": encrypted}


@pytest.mark.parametrize(
    ("last", "kept"), [([reasoning("last"), TEXT], "last"), ([reasoning(None), TEXT], "done"), ([], "done")]
)
def test_encrypted_reasoning_is_the_last_one_that_was_said_and_never_the_stub(last, kept):
    reply = events_of(
        event("response.output_item.added", output_index=0, item=reasoning("stub")),
        event("response.output_item.done", output_index=1, item=TEXT),
        event("response.output_item.done", output_index=0, item=reasoning("done")),
        completed(*last),
    )[-1].reply
    assert reply.message.parts[0].opaque == reasoning(kept)
    assert reply.text == "hi"
    assert reply.raw["output"] == [reasoning(kept), TEXT]


def test_an_answer_that_reached_its_limit_is_whole_and_says_so():
    details = {"reason": "max_output_tokens"}
    reply = events_of(completed(TEXT, kind="response.incomplete", incomplete_details=details))[-1].reply
    assert (reply.text, reply.stop, reply.stop_raw) == ("hi", StopReason.LENGTH, "max_output_tokens")


def test_what_comes_after_the_end_is_not_read():
    found = events_of(completed(TEXT), event("response.output_text.delta", delta="more"), completed(), DONE)
    assert [type(each) for each in found] == [ReplyEnd]
    assert found[0].reply.text == "hi"


def test_a_stream_that_ends_before_its_answer_is_broken():
    pieces = (event("response.output_text.delta", delta="hi"), event("response.output_text.done", text="hi"))
    for cut in ((), pieces, (*pieces, completed(TEXT)[:-20]), (*pieces, DONE)):
        with pytest.raises(Broken):
            events_of(*cut)


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (event("error", code="insufficient_quota", message="m", param=None), QuotaSpent),
        (event("error", error={"type": "server_error", "message": "m"}), Overloaded),
        (
            event("response.failed", response={"status": "failed", "error": {"code": "rate_limit_exceeded"}}),
            RateLimited,
        ),
        (event("response.failed", response={"status": "failed", "error": None}), Broken),
        (b'data: {"error": {"message": "m", "code": 503}}\n\n', Overloaded),
        (completed(TEXT, error={"code": "server_error", "message": "m"}), Overloaded),
        (b"data: {not json}\n\n", Broken),
    ],
)
def test_an_error_inside_a_stream_is_that_error_and_may_have_been_billed(sent, kind):
    with pytest.raises(ProviderError) as caught:
        events_of(event("response.output_text.delta", delta="hi"), sent)
    assert type(caught.value) is kind
    assert caught.value.maybe_billed


def test_a_server_that_answers_whole_when_asked_to_stream_is_understood():
    body = json.dumps({"status": "completed", "output": [TEXT]}).encode()
    found = events_of(body[:9], body[9:], headers={"content-type": "application/json; charset=utf-8"})
    assert [type(each) for each in found] == [TextDelta, ReplyEnd]
    assert found[-1].reply.text == "hi"


KINDS = [
    "response.created", "response.output_text.delta", "response.output_item.added", "response.output_item.done",
    "response.function_call_arguments.delta", "response.completed", "response.new",
]  # fmt: skip
NAMES = ["type", "delta", "item", "output_index", "response", "output", "arguments", "call_id", "encrypted_content"]
shaped = st.recursive(
    st.none() | st.integers() | st.floats() | st.sampled_from([*KINDS, "function_call", "reasoning", "message"]),
    lambda inner: st.dictionaries(st.sampled_from(NAMES), inner, max_size=4) | st.lists(inner, max_size=2),
    max_leaves=8,
)
events = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS)},
    optional={"item": shaped, "output_index": shaped, "delta": shaped, "response": shaped},
)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(events, max_size=5))
def test_whatever_a_server_streams_is_a_reply_or_broken(sent):
    body = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in sent)
    try:
        assert isinstance(events_of(body, completed(TEXT))[-1], ReplyEnd)
    except Broken:
        assert any(each["type"] == "response.completed" for each in sent)
