"""The dialect beside an independent reading of what real servers sent."""

import json
from collections import Counter

import pytest

from harness.dialects.openai_chat.dialect import OpenAIChat
from harness.exceptions import Broken, ProviderError, RequestRefused
from harness.models.messages import (
    ModelRequest,
    ReasoningDelta,
    ReasoningPart,
    ReplyEnd,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolCallPart,
)
from tests.dialects.wire_targets import origin_of, target_of

CHAT = OpenAIChat()


def streamed(record, body, size):
    headers = {**record["response_headers"], "content-type": "text/event-stream"}
    decoder = CHAT.stream_decoder(origin_of(), headers)
    events = []
    for start in range(0, len(body), size):
        events += decoder.feed(body[start : start + size])
    return events + decoder.end()


def chunks_of(record):
    """The JSON values of a recorded body, read without any of our code."""
    if record["wire"] == "json":
        return [json.loads(record["body"])]
    data = [line[5:].strip() for line in record["body"].split("\n") if line.startswith("data:")]
    return [json.loads(text) for text in data if text and text != "[DONE]"]


def expected_usage(record):
    """Input, output, cache read, cache write, reasoning: the last usage that the body holds."""
    found = [c.get("usage") or (c.get("x_groq") or {}).get("usage") for c in chunks_of(record)]
    usage = next((u for u in reversed(found) if u), None)
    if usage is None:
        return (None,) * 5
    prompt, completion = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    names = [prompt.get("cached_tokens")]
    names += [usage.get(name) for name in ("cached_tokens", "num_cached_tokens", "prompt_cache_hit_tokens")]
    cached = next((count for count in names if count is not None), None)
    # Gemini leaves its thoughts out of completion_tokens and counts them in the total alone.
    output = usage["total_tokens"] - usage["prompt_tokens"]
    written = prompt.get("cache_write_tokens")
    return (usage["prompt_tokens"], output, cached, written, completion.get("reasoning_tokens"))


def expected_text(record):
    words = []
    for chunk in chunks_of(record):
        for choice in chunk.get("choices") or []:
            content = (choice.get("message") or choice.get("delta") or {}).get("content")
            if choice.get("index", 0) != 0 or not content:
                continue
            if isinstance(content, str):
                words.append(content)
            else:
                words += [part["text"] for part in content if part.get("type") == "text"]
    return "".join(words)


def expected_reasoning(record):
    thoughts = []
    for chunk in chunks_of(record):
        for choice in chunk.get("choices") or []:
            message = choice.get("message") or choice.get("delta") or {}
            if choice.get("index", 0) != 0:
                continue
            thoughts.append(message.get("reasoning_content") or message.get("reasoning") or "")
            content = message.get("content") if isinstance(message.get("content"), list) else []
            thoughts += [piece["text"] for part in content for piece in part.get("thinking") or []]
    return "".join(thoughts)


def expected_arguments(record):
    """Names of the calls, and all argument texts together, in order of arrival; some servers repeat id and name."""
    names, arguments, seen = [], [], set()
    for chunk in chunks_of(record):
        for choice in (chunk.get("choices") or [])[:1]:
            message = choice.get("message") or choice.get("delta") or {}
            for call in message.get("tool_calls") or []:
                function = next((f for f in (call.get("function"), call.get("custom")) if f and any(f.values())), {})
                new = function.get("name") and (not call.get("id") or call["id"] not in seen)
                names += [function["name"]] if new else []
                seen.add(call.get("id"))
                arguments.append(function.get("arguments") or function.get("input") or "")
            legacy = message.get("function_call") or {}
            names += [legacy["name"]] if legacy.get("name") else []
            arguments.append(legacy.get("arguments") or "")
    return names, "".join(arguments)


def has_error_inside(record):
    return any(chunk.get("error") for chunk in chunks_of(record))


@pytest.fixture(scope="module")
def answers(recorded_chats):
    return [record for record in recorded_chats if record["status"] == 200 and not has_error_inside(record)]


def reply_to(record, response_of):
    if record["wire"] == "json":
        return CHAT.decode(response_of(record), origin_of())
    body = response_of(record).body
    events = streamed(record, body, len(body))
    assert isinstance(events[-1], ReplyEnd)
    return events[-1].reply


def test_every_recorded_answer_says_the_same_as_an_independent_reading(answers, response_of):
    assert len(answers) > 600
    for record in answers:
        reply = reply_to(record, response_of)
        usage = reply.usage
        found = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens)
        assert (*found, usage.reasoning_tokens) == expected_usage(record), record["id"]
        assert reply.text == expected_text(record), record["id"]
        thoughts = [part.text for part in reply.message.parts if isinstance(part, ReasoningPart)]
        assert "".join(thoughts) == expected_reasoning(record), record["id"]
        calls = [part for part in reply.message.parts if part.type == "tool_call"]
        names = [call.name for call in calls]
        assert (names, "".join(call.arguments for call in calls)) == expected_arguments(record), record["id"]
        assert all(call.call_id for call in calls), record["id"]
        assert len({call.call_id for call in calls}) == len(calls), record["id"]


def sent_back(message):
    request = ModelRequest(messages=(message,), max_output_tokens=9)
    return json.loads(CHAT.encode(request, target_of(), stream=False).body)["messages"][0]


def test_a_recorded_message_goes_back_to_its_origin_as_it_came(answers, response_of):
    found = Counter()
    for record in answers:
        reply = reply_to(record, response_of)
        came, sent = reply.raw["choices"][0]["message"], sent_back(reply.message)
        details = came.get("reasoning_details")
        for field in ("reasoning_details", "reasoning_content", "reasoning", "extra_content"):
            if came.get(field) and not (details and field == "reasoning"):
                assert sent[field] == came[field], record["id"]
                found[field] += 1
        if isinstance(came.get("content"), list) and any("thinking" in chunk for chunk in came["content"]):
            assert sent["content"] == came["content"], record["id"]
            found["content"] += 1
        sent_calls = [] if (came.get("function_call") or {}).get("name") else sent.get("tool_calls") or []
        for was, call in zip(came.get("tool_calls") or [], sent_calls, strict=True):
            kind = call["type"]
            assert call[kind] == {name: was[kind][name] or "{}" for name in call[kind]}, record["id"]
            assert call["id"] == was["id"] or not was["id"], record["id"]
            found[kind] += 1
    assert set(found) == {
        *("reasoning_details", "reasoning_content", "reasoning", "extra_content"),
        *("content", "function", "custom"),
    }


def test_every_recorded_source_is_a_citation(answers, response_of):
    cited = 0
    for record in answers:
        chunks = chunks_of(record)
        listed = [address for chunk in chunks for address in chunk.get("citations") or []]
        for chunk in chunks:
            message = [c.get("message") or c.get("delta") or {} for c in (chunk.get("choices") or [])[:1]]
            notes = [note for each in message for note in each.get("annotations") or []]
            listed += [note["url_citation"]["url"] for note in notes if note["type"] == "url_citation"]
        found = [part.source for part in reply_to(record, response_of).message.parts if part.type == "citation"]
        assert found == listed, record["id"]
        cited += bool(found)
    assert cited >= 6


def test_every_recorded_stop_reason_but_a_missing_one_is_known(answers, response_of):
    for record in answers:
        reply = reply_to(record, response_of)
        raw = [c.get("finish_reason") for chunk in chunks_of(record) for c in (chunk.get("choices") or [])[:1]]
        assert reply.stop_raw == next((reason for reason in reversed(raw) if reason is not None), None)
        assert (reply.stop is StopReason.UNKNOWN) == (reply.stop_raw is None), record["id"]


def test_a_recorded_tool_call_stops_for_the_tool_and_a_refusal_for_refusing(answers, response_of):
    for record in answers:
        reply = reply_to(record, response_of)
        kinds = {part.type for part in reply.message.parts}
        if "refusal" in kinds:
            assert reply.stop is StopReason.REFUSAL, record["id"]
        elif "tool_call" in kinds and reply.stop_raw not in ("length", "content_filter", None):
            assert reply.stop is StopReason.TOOL, record["id"]


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_streams_torn_anywhere_give_the_same_events(answers, response_of, size):
    for record in answers:
        if record["wire"] == "sse":
            body = response_of(record).body
            assert streamed(record, body, size) == streamed(record, body, len(body)), record["id"]


def test_the_pieces_of_a_stream_are_its_reply(answers, response_of):
    for record in (each for each in answers if each["wire"] == "sse"):
        body = response_of(record).body
        events = streamed(record, body, len(body))
        reply = events[-1].reply
        assert "".join(e.text for e in events if isinstance(e, TextDelta)) == reply.text
        thoughts = "".join(part.text for part in reply.message.parts if isinstance(part, ReasoningPart))
        assert "".join(e.text for e in events if isinstance(e, ReasoningDelta)) == thoughts, record["id"]
        calls = [part for part in reply.message.parts if isinstance(part, ToolCallPart)]
        pieces = [
            [e for e in events if isinstance(e, ToolCallDelta) and e.place == place] for place in range(len(calls))
        ]
        for call, said in zip(calls, pieces, strict=True):
            assert "".join(piece.name for piece in said) == call.name, record["id"]
            assert "".join(piece.arguments for piece in said) == call.arguments, record["id"]
            assert "".join(piece.call_id for piece in said) in ("", call.call_id), record["id"]


def test_no_stream_cut_anywhere_before_its_end_is_taken_for_a_short_answer(answers, response_of):
    for record in (each for each in answers if each["wire"] == "sse"):
        body = response_of(record).body
        end = min(place for place in (body.find(b'"finish_reason":"'), body.find(b"[DONE]")) if place >= 0)
        for share in (0.1, 0.5, 0.9):
            with pytest.raises(Broken):
                streamed(record, body[: int(end * share)], 4096)


def test_request_ids_are_kept(answers, response_of):
    named = [record for record in answers if record["response_headers"].get("x-request-id")]
    assert named
    for record in named:
        assert reply_to(record, response_of).request_id == record["response_headers"]["x-request-id"]


def test_errors_inside_recorded_streams_are_raised(recorded_chats, response_of):
    raised = {}
    for record in recorded_chats:
        if record["status"] == 200 and has_error_inside(record):
            with pytest.raises(ProviderError) as caught:
                streamed(record, response_of(record).body, 4096)
            raised[record["id"]] = type(caught.value)
    assert raised == {"614d00b67d8d33c6": RequestRefused, "2d7256c5a7b10886": RequestRefused}
