import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.dialects.gemini.dialect import Gemini
from harness.dialects.wire import WireResponse
from harness.exceptions import Broken, Overloaded
from harness.models.messages import ReasoningDelta, ReplyEnd, StopReason, TextDelta, ToolCallDelta
from tests.dialects.wire_targets import origin_of

GEMINI = Gemini()
OURS = origin_of("gemini")


def chunk(*parts, finish=None, **more):
    candidate = {"content": {"role": "model", "parts": list(parts)}, **({"finishReason": finish} if finish else {})}
    return {"candidates": [candidate], "responseId": "r-1", "modelVersion": "m-1", **more}


def sse(*chunks):
    return b"".join(b"data: " + json.dumps(each).encode() + b"\r\n\r\n" for each in chunks)


def events_of(body, *, size=None, content_type="text/event-stream"):
    decoder = GEMINI.stream_decoder(OURS, {"content-type": content_type})
    size = size or max(len(body), 1)
    found = [event for start in range(0, len(body), size) for event in decoder.feed(body[start : start + size])]
    return found + decoder.end()


def whole(response):
    return GEMINI.decode(WireResponse(200, {}, json.dumps(response).encode()), OURS)


STREAM = (
    chunk({"text": "why ", "thought": True}, usageMetadata={"promptTokenCount": 7, "totalTokenCount": 7}),
    chunk({"text": "not", "thought": True}, usageMetadata={"promptTokenCount": 7, "thoughtsTokenCount": 5}),
    chunk({"text": "Grü"}),
    chunk({"text": "ße"}, {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "QQ=="}),
    chunk({"functionCall": {"id": "own", "name": "g"}}),
    chunk(
        {"text": ""},
        finish="STOP",
        usageMetadata={"promptTokenCount": 8, "candidatesTokenCount": 3, "cachedContentTokenCount": 2},
    ),
)


def test_a_stream_is_the_same_reply_as_the_answer_unstreamed():
    reply = events_of(sse(*STREAM))[-1].reply
    parts = [
        {"text": "why not", "thought": True},
        {"text": "Grüße"},
        {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "QQ=="},
        {"functionCall": {"id": "own", "name": "g"}},
    ]
    usage = {
        "promptTokenCount": 8,
        "totalTokenCount": 7,
        "thoughtsTokenCount": 5,
        "candidatesTokenCount": 3,
        "cachedContentTokenCount": 2,
    }
    assert reply == whole(chunk(*parts, finish="STOP", usageMetadata=usage))
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.reasoning_tokens) == (8, 8, 5)
    assert reply.stop is StopReason.TOOL


def test_words_thoughts_and_calls_come_as_they_arrive():
    *events, end = events_of(sse(*STREAM))
    calls = [part for part in end.reply.message.parts if part.type == "tool_call"]
    assert events == [
        ReasoningDelta(text="why "),
        ReasoningDelta(text="not"),
        TextDelta(text="Grü"),
        TextDelta(text="ße"),
        ToolCallDelta(place=0, call_id=calls[0].call_id, name="f", arguments='{"a": 1}'),
        ToolCallDelta(place=1, call_id="own", name="g", arguments="{}"),
    ]


def test_a_made_id_of_a_call_is_the_same_in_its_piece_and_in_the_reply():
    """Also where a server names the answer otherwise in a later chunk."""
    call = {"functionCall": {"name": "f"}}
    first, second = chunk(call), chunk(call, finish="STOP", responseId="r-2")
    *deltas, end = events_of(sse(first, second))
    assert [each.call_id for each in deltas] == [part.call_id for part in end.reply.message.parts]
    assert deltas[0].call_id != deltas[1].call_id


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_stream_torn_anywhere_gives_the_same_events(size):
    body = sse(*STREAM)
    assert events_of(body, size=size) == events_of(body)
    listed = b"\n" + json.dumps(STREAM, indent=1).encode()
    assert events_of(listed, size=size) == events_of(listed)


@pytest.mark.parametrize("content_type", ["application/json; charset=UTF-8", "text/event-stream"])
def test_a_list_of_chunks_is_the_same_reply(content_type):
    found = events_of(json.dumps(STREAM).encode(), content_type=content_type)
    assert found[-1] == events_of(sse(*STREAM))[-1]
    assert "".join(each.text for each in found if isinstance(each, TextDelta)) == "Grüße"
    assert GEMINI.decode(WireResponse(200, {}, json.dumps(STREAM).encode()), OURS) == found[-1].reply


def test_an_empty_text_with_a_signature_stays_a_part():
    reply = events_of(sse(chunk({"text": "a"}), chunk({"text": "", "thoughtSignature": "QQ=="}, finish="STOP")))[
        -1
    ].reply
    assert [(part.text, part.opaque) for part in reply.message.parts] == [
        ("a", None),
        ("", {"text": "", "thoughtSignature": "QQ=="}),
    ]


def test_a_prompt_that_was_blocked_ends_its_stream():
    found = events_of(sse({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}))
    assert (found[-1].reply.stop, found[-1].reply.stop_raw) == (StopReason.FILTER, "SAFETY")


def test_usage_that_follows_the_stop_is_counted():
    last = {"candidates": [], "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2}}
    assert events_of(sse(chunk({"text": "a"}, finish="STOP"), last))[-1].reply.usage.output_tokens == 2


def test_a_stream_that_ends_before_its_answer_is_broken():
    body = sse(*STREAM)
    cut = len(sse(*STREAM[:-1]))
    for end in (0, 3, cut // 2, cut, cut + 20, len(body) - 6):
        with pytest.raises(Broken):
            events_of(body[:end])
    listed = json.dumps(STREAM).encode()
    for cut_list in (listed[:-1], listed[: len(listed) // 2], json.dumps(STREAM[:-1]).encode(), b"[]"):
        with pytest.raises(Broken):
            events_of(cut_list, content_type="application/json")


def test_a_stream_of_something_else_is_broken_without_showing_what():
    with pytest.raises(Broken) as caught:
        events_of(b"data: secret words\n\n")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("listed", [False, True])
def test_an_error_inside_a_stream_may_have_been_billed(listed):
    error = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
    chunks = (STREAM[0], error)
    body = json.dumps(chunks).encode() if listed else sse(*chunks)
    with pytest.raises(Overloaded) as caught:
        events_of(body)
    assert caught.value.maybe_billed


def test_grounding_of_several_chunks_is_put_together_once():
    web = [{"web": {"uri": f"https://{name}"}} for name in "ab"]
    first, second = chunk({"text": "x"}), chunk({"text": "y"}, finish="STOP")
    first["candidates"][0]["groundingMetadata"] = {"groundingChunks": web[:1], "webSearchQueries": ["q"]}
    for later in (web, web[1:]):
        second["candidates"][0]["groundingMetadata"] = {"groundingChunks": later}
        reply = events_of(sse(first, second))[-1].reply
        assert [part.source for part in reply.message.parts[1:]] == ["https://a", "https://b"]
        assert reply.raw["candidates"][0]["groundingMetadata"]["webSearchQueries"] == ["q"]


def test_of_several_candidates_the_first_is_read_and_all_are_kept():
    second = {"index": 1, "content": {"parts": [{"text": "other"}]}, "finishReason": "STOP"}
    first = {"content": {"parts": [{"text": "this"}]}, "finishReason": "STOP"}
    reply = events_of(sse({"candidates": [second]}, {"candidates": [first]}))[-1].reply
    assert reply.text == "this"
    assert len(reply.raw["candidates"]) == 2
    with pytest.raises(Broken):
        events_of(sse({"candidates": [second]}))


def test_the_last_event_is_the_end():
    found = events_of(sse(*STREAM))
    assert [isinstance(each, ReplyEnd) for each in found] == [False] * 6 + [True]


NAMES = ["candidates", "content", "parts", "text", "functionCall", "finishReason", "usageMetadata", "promptFeedback"]
NAMES += ["groundingMetadata", "blockReason", "index", "responseId", "thought", "thoughtSignature"]
shaped = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from(NAMES), inner, max_size=4) | st.lists(inner, max_size=3),
    max_leaves=8,
)
streamed = st.dictionaries(st.sampled_from(NAMES), shaped, max_size=2)
candidates = st.lists(st.dictionaries(st.sampled_from(NAMES), shaped, max_size=3), max_size=2)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.builds(lambda each, found: {**each, "candidates": found}, streamed, candidates), max_size=3))
def test_whatever_a_server_streams_is_a_reply_or_broken_and_the_same_as_a_list(chunks):
    try:
        found = events_of(sse(*chunks))[-1]
    except Broken:
        with pytest.raises(Broken):
            events_of(json.dumps(chunks).encode())
        return
    assert found == events_of(json.dumps(chunks).encode())[-1]
