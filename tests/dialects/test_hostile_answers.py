"""Answers that end too early, go too deep, or are made to take long: each is an answer or `Broken`, in linear time."""

import json
import time

import pytest

from harness.dialects.known_dialects import DIALECTS
from harness.dialects.wire import WireResponse
from harness.dialects.wire_json import MOST_DEPTH, parse_json
from harness.exceptions import Broken
from harness.models.catalogue import DialectName
from harness.models.messages import ReplyEnd, StopReason, ToolCallPart
from tests.dialects.wire_targets import origin_of

CHAT, RESPONSES, ANTHROPIC, GEMINI = (
    DialectName.OPENAI_CHAT,
    DialectName.OPENAI_RESPONSES,
    DialectName.ANTHROPIC_MESSAGES,
    DialectName.GEMINI,
)
HEADERS = {"content-type": "text/event-stream"}
DONE = b"data: [DONE]\n\n"


def data(*values):
    return b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values)


def reply_of(dialect, body, step=65_536):
    decoder = DIALECTS[dialect].stream_decoder(origin_of(), HEADERS)
    events = [found for at in range(0, len(body), step) for found in decoder.feed(body[at : at + step])]
    events += [] if events and isinstance(events[-1], ReplyEnd) else decoder.end()
    return events[-1].reply


def chat(delta, finish=None, **more):
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def gemini(text, finish, **more):
    return {"candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": finish}], **more}


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (CHAT, data(chat({"content": "half"}, ""))),
        (CHAT, data(chat({"content": "half"})) + DONE),
        (CHAT, data(chat({"content": "half"}, "")) + DONE),
        (GEMINI, data(gemini("half", "FINISH_REASON_UNSPECIFIED"))),
        (GEMINI, data(gemini("half", 0))),
    ],
)
def test_a_stream_that_does_not_say_why_it_ended_is_no_answer(dialect, body):
    with pytest.raises(Broken):
        reply_of(dialect, body)


def test_usage_before_done_is_an_end_too():
    assert reply_of(CHAT, data(chat({"content": "all"}), chat({}, usage={"prompt_tokens": 1})) + DONE).text == "all"


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_a_response_that_is_still_worked_on_is_a_pause_and_no_plain_stop(status):
    body = json.dumps({"status": status, "output": []}).encode()
    assert DIALECTS[RESPONSES].decode(WireResponse(200, {}, body), origin_of()).stop is StopReason.PAUSE


def deep(levels):
    return "[" * levels + "]" * levels


def test_json_is_read_down_to_its_depth_and_no_further():
    assert parse_json(deep(MOST_DEPTH))
    assert parse_json(json.dumps("[" * 999)) == "[" * 999
    assert len(parse_json("[" + ",".join(["[]"] * 999) + "]")) == 999
    for text in (deep(MOST_DEPTH + 1), '{"a":' * 201 + "1" + "}" * 201, deep(100_000)):
        with pytest.raises(ValueError, match="nested too deep"):
            parse_json(text)


@pytest.mark.parametrize("levels", [190, 230, 260, 5000])
def test_a_deep_answer_is_an_answer_or_broken(levels):
    bodies = {
        CHAT: '{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],"x":%s}',
        RESPONSES: '{"status":"completed","output":[],"x":%s}',
        ANTHROPIC: '{"content":[{"type":"new","x":%s}],"stop_reason":"end_turn"}',
        GEMINI: '{"candidates":[{"content":{"parts":[{"new":%s}]},"finishReason":"STOP"}]}',
        DialectName.BEDROCK_CONVERSE: '{"output":{"message":{"content":[{"new":%s}]}},"stopReason":"end_turn"}',
    }
    for dialect, body in bodies.items():
        response = WireResponse(200, {}, (body % deep(levels)).encode())
        try:
            reply = DIALECTS[dialect].decode(response, origin_of())
            assert levels < MOST_DEPTH
            assert reply.model_validate_json(reply.model_dump_json()) == reply
        except Broken:
            assert levels >= MOST_DEPTH


def anthropic(*events):
    begin = {"type": "message_start", "message": {"id": "m", "content": []}}
    end = ({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"})
    return data(begin, *events, *end)


def block(**more):
    return {"type": "content_block_start", "content_block": {"type": "text", "text": "a"}, **more}


def test_deep_arguments_in_pieces_stay_the_text_that_they_are():
    call = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
    text = '{"a":' + deep(400) + "}"
    piece = {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": text}}
    (part,) = reply_of(ANTHROPIC, anthropic(block(index=0, content_block=call), piece)).message.parts
    assert isinstance(part, ToolCallPart)
    assert part.arguments == text


def test_two_blocks_with_one_index_are_a_broken_answer():
    with pytest.raises(Broken, match="one index"):
        reply_of(ANTHROPIC, anthropic(block(index=0), block(index=0)))
    assert reply_of(ANTHROPIC, anthropic(block(), block())).text == "aa"


def many_calls(count):
    calls = [{"index": at, "id": f"c{at}", "function": {"name": "f", "arguments": "{}"}} for at in range(count)]
    return data(*(chat({"tool_calls": [call]}) for call in calls), chat({}, "tool_calls")) + DONE


def many_tools(count):
    tools = (chat({"executed_tools": [{"index": at, "type": "t"}]}) for at in range(count))
    return data(*tools, chat({}, "stop")) + DONE


def many_blocks(count):
    delta = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}}
    return anthropic(*(event for at in range(count) for event in (block(index=at), delta)))


def many_citations(count):
    parts = [{"text": "ab"}, {"text": "b", "thoughtSignature": "s"}] * count
    supports = [{"segment": {"startIndex": 3 * count - 1, "endIndex": 3 * count}, "groundingChunkIndices": [0]}] * count
    grounding = {"groundingChunks": [{"web": {"uri": "u"}}], "groundingSupports": supports}
    return data({"candidates": [{"content": {"parts": parts}, "groundingMetadata": grounding, "finishReason": "STOP"}]})


@pytest.mark.parametrize(
    ("dialect", "made", "count"),
    [
        (CHAT, many_calls, 1000),
        (CHAT, many_tools, 1000),
        (ANTHROPIC, many_blocks, 2000),
        (GEMINI, many_citations, 150),
    ],
)
def test_eight_times_the_pieces_take_about_eight_times_as_long(dialect, made, count):
    def seconds(pieces):
        body = made(pieces)
        begun = time.process_time()
        reply_of(dialect, body)
        return time.process_time() - begun

    # With the square of the pieces it is more than thirty times; the least of two runs, because the machine is busy.
    assert min(seconds(8 * count) for _ in range(2)) < 24 * max(min(seconds(count) for _ in range(2)), 0.004)


def test_blanks_before_a_stream_of_geminis_are_not_kept():
    decoder = DIALECTS[GEMINI].stream_decoder(origin_of(), HEADERS)
    for _ in range(20_000):
        assert decoder.feed(b"\n") == []
    decoder.feed(data(gemini("all", "STOP")))
    assert decoder.end()[-1].reply.text == "all"


def test_citations_count_characters_also_where_these_are_several_bytes():
    parts = [{"text": "wörter "}, {"text": "ünd", "thoughtSignature": "s"}]
    segment = {"startIndex": 8, "endIndex": 10}
    grounding = {
        "groundingChunks": [{"web": {"uri": "u"}}],
        "groundingSupports": [{"segment": segment, "groundingChunkIndices": [0]}],
    }
    body = data({"candidates": [{"content": {"parts": parts}, "groundingMetadata": grounding, "finishReason": "STOP"}]})
    cited = reply_of(GEMINI, body).message.parts[-1]
    assert (cited.source, cited.start, cited.end) == ("u", 0, 1)
