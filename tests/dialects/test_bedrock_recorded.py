"""The dialect beside an independent reading of what Bedrock really sent."""

import json

import pytest

from harness.dialects.bedrock_converse.dialect import BedrockConverse
from harness.exceptions import Broken, KeyRefused, Overloaded, ProviderError, RateLimited, RequestRefused
from harness.models.catalogue import Endpoint, Model
from harness.models.messages import (
    Message,
    ModelRequest,
    ReasoningDelta,
    ReasoningPart,
    ReplyEnd,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolResultPart,
    user,
)
from tests import recorded_traffic
from tests.dialects.bedrock_bodies import complaints, frames_of
from tests.dialects.wire_targets import origin_of, target_of

BEDROCK = BedrockConverse()
ORIGIN = origin_of("bedrock_converse")


@pytest.fixture(scope="module")
def records():
    return recorded_traffic.recorded("bedrock.converse", "bedrock.converse_stream")


@pytest.fixture(scope="module")
def answers(records):
    return [record for record in records if record["status"] == 200]


@pytest.fixture(scope="module")
def streams(answers):
    return [record for record in answers if record["wire"] == "eventstream"]


def streamed(record, body, size=None, origin=ORIGIN):
    size = size or len(body)
    headers = {"content-type": "application/vnd.amazon.eventstream", **record["response_headers"]}
    decoder = BEDROCK.stream_decoder(origin, headers)
    events = [event for at in range(0, len(body), size) for event in decoder.feed(body[at : at + size])]
    return events + decoder.end()


def reply_to(record, origin=ORIGIN):
    response = recorded_traffic.response_of(record)
    if record["wire"] == "json":
        return BEDROCK.decode(response, origin)
    events = streamed(record, response.body, origin=origin)
    assert isinstance(events[-1], ReplyEnd)
    return events[-1].reply


def reading(record):
    """Text, thoughts, calls by name and arguments, usage and stop, read from the body without our code."""
    found = {"text": "", "thoughts": "", "calls": [], "usage": {}, "stop": None}
    if record["wire"] == "json":
        answer = json.loads(record["body"])
        found |= {"usage": answer["usage"], "stop": answer["stopReason"]}
        for block in answer["output"]["message"]["content"]:
            cited = block.get("citationsContent", {}).get("content", [])
            found["text"] += block.get("text", "") + "".join(piece["text"] for piece in cited)
            found["thoughts"] += block.get("reasoningContent", {}).get("reasoningText", {}).get("text", "")
            if "toolUse" in block and block["toolUse"].get("type") != "server_tool_use":
                found["calls"].append((block["toolUse"]["name"], block["toolUse"]["input"]))
        return found
    calls = {}
    for headers, payload in frames_of(recorded_traffic.body_of(record)):
        kind, delta = headers[":event-type"], payload.get("delta", {})
        started = payload.get("start", {}).get("toolUse")
        if started and started.get("type") != "server_tool_use":
            calls[payload["contentBlockIndex"]] = [started["name"], ""]
        found["text"] += delta.get("text", "")
        found["thoughts"] += delta.get("reasoningContent", {}).get("text", "")
        if "toolUse" in delta and payload["contentBlockIndex"] in calls:
            calls[payload["contentBlockIndex"]][1] += delta["toolUse"]["input"]
        found["usage"] = payload["usage"] if kind == "metadata" else found["usage"]
        found["stop"] = payload["stopReason"] if kind == "messageStop" else found["stop"]
    found["calls"] = [(name, json.loads(text or "{}")) for name, text in calls.values()]
    return found


def test_every_recorded_answer_says_the_same_as_an_independent_reading(answers):
    assert len(answers) == 163
    for record in answers:
        reply, expected = reply_to(record), reading(record)
        assert reply.text == expected["text"], record["id"]
        thoughts = "".join(part.text for part in reply.message.parts if isinstance(part, ReasoningPart))
        assert thoughts == expected["thoughts"], record["id"]
        calls = [part for part in reply.message.parts if part.type == "tool_call"]
        assert [(call.name, json.loads(call.arguments)) for call in calls] == expected["calls"], record["id"]
        assert len({call.call_id for call in calls}) == len(calls)
        assert reply.stop_raw == expected["stop"], record["id"]
        assert reply.stop is not StopReason.UNKNOWN, record["id"]
        assert (reply.stop is StopReason.TOOL) == (expected["stop"] == "tool_use"), record["id"]
        assert reply.request_id == record["response_headers"].get("x-amzn-requestid"), record["id"]


def test_every_recorded_count_is_the_bodys(answers):
    for record in answers:
        usage, told = reply_to(record).usage, reading(record)["usage"]
        read, write = told.get("cacheReadInputTokens"), told.get("cacheWriteInputTokens")
        assert usage.input_tokens == told["inputTokens"] + (read or 0) + (write or 0), record["id"]
        assert usage.input_tokens + usage.output_tokens == told["totalTokens"], record["id"]
        assert (usage.cache_read_tokens, usage.cache_write_tokens) == (read, write), record["id"]
        assert usage.reasoning_tokens is None


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_streams_torn_anywhere_give_the_same_events(streams, size):
    assert len(streams) == 31
    for record in streams:
        body = recorded_traffic.body_of(record)
        assert streamed(record, body, size) == streamed(record, body), record["id"]


def test_the_pieces_of_a_stream_are_its_reply(streams):
    for record in streams:
        events = streamed(record, recorded_traffic.body_of(record))
        reply = events[-1].reply
        assert "".join(e.text for e in events if isinstance(e, TextDelta)) == reply.text
        thoughts = "".join(part.text for part in reply.message.parts if isinstance(part, ReasoningPart))
        assert "".join(e.text for e in events if isinstance(e, ReasoningDelta)) == thoughts
        calls = [part for part in reply.message.parts if part.type == "tool_call"]
        for place, call in enumerate(calls):
            pieces = [e for e in events if isinstance(e, ToolCallDelta) and e.place == place]
            assert (pieces[0].call_id, pieces[0].name) == (call.call_id, call.name)
            assert "".join(piece.arguments for piece in pieces) in (call.arguments, "")


def test_nothing_of_a_stream_is_lost(streams):
    for record in streams:
        raw = json.dumps(streamed(record, recorded_traffic.body_of(record))[-1].reply.raw)
        for headers, payload in frames_of(recorded_traffic.body_of(record)):
            if headers[":event-type"] in ("metadata", "messageStop"):
                payload.pop("p", None)
                assert payload.items() <= json.loads(raw).items(), record["id"]
            signature = payload.get("delta", {}).get("reasoningContent", {}).get("signature", "")
            assert json.dumps(signature)[1:-1] in raw, record["id"]


def test_no_stream_cut_anywhere_before_its_end_is_taken_for_a_short_answer(streams):
    for record in streams:
        body = recorded_traffic.body_of(record)
        end = body.find(b"messageStop")
        for share in (0.1, 0.5, 0.9, 1.0):
            with pytest.raises(Broken):
                streamed(record, body[: int(end * share)], 4096)


def test_a_flipped_byte_anywhere_is_broken(streams):
    record = max(streams, key=lambda each: len(each["body_b64"]))
    body = recorded_traffic.body_of(record)
    for place in range(0, len(body), max(1, len(body) // 200)):
        with pytest.raises(Broken):
            streamed(record, body[:place] + bytes([body[place] ^ 0x40]) + body[place + 1 :])


def test_recorded_errors_end_in_their_classes(records):
    found = {}
    for record in records:
        if record["status"] != 200:
            error = BEDROCK.error(recorded_traffic.response_of(record), "there")
            found.setdefault(type(error), []).append(record["status"])
            assert not error.retryable
    assert found == {RequestRefused: [400] * 7, KeyRefused: [403] * 2}


FAULTS = {
    "bedrock-429-ThrottlingException": (RateLimited, True),
    "bedrock-429-ModelNotReadyException": (RateLimited, True),
    "bedrock-500-InternalServerException": (Overloaded, True),
    "bedrock-503-ServiceUnavailableException": (Overloaded, True),
    "bedrock-424-ModelErrorException": (Overloaded, True),
    "bedrock-408-ModelTimeoutException": (Overloaded, True),
    "bedrock-403-AccessDeniedException": (KeyRefused, False),
    "bedrock-stream-modelStreamError": (Overloaded, True),
    "bedrock-stream-throttled": (RateLimited, True),
    "cut-bedrock-bedrock_converse_stream": (Broken, True),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_recorded_faults_end_in_the_right_class(name):
    fault = recorded_traffic.faults()[name]
    if fault["status"] == 200:
        with pytest.raises(ProviderError) as caught:
            streamed(fault, recorded_traffic.body_of(fault), 7)
        error = caught.value
        assert error.maybe_billed
    else:
        error = BEDROCK.error(recorded_traffic.response_of(fault), "there")
    assert (type(error), error.retryable) == FAULTS[name]


def blocks_of(reply):
    """The recorded blocks as they may be sent: without empty texts, and without the word for an ordinary call."""
    kept = []
    for block in reply.raw["output"]["message"]["content"]:
        call = block.get("toolUse", {})
        if call.get("type") == "tool_use":
            kept.append({"toolUse": {key: value for key, value in call.items() if key != "type"}})
        elif block.get("text", "x").strip():
            kept.append(block)
    return kept


def test_every_recorded_answer_goes_back_to_its_origin_block_for_block(answers):
    replayed = 0
    for record in answers:
        wire_name = record["model"] if record["model"] != "arn" else "us.anthropic.claude-3-7-sonnet-20250219-v1:0"
        model = Model(endpoint="there", wire_name=wire_name, context_tokens=100_000)
        endpoint = Endpoint(dialect="bedrock_converse", base_url="https://bedrock-runtime.us-east-1.amazonaws.com")
        target = target_of(model, endpoint, base_url=endpoint.base_url)
        reply = reply_to(record, target.origin)
        results = tuple(
            ToolResultPart(call_id=part.call_id, text="7") for part in reply.message.parts if part.type == "tool_call"
        )
        next_turn = Message(role="tool", parts=results) if results else user("go on")
        request = ModelRequest(messages=(user("x"), reply.message, next_turn), max_output_tokens=100, cache_points=())
        body = json.loads(BEDROCK.encode(request, target, stream=False).body)
        assert complaints(body) == [], record["id"]
        sent = [block for turn in body["messages"] if turn["role"] == "assistant" for block in turn["content"]]
        assert sent == blocks_of(reply), record["id"]
        replayed += 1
    assert replayed == len(answers)
