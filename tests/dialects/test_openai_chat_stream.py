"""A stream ends in the reply that the same answer has without one."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.dialects.openai_chat.dialect import OpenAIChat
from harness.dialects.wire import WireResponse
from harness.models.messages import ReasoningDelta, ReplyEnd, TextDelta, ToolCallDelta
from tests.dialects.wire_targets import origin_of

CHAT = OpenAIChat()
DONE = b"data: [DONE]\n\n"


def events_of(*deltas, finish="stop", choices=()):
    decoder = CHAT.stream_decoder(origin_of(), {"content-type": "text/event-stream"})
    chunks = [{"index": 0, "delta": delta} for delta in deltas] + [*choices, {"index": 0, "finish_reason": finish}]
    body = b"".join(b"data: " + json.dumps({"id": "c", "choices": [chunk]}).encode() + b"\n\n" for chunk in chunks)
    return [*decoder.feed(body + DONE), *decoder.end()]


def whole(message, finish="stop"):
    completion = {"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": finish}]}
    return CHAT.decode(WireResponse(200, {}, json.dumps(completion).encode()), origin_of())


def said(events, kind):
    return "".join(event.text for event in events if isinstance(event, kind))


def test_calls_arrive_in_pieces_that_say_which_call_they_belong_to():
    pieces = [
        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": '{"x"'}},
        {"index": 0, "function": {"arguments": '{"y": 1}'}},
        {"index": 1, "id": "b", "function": {"name": "g", "arguments": ": 2}"}},
    ]
    events = events_of(*({"tool_calls": [piece]} for piece in pieces), finish="tool_calls")
    assert events[:-1] == [
        ToolCallDelta(place=0, call_id="a", name="f"),
        ToolCallDelta(place=1, call_id="b", name="g", arguments='{"x"'),
        ToolCallDelta(place=0, arguments='{"y": 1}'),
        ToolCallDelta(place=1, arguments=": 2}"),
    ]
    calls = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"y": 1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": '{"x": 2}'}},
    ]
    assert events[-1].reply.message == whole({"tool_calls": calls}, "tool_calls").message


def test_a_signature_that_comes_with_a_call_is_kept_as_without_a_stream():
    signed = {"google": {"thought_signature": "c2ln"}}
    first = {"index": 0, "id": "a", "type": "function", "extra_content": signed, "function": {"name": "f"}}
    events = events_of({"tool_calls": [first]}, {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]})
    call = events[-1].reply.message.parts[0]
    assert call.opaque == {**first, "function": {"name": "f", "arguments": "{}"}}


def test_custom_calls_and_the_old_wires_one_call_arrive_in_pieces_too():
    first = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "math", "input": "4 "}}
    events = events_of({"tool_calls": [first]}, {"tool_calls": [{"index": 0, "custom": {"input": "+ 4"}}]})
    assert [event.arguments for event in events[:-1]] == ["4 ", "+ 4"]
    assert events[-1].reply.message.parts[0].custom
    old = events_of({"function_call": {"name": "f", "arguments": "{"}}, {"function_call": {"arguments": "}"}})
    assert old[:-1] == [ToolCallDelta(place=0, name="f", arguments="{"), ToolCallDelta(place=0, arguments="}")]


def fragments(text, pieces):
    """A text in about so many pieces."""
    step = max(1, -(-len(text) // pieces))
    return [text[start : start + step] for start in range(0, len(text), step)]


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@settings(deadline=None)  # the machine may be busy
@given(words, words, words, st.integers(1, 9))
def test_mistrals_list_is_the_one_it_would_have_been(thoughts, text, more, pieces):
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": thoughts}], "closed": True},
        {"type": "text", "text": text + more},
    ]
    deltas = [{"role": "assistant", "content": ""}]
    deltas += [
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": each}], "closed": True}]}
        for each in fragments(thoughts, pieces)
    ]
    deltas += [{"content": [{"type": "text", "text": each}]} for each in fragments(text, pieces)]
    deltas += [{"content": each} for each in fragments(more, pieces)]
    events = events_of(*deltas)
    reply = events[-1].reply
    assert reply.message == whole({"content": content}).message
    assert reply.raw["choices"][0]["message"]["content"] == content
    assert (said(events, ReasoningDelta), said(events, TextDelta)) == (thoughts, text + more)


@settings(deadline=None)  # the machine may be busy
@given(words, st.integers(1, 9))
def test_openrouters_details_are_the_ones_they_would_have_been(thoughts, pieces):
    encrypted = {"type": "reasoning.encrypted", "data": "gAAA", "id": "rs_1", "index": 1}
    signed = {"type": "reasoning.text", "text": thoughts, "signature": "sig", "format": "f", "index": 0}
    deltas = [
        {"reasoning": each, "reasoning_details": [{"type": "reasoning.text", "text": each, "format": "f", "index": 0}]}
        for each in fragments(thoughts, pieces)
    ]
    last = {"type": "reasoning.text", "signature": "sig", "format": "f", "index": 0}
    deltas += [{"reasoning": None, "reasoning_details": [last]}, {"reasoning_details": [encrypted]}, {"content": "hi"}]
    events = events_of(*deltas)
    details = [signed, encrypted]
    assert (
        events[-1].reply.message
        == whole({"content": "hi", "reasoning": thoughts, "reasoning_details": details}).message
    )
    assert said(events, ReasoningDelta) == thoughts


def test_details_of_another_index_or_after_a_signature_are_their_own():
    def text(words, index, **more):
        return {"type": "reasoning.text", "text": words, "index": index, **more}

    events = events_of({"reasoning_details": [text("a", 0), text("b", 1), text("c", 1, signature="s"), text("d", 1)]})
    details = events[-1].reply.raw["choices"][0]["message"]["reasoning_details"]
    assert [detail["text"] for detail in details] == ["a", "bc", "d"]
    assert said(events, ReasoningDelta) == "abcd"


def test_a_tool_that_the_server_ran_is_shown_as_what_it_became():
    started = {"index": 0, "type": "python", "arguments": "1+1"}
    events = events_of({"executed_tools": [started]}, {"executed_tools": [{**started, "output": "2"}]})
    assert events[-1].reply.message == whole({"executed_tools": [{**started, "output": "2"}]}).message


def test_other_choices_and_the_chances_of_words_are_kept_in_the_raw_reply():
    chance = {"content": [{"token": "a", "logprob": -1}]}
    other = [{"index": 1, "delta": {"content": "b"}}, {"index": 1, "delta": {"tool_calls": [{"id": "x"}]}}]
    spoken = [{"index": 0, "delta": {"content": "a"}, "logprobs": chance}] * 2
    events = events_of(choices=[*spoken, *other])
    raw = events[-1].reply.raw["choices"]
    assert raw[0]["logprobs"]["content"] == chance["content"] * 2
    assert raw[1]["message"]["content"] == "b"
    assert [type(event) for event in events] == [TextDelta, TextDelta, ReplyEnd]


@pytest.mark.parametrize("key", ["annotations", "something_new"])
def test_lists_that_nobody_knows_are_put_end_to_end(key):
    note = {"type": "url_citation", "url_citation": {"url": "https://h/a"}}
    events = events_of({key: [note]}, {key: [note]})
    assert events[-1].reply.raw["choices"][0]["message"][key] == [note, note]
