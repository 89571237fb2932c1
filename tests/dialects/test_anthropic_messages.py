"""Replies and streams, on small hand-written bodies; what was really sent is in the recorded tests."""

import base64
import json
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.dialects.anthropic_messages.dialect import AnthropicMessages
from harness.dialects.anthropic_messages.request import ANSWER_TOOL
from harness.dialects.wire import WireResponse
from harness.exceptions import Broken, Overloaded, ProviderError, RateLimited, RequestRefused
from harness.models.messages import (
    CitationPart,
    Message,
    ModelRequest,
    OtherPart,
    ReasoningDelta,
    ReasoningPart,
    RefusalPart,
    ReplyEnd,
    ServerToolPart,
    StopReason,
    TextDelta,
    TextPart,
    ToolCallDelta,
    ToolCallPart,
    user,
)
from tests.dialects.wire_targets import origin_of, target_of

MESSAGES = AnthropicMessages()
ORIGIN = origin_of("anthropic_messages")
SSE = {"content-type": "text/event-stream"}
AWS = {"content-type": "application/vnd.amazon.eventstream", "x-amzn-requestid": "r"}


def whole(*blocks, stop="end_turn", headers=None, **more):
    message = {"id": "msg_1", "type": "message", "model": "m", "content": list(blocks), "stop_reason": stop, **more}
    return MESSAGES.decode(WireResponse(200, headers or {}, json.dumps(message).encode()), ORIGIN)


def sse(*events):
    return b"".join(f"event: {e.get('type')}\ndata: {json.dumps(e)}\n\n".encode() for e in events)


def events_of(*chunks, headers=None):
    decoder = MESSAGES.stream_decoder(ORIGIN, headers or SSE)
    return [event for chunk in chunks for event in decoder.feed(chunk)] + decoder.end()


START = {"type": "message_start", "message": {"id": "msg_1", "type": "message", "model": "m", "content": []}}
STOP = {"type": "message_stop"}


def delta_end(stop="end_turn", **usage):
    return {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": usage}


def block(index, start, *deltas):
    yield {"type": "content_block_start", "index": index, "content_block": start}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def frame(payload, **headers):
    def text(name, value):
        return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()

    block = b"".join(text(":" + name.replace("_", "-"), value) for name, value in headers.items())
    prelude = struct.pack(">II", len(payload) + len(block) + 16, len(block))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + block + payload
    return body + struct.pack(">I", zlib.crc32(body))


def chunk_frame(event):
    payload = json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode(), "p": "abc"}).encode()
    return frame(payload, message_type="event", event_type="chunk", content_type="application/json")


def test_a_reply_keeps_words_thoughts_calls_and_the_raw_answer():
    thinking = {"type": "thinking", "thinking": "hm", "signature": "s"}
    redacted = {"type": "redacted_thinking", "data": "x"}
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": "é"}}
    called = call | {"caller": {"type": "direct"}}
    text = {"type": "text", "text": "hi"}
    reply = whole(
        thinking, redacted, text, call, called, stop="tool_use", headers={"request-id": "req_1"}, extra={"kept": True}
    )
    assert reply.message.parts == (
        ReasoningPart(text="hm", opaque=thinking, origin=ORIGIN),
        ReasoningPart(text="", opaque=redacted, origin=ORIGIN),
        TextPart(text="hi"),
        ToolCallPart(call_id="t", name="f", arguments='{"a": "é"}'),
        ToolCallPart(call_id="t", name="f", arguments='{"a": "é"}', opaque=called, origin=ORIGIN),
    )
    assert (reply.stop, reply.stop_raw, reply.request_id, reply.model) == (StopReason.TOOL, "tool_use", "req_1", "m")
    assert reply.raw["extra"] == {"kept": True}


def test_a_thought_that_was_cut_off_before_its_signature_is_not_kept_for_sending():
    assert whole({"type": "thinking", "thinking": "h", "signature": ""}).message.parts == (ReasoningPart(text="h"),)
    unsigned = {"type": "thinking", "thinking": "h"}
    assert whole(unsigned).message.parts[0].opaque == unsigned


def test_server_tools_are_told_in_words_and_unknown_blocks_are_kept():
    asked = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}
    found = {
        "type": "web_search_tool_result",
        "tool_use_id": "s",
        "content": [{"type": "web_search_result", "title": "T", "url": "https://u", "encrypted_content": "XX"}],
    }
    fetched = {
        "type": "web_fetch_tool_result",
        "content": {
            "url": "https://p",
            "content": {"source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0"}},
        },
    }
    ran = {"type": "bash_code_execution_tool_result", "content": {"stdout": "42\n", "stderr": "", "return_code": 0}}
    new = {"type": "compaction", "content": "summary"}
    parts = whole(asked, found, fetched, ran, new).message.parts
    assert [(p.name, p.text) for p in parts[:4] if isinstance(p, ServerToolPart)] == [
        ("web_search", 'web_search({"query": "q"})'),
        ("web_search", "T\nhttps://u"),
        ("web_fetch", "https://p"),
        ("bash_code_execution", "42\n"),
    ]
    assert [p.opaque for p in parts] == [asked, found, fetched, ran, new]
    assert parts[4] == OtherPart(kind="compaction", opaque=new, origin=ORIGIN)


def test_citations_follow_the_text_they_support():
    cited = {
        "type": "text",
        "text": "Grass is green.",
        "citations": [
            {"type": "char_location", "cited_text": "green", "document_index": 0, "document_title": "Lawn"},
            {"type": "web_search_result_location", "cited_text": "g", "url": "https://u", "title": "U"},
            {"type": "page_location", "cited_text": "", "document_index": 2, "document_title": None},
        ],
    }
    assert whole(cited).message.parts == (
        TextPart(text="Grass is green.", opaque=cited, origin=ORIGIN),
        CitationPart(source="Lawn", title="Lawn", quote="green"),
        CitationPart(source="https://u", title="U", quote="g"),
        CitationPart(source="document 2"),
    )


def test_what_a_forced_tool_was_called_with_is_the_answer():
    answer = {"type": "tool_use", "id": "t", "name": ANSWER_TOOL, "input": {"a": 1}}
    reply = whole(answer, stop="tool_use")
    assert (reply.text, reply.stop, reply.stop_raw) == ('{"a": 1}', StopReason.STOP, "tool_use")
    other = {"type": "tool_use", "id": "u", "name": "f", "input": {}}
    assert whole(answer, other, stop="tool_use").stop is StopReason.TOOL
    assert whole(answer, stop="max_tokens").stop is StopReason.LENGTH
    pieces = [{"type": "input_json_delta", "partial_json": text} for text in ("", '{"a"', ": 1}")]
    found = events_of(sse(START, *block(0, answer | {"input": {}}, *pieces), delta_end("tool_use"), STOP))
    assert [e.text for e in found[:-1]] == ['{"a"', ": 1}"]
    assert (found[-1].reply.text, found[-1].reply.stop) == ('{"a": 1}', StopReason.STOP)


@pytest.mark.parametrize(
    ("raw", "neutral"),
    [
        ("max_tokens", "length"),
        ("stop_sequence", "stop_sequence"),
        ("pause_turn", "pause"),
        ("compaction", "pause"),
        ("refusal", "refusal"),
        ("model_context_window_exceeded", "context"),
        ("new_word", "unknown"),
        (None, "unknown"),
    ],
)
def test_stop_reasons_keep_their_raw_word(raw, neutral):
    reply = whole({"type": "text", "text": "x"}, stop=raw, stop_sequence="END")
    assert (reply.stop, reply.stop_raw, reply.stop_sequence) == (neutral, raw, "END")


def test_a_refusal_says_why_where_the_vendor_does():
    details = {"type": "refusal", "category": "bio", "explanation": "no"}
    reply = whole(stop="refusal", stop_details=details)
    assert reply.message.parts == (RefusalPart(text="no", opaque=details, origin=ORIGIN),)
    assert whole(stop="refusal", stop_details=details | {"explanation": None}).message.parts == ()


def test_input_counts_what_went_through_the_cache_and_unknown_is_never_zero():
    usage = {
        "input_tokens": 3,
        "cache_creation_input_tokens": 100,
        "cache_read_input_tokens": 20,
        "cache_creation": {"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40},
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 4},
    }
    found = whole(usage=usage).usage
    assert (found.input_tokens, found.output_tokens, found.reasoning_tokens) == (123, 9, 4)
    assert (found.cache_read_tokens, found.cache_write_tokens, found.cache_write_1h_tokens) == (20, 100, 40)
    found = whole(usage={"input_tokens": 3, "output_tokens": 0}).usage
    assert (found.input_tokens, found.output_tokens, found.cache_read_tokens, found.cache_write_tokens) == (
        3,
        0,
        None,
        None,
    )
    assert whole().usage.input_tokens is None
    assert whole(usage={"cache_read_input_tokens": 5}).usage.input_tokens is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"{}", b"\xff", b'{"content": 3}', b"[" * 100_000])
def test_an_answer_that_cannot_be_read_is_broken(body):
    with pytest.raises(Broken):
        MESSAGES.decode(WireResponse(200, {}, body), ORIGIN)


def test_an_error_instead_of_a_message_is_that_error_with_its_id():
    body = b'{"type": "error", "error": {"type": "overloaded_error", "message": "m"}, "request_id": "req_9"}'
    with pytest.raises(Overloaded) as caught:
        MESSAGES.decode(WireResponse(200, {}, body), ORIGIN)
    assert caught.value.request_id == "req_9"
    assert type(MESSAGES.error(WireResponse(529, {}, body), "there")) is Overloaded


def test_a_stream_gives_its_pieces_and_then_what_it_would_have_been_without():
    thinking = [
        {"type": "thinking_delta", "thinking": "h"},
        {"type": "thinking_delta", "thinking": "m"},
        {"type": "signature_delta", "signature": "sig"},
    ]
    citation = {"type": "char_location", "cited_text": "q", "document_index": 0, "document_title": "D"}
    words = [{"type": "text_delta", "text": "hi"}, {"type": "citations_delta", "citation": citation}]
    pieces = [{"type": "input_json_delta", "partial_json": text} for text in ("", '{"a":', "1}")]
    body = sse(
        START | {"message": START["message"] | {"usage": {"input_tokens": 5, "output_tokens": 1}}},
        {"type": "ping"},
        *block(0, {"type": "thinking", "thinking": "", "signature": ""}, *thinking),
        *block(1, {"type": "text", "text": "", "citations": []}, *words),
        *block(2, {"type": "tool_use", "id": "t", "name": "f", "input": {}}, *pieces),
        *block(3, {"type": "tool_use", "id": "u", "name": "g", "input": {}}),
        {"type": "something_new", "index": 4},
        delta_end("tool_use", output_tokens=7, input_tokens=None),
        STOP,
    )
    found = events_of(body)
    reply = found.pop().reply
    assert found == [
        ReasoningDelta(text="h"),
        ReasoningDelta(text="m"),
        TextDelta(text="hi"),
        ToolCallDelta(place=0, call_id="t", name="f"),
        ToolCallDelta(place=0, arguments='{"a":'),
        ToolCallDelta(place=0, arguments="1}"),
        ToolCallDelta(place=1, call_id="u", name="g"),
        ToolCallDelta(place=1, arguments="{}"),
    ]
    unstreamed = whole(
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "text", "text": "hi", "citations": [citation]},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "u", "name": "g", "input": {}},
        stop="tool_use",
        usage={"input_tokens": 5, "output_tokens": 7},
    )
    assert reply.raw == unstreamed.raw
    assert reply.message.parts[3].arguments == '{"a":1}'
    assert json.loads(unstreamed.message.parts[3].arguments) == {"a": 1}
    assert [p for p in reply.message.parts if p.type != "tool_call"] == [
        p for p in unstreamed.message.parts if p.type != "tool_call"
    ]
    assert (reply.usage, reply.stop) == (unstreamed.usage, unstreamed.stop)


def test_arguments_that_were_cut_off_stay_the_text_they_were():
    piece = {"type": "input_json_delta", "partial_json": '{"a": "b'}
    start = {"type": "tool_use", "id": "t", "name": "f", "input": {}, "caller": {"type": "direct"}}
    reply = events_of(sse(START, *block(0, start, piece), delta_end("max_tokens"), STOP))[-1].reply
    assert reply.message.parts == (ToolCallPart(call_id="t", name="f", arguments='{"a": "b'),)
    assert (reply.stop, reply.raw["content"][0]["input"]) == (StopReason.LENGTH, '{"a": "b')


def test_a_summary_made_on_the_way_is_put_together():
    summary = {"type": "compaction_delta", "content": "so far", "encrypted_content": "x"}
    reply = events_of(sse(START, *block(0, {"type": "compaction", "content": ""}, summary), delta_end(), STOP))[
        -1
    ].reply
    expected = {"type": "compaction", "content": "so far", "encrypted_content": "x"}
    assert reply.message.parts == (OtherPart(kind="compaction", opaque=expected, origin=ORIGIN),)


def test_a_stream_is_whole_with_its_stop_reason_and_broken_without():
    text = list(block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "x"}))
    assert events_of(sse(START, *text, delta_end()))[-1].reply.text == "x"
    for body in (b"", sse(START), sse(START, *text), sse(START, *text, delta_end())[:-30], sse(STOP)):
        with pytest.raises(Broken):
            events_of(body)


def test_an_error_inside_a_stream_may_have_been_billed():
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    for before in ((), (START, *block(0, {"type": "text", "text": "x"}))):
        with pytest.raises(Overloaded) as caught:
            events_of(sse(*before, error))
        assert caught.value.maybe_billed


def test_a_server_that_answers_whole_when_asked_to_stream_is_understood():
    body = json.dumps({"content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn"}).encode()
    found = events_of(body[:9], body[9:], headers={"content-type": "application/json"})
    assert [type(each) for each in found] == [TextDelta, ReplyEnd]


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_bedrocks_frames_say_the_same_as_events(size):
    stop = STOP | {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 5}}
    events = [START, *block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "é"}), delta_end(), stop]
    body = b"".join(map(chunk_frame, events))
    torn = [body[at : at + size] for at in range(0, len(body), size)]
    found, plain = events_of(*torn, headers=AWS), events_of(sse(*events), headers=SSE | {"request-id": "r"})
    assert found == plain
    assert found[-1].reply.raw["amazon-bedrock-invocationMetrics"] == {"inputTokenCount": 5}
    for place in (1, len(body) // 2, len(body) - 200):
        with pytest.raises(Broken):
            events_of(body[:place], headers=AWS)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("throttlingException", RateLimited),
        ("modelStreamErrorException", Overloaded),
        ("validationException", RequestRefused),
        ("somethingNew", Broken),
    ],
)
def test_bedrocks_exceptions_have_their_class(kind, error):
    exception = frame(b'{"message": "m"}', message_type="exception", exception_type=kind)
    with pytest.raises(error) as caught:
        events_of(chunk_frame(START) + exception, headers=AWS)
    assert caught.value.maybe_billed
    with pytest.raises(error):
        events_of(frame(b"", message_type="error", error_code=kind, error_message="m"), headers=AWS)


def test_a_damaged_frame_is_broken():
    with pytest.raises(Broken):
        events_of(chunk_frame(START)[:-1] + b"x", headers=AWS)
    with pytest.raises(Broken):
        events_of(frame(b'{"bytes": "!"}', message_type="event"), headers=AWS)


NAMES = ["type", "text", "thinking", "input", "content", "citations", "name", "signature", "usage", "input_tokens"]
KINDS = ["text", "thinking", "tool_use", "server_tool_use", "x_tool_result", "text_delta", "citations_delta"]
EVENTS = ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta"]
shaped = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(KINDS),
    lambda inner: st.dictionaries(st.sampled_from(NAMES), inner, max_size=4) | st.lists(inner, max_size=2),
    max_leaves=6,
)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(shaped, max_size=3), shaped, shaped)
def test_whatever_a_server_sends_is_a_reply(content, usage, details):
    body = json.dumps({"content": content, "usage": usage, "stop_details": details}).encode()
    assert MESSAGES.decode(WireResponse(200, {}, body), ORIGIN).message.role == "assistant"


@settings(deadline=None)  # the machine may be busy
@given(
    st.lists(
        st.fixed_dictionaries(
            {"type": st.sampled_from(EVENTS)},
            optional={
                "index": shaped,
                "message": shaped,
                "content_block": shaped,
                "delta": shaped,
                "usage": shaped,
            },
        ),
        max_size=5,
    )
)
def test_whatever_a_server_streams_is_a_reply_or_one_of_our_errors(events):
    try:
        assert isinstance(events_of(sse(*events, STOP))[-1], ReplyEnd)
    except ProviderError:
        assert not any(event["type"] == "message_start" for event in events)


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip)
objects = st.dictionaries(words, st.none() | st.booleans() | st.integers() | words | st.lists(words), max_size=3)
names = st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True)
opaque_blocks = st.builds(lambda text, data: {"type": "thinking", "thinking": text, "signature": data}, words, words)
parts = st.one_of(
    st.builds(TextPart, text=words),
    st.builds(
        ToolCallPart, call_id=names, name=names, arguments=objects.map(lambda o: json.dumps(o, ensure_ascii=False))
    ),
    opaque_blocks.map(lambda b: ReasoningPart(text=b["thinking"], opaque=b, origin=ORIGIN)),
    words.map(lambda d: ReasoningPart(text="", opaque={"type": "redacted_thinking", "data": d}, origin=ORIGIN)),
    words.map(lambda k: OtherPart(kind="new", opaque={"type": "new", "kept": k}, origin=ORIGIN)),
)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(parts, min_size=1, max_size=5).map(tuple))
def test_a_turn_that_goes_out_comes_back_the_same(turn_parts):
    turn = Message(role="assistant", parts=turn_parts)
    request = ModelRequest(messages=(user("x"), turn, user("y")), max_output_tokens=9, cache_points=())
    wire = MESSAGES.encode(request, target_of(dialect="anthropic_messages"), stream=False)
    assert whole(*json.loads(wire.body)["messages"][1]["content"]).message == turn
