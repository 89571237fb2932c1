"""The dialect beside an independent reading of what Google really sent."""

import json

import pytest
from google.genai import types

from harness.dialects.gemini.dialect import Gemini
from harness.exceptions import Broken, KeyRefused, Overloaded, RateLimited
from harness.models.catalogue import Endpoint, Model
from harness.models.messages import (
    Message,
    ModelRequest,
    Origin,
    ReasoningDelta,
    ReplyEnd,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolResultPart,
    user,
)
from tests import recorded_traffic
from tests.dialects.wire_targets import target_of

GEMINI = Gemini()
STREAMED = "sse"
# Both services number the first reasons alike.
NUMBERS = {1: "STOP", 2: "MAX_TOKENS"}


def origin_for(record):
    return Origin(dialect="gemini", endpoint="there", model=record["model"])


def streamed(record, body, size):
    decoder = GEMINI.stream_decoder(origin_for(record), record["response_headers"])
    events = [event for start in range(0, len(body), size) for event in decoder.feed(body[start : start + size])]
    return events + decoder.end()


def chunks_of(record):
    """The JSON values of a recorded body, read without any of our code."""
    if record["wire"] == "json":
        return [json.loads(record["body"])]
    return [json.loads(line[5:]) for line in record["body"].splitlines() if line.startswith("data:")]


def wire_parts(record):
    """The first candidate's parts of all chunks."""
    firsts = [chunk["candidates"][0] for chunk in chunks_of(record) if chunk.get("candidates")]
    return [part for first in firsts for part in first.get("content", {}).get("parts", [])]


def expected_usage(record):
    """Input, output, cache read, reasoning: the last value of each field, checked against the vendor's own total."""
    usage = {}
    for chunk in chunks_of(record):
        usage.update(chunk.get("usageMetadata", {}))
    prompt, tools = usage.get("promptTokenCount"), usage.get("toolUsePromptTokenCount", 0)
    made = [usage[name] for name in ("candidatesTokenCount", "thoughtsTokenCount") if name in usage]
    if prompt is not None:
        assert usage["totalTokenCount"] == prompt + tools + sum(made), record["id"]
    output = sum(made) if made else None
    entered = None if prompt is None else prompt + tools
    return entered, output, usage.get("cachedContentTokenCount"), usage.get("thoughtsTokenCount")


@pytest.fixture(scope="module")
def answers():
    records = recorded_traffic.recorded("gemini.generate", "gemini.stream_generate")
    return [record for record in records if record["status"] == 200]


@pytest.fixture(scope="module")
def streams(answers):
    return [record for record in answers if record["wire"] == STREAMED]


def reply_to(record):
    response = recorded_traffic.response_of(record)
    if record["wire"] != STREAMED:
        return GEMINI.decode(response, origin_for(record))
    events = streamed(record, response.body, len(response.body))
    assert isinstance(events[-1], ReplyEnd)
    return events[-1].reply


def test_every_recorded_answer_says_the_same_as_an_independent_reading(answers):
    assert len(answers) > 400
    for record in answers:
        reply, parts = reply_to(record), wire_parts(record)
        usage = reply.usage
        found = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.reasoning_tokens)
        assert found == expected_usage(record), record["id"]
        assert reply.text == "".join(p.get("text", "") for p in parts if not p.get("thought")), record["id"]
        thoughts = "".join(part.text for part in reply.message.parts if part.type == "reasoning")
        assert thoughts == "".join(p.get("text", "") for p in parts if p.get("thought")), record["id"]
        calls = [part for part in reply.message.parts if part.type == "tool_call"]
        expected = [p["functionCall"] for p in parts if "functionCall" in p]
        assert [(call.name, json.loads(call.arguments)) for call in calls] == [
            (call["name"], call.get("args", {})) for call in expected
        ], record["id"]
        assert all(
            call.call_id == (given.get("id") or call.call_id) for call, given in zip(calls, expected, strict=True)
        )
        assert len({call.call_id for call in calls}) == len(calls), record["id"]
        assert reply.request_id == chunks_of(record)[0].get("responseId"), record["id"]


def test_every_recorded_stop_reason_is_known(answers):
    for record in answers:
        reply = reply_to(record)
        raw = [c["finishReason"] for chunk in chunks_of(record) for c in chunk["candidates"] if "finishReason" in c]
        assert reply.stop_raw == NUMBERS.get(raw[-1], raw[-1]), record["id"]
        assert reply.stop is not StopReason.UNKNOWN, record["id"]
        calls = any("functionCall" in part for part in wire_parts(record))
        if reply.stop_raw == "STOP":
            assert reply.stop is (StopReason.TOOL if calls else StopReason.STOP), record["id"]


def test_what_google_sent_goes_back_to_it_as_it_came(answers):
    """Texts that came in pieces go back as one; everything else, signatures before all, stays byte for byte."""
    for record in answers:
        message, parts = reply_to(record).message, wire_parts(record)
        if not parts or not message.parts:
            continue
        calls = [part for part in message.parts if part.type == "tool_call"]
        results = Message(role="tool", parts=tuple(ToolResultPart(call_id=call.call_id, text="7") for call in calls))
        turns = (user("x"), message, *([results] if calls else []))
        model = Model(endpoint="there", wire_name=record["model"], context_tokens=9)
        target = target_of(model, Endpoint(dialect="gemini", base_url="http://x"))
        assert target.origin == origin_for(record)
        wire = GEMINI.encode(ModelRequest(messages=turns, max_output_tokens=9), target, stream=False)
        contents = json.loads(wire.body)["contents"]
        for content in contents:
            types.Content.model_validate_json(json.dumps(content))
        assert [json.dumps(each) for each in in_one_piece(contents[1]["parts"])] == [
            json.dumps(each) for each in in_one_piece(parts)
        ], record["id"]
        if record["wire"] != STREAMED:
            assert contents[1]["parts"] == parts, record["id"]
        if calls:
            given = [part["functionCall"] for part in parts if "functionCall" in part]
            answered = [part["functionResponse"] for part in contents[2]["parts"]]
            assert [(each["name"], each.get("id")) for each in answered] == [
                (call["name"], call.get("id")) for call in given
            ], record["id"]


def in_one_piece(parts):
    found = []
    for part in parts:
        plain = set(part) <= {"text", "thought"}
        if plain and found and set(found[-1]) == set(part):
            found[-1] = {**found[-1], "text": found[-1]["text"] + part["text"]}
        elif part != {"text": ""}:
            found.append(part)
    return found


def test_every_recorded_signature_is_kept(answers):
    kept = given = 0
    for record in answers:
        signatures = [part["thoughtSignature"] for part in wire_parts(record) if "thoughtSignature" in part]
        opaque = [part.opaque for part in reply_to(record).message.parts if getattr(part, "opaque", None)]
        kept += [block.get("thoughtSignature") for block in opaque if "thoughtSignature" in block] == signatures
        given += 1
    assert kept == given


def test_recorded_citations_point_at_the_words_they_support(answers):
    cited = 0
    for record in answers:
        words = "".join(p.get("text", "") for p in wire_parts(record) if not p.get("thought")).encode()
        metadata = [c.get("groundingMetadata", {}) for chunk in chunks_of(record) for c in chunk["candidates"]]
        expected = [
            words[support["segment"].get("startIndex", 0) : support["segment"]["endIndex"]].decode("utf-8", "ignore")
            for each in metadata
            for support in each.get("groundingSupports", [])
            for _ in support["groundingChunkIndices"]
        ]
        parts = reply_to(record).message.parts
        found = []
        for place, part in enumerate(parts):
            if part.type == "citation" and part.end is not None:
                text = next(each for each in reversed(parts[:place]) if each.type == "text")
                found.append(text.text[part.start : part.end])
        assert found == expected, record["id"]
        cited += len(found)
    assert cited > 30


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_streams_torn_anywhere_give_the_same_events(streams, size):
    assert len(streams) > 60
    for record in streams:
        body = recorded_traffic.body_of(record)
        assert streamed(record, body, size) == streamed(record, body, len(body)), record["id"]


def test_the_pieces_of_a_stream_are_its_reply(streams):
    for record in streams:
        body = recorded_traffic.body_of(record)
        events = streamed(record, body, len(body))
        parts = events[-1].reply.message.parts
        assert "".join(e.text for e in events if isinstance(e, TextDelta)) == events[-1].reply.text
        thoughts = "".join(part.text for part in parts if part.type == "reasoning")
        assert "".join(e.text for e in events if isinstance(e, ReasoningDelta)) == thoughts, record["id"]
        calls = [(part.call_id, part.name, part.arguments) for part in parts if part.type == "tool_call"]
        deltas = [(e.call_id, e.name, e.arguments) for e in events if isinstance(e, ToolCallDelta)]
        assert deltas == calls, record["id"]


def test_a_stream_is_the_reply_of_its_chunks_as_a_list(streams):
    """As a server sends it that was not asked for events."""
    for record in streams:
        listed = json.dumps(chunks_of(record)).encode()
        assert streamed(record, listed, 4096)[-1].reply == reply_to(record), record["id"]


def test_no_stream_cut_anywhere_before_its_end_is_taken_for_a_short_answer(streams):
    for record in streams:
        body = recorded_traffic.body_of(record)
        end = body.find(b'"finishReason"')
        for share in (0.1, 0.5, 0.9, 1):
            with pytest.raises(Broken):
                streamed(record, body[: int(end * share)], 4096)


def test_the_recorded_faults_are_what_they_are():
    faults = recorded_traffic.faults()
    kinds = {"google-429-retryinfo": RateLimited, "google-500": Overloaded, "google-503": Overloaded}
    kinds["google-403"] = KeyRefused
    for name, kind in kinds.items():
        error = GEMINI.error(recorded_traffic.response_of(faults[name]), "there")
        assert type(error) is kind, name
        assert error.retryable is (kind is not KeyRefused)
    waiting = GEMINI.error(recorded_traffic.response_of(faults["google-429-retryinfo"]), "there")
    assert waiting.retry_after_seconds == 34.4
    ours = Origin(dialect="gemini", endpoint="there", model="m")
    blocked = GEMINI.decode(recorded_traffic.response_of(faults["google-prompt-blocked"]), ours)
    assert (blocked.stop, blocked.stop_raw, blocked.message.parts) == (StopReason.FILTER, "PROHIBITED_CONTENT", ())
    malformed = GEMINI.decode(recorded_traffic.response_of(faults["google-malformed-call"]), ours)
    assert malformed.stop is StopReason.BROKEN
    cut = [fault for name, fault in faults.items() if name.startswith(("cut-gemini", "cut-vertex"))]
    assert len(cut) == 2
    for fault in cut:
        for size in (1, 4096):
            with pytest.raises(Broken):
                streamed({**fault, "model": "m"}, recorded_traffic.body_of(fault), size)
