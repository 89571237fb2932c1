"""The dialect beside an independent reading of what Anthropic and Bedrock really sent."""

import base64
import json
import struct

import pytest

from harness.dialects.anthropic_messages.dialect import AnthropicMessages
from harness.exceptions import Broken, KeyRefused, Overloaded, RateLimited, RequestRefused
from harness.models.catalogue import Endpoint, Model
from harness.models.messages import (
    CachePoint,
    Message,
    ModelRequest,
    ReasoningDelta,
    ReasoningPart,
    ReplyEnd,
    StopReason,
    TextDelta,
    TextPart,
    ToolCallDelta,
    ToolChoice,
    user,
)
from tests import recorded_traffic
from tests.dialects.wire_targets import origin_of, target_of

MESSAGES = AnthropicMessages()
ORIGIN = origin_of("anthropic_messages")


def target(**quirks):
    endpoint = Endpoint(base_url="http://x", dialect="anthropic_messages", quirks=quirks)
    return target_of(Model(endpoint="there", wire_name="wire", context_tokens=9_000), endpoint, base_url="http://x")


def sent(*messages):
    wire = MESSAGES.encode(
        ModelRequest(messages=messages, max_output_tokens=9, cache_points=()), target(), stream=False
    )
    return json.loads(wire.body)["messages"]


def is_message(record):
    if record["api"] == "anthropic.messages":
        return True
    return "anthropic." in record["path"] and "messages" in record["request"]


def frames_of(data):
    """Payloads of AWS's frames, read without any of our code."""
    while data:
        total, headers = struct.unpack(">II", data[:8])
        yield data[12 + headers : total - 4]
        data = data[total:]


def events_of(record):
    """The JSON events of a recorded stream."""
    if record["wire"] == "eventstream":
        payloads = [json.loads(payload) for payload in frames_of(base64.b64decode(record["body_b64"]))]
        return [json.loads(base64.b64decode(payload["bytes"])) for payload in payloads]
    return [json.loads(line[5:]) for line in record["body"].split("\n") if line.startswith("data:")]


def expected(record):
    """What a body says: blocks, original argument texts, usage as it stands, stop reason, which sequence."""
    if record["wire"] == "json":
        body = json.loads(record["body"])
        return body["content"], {}, body["usage"], body["stop_reason"], body["stop_sequence"]
    blocks, usage, stop, sequence = {}, {}, None, None
    for event in events_of(record):
        kind = event["type"]
        if kind == "message_start":
            usage.update(event["message"]["usage"])
            stop = event["message"]["stop_reason"]
        elif kind == "content_block_start":
            blocks[event["index"]] = dict(event["content_block"])
        elif kind == "content_block_delta":
            add_delta(blocks[event["index"]], event["delta"])
        elif kind == "message_delta":
            usage.update({key: value for key, value in event["usage"].items() if value is not None})
            stop, sequence = event["delta"]["stop_reason"], event["delta"]["stop_sequence"]
    texts = {index: block.pop("partial") for index, block in blocks.items() if "partial" in block}
    for index, text in texts.items():
        if text:
            blocks[index]["input"] = json.loads(text)
    return [blocks[index] for index in sorted(blocks)], texts, usage, stop, sequence


def add_delta(block, delta):
    kind = delta["type"]
    if kind == "citations_delta":
        block["citations"] = [*block["citations"], delta["citation"]]
    elif kind == "signature_delta":
        block["signature"] = delta["signature"]
    else:
        field = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}[kind]
        place = "partial" if kind == "input_json_delta" else field
        block[place] = block.get(place, "") + delta[field]


def streamed(record, body, size):
    headers = record["response_headers"] | (
        {} if record["wire"] == "eventstream" else {"content-type": "text/event-stream"}
    )
    decoder = MESSAGES.stream_decoder(ORIGIN, headers)
    events = []
    for start in range(0, len(body), size):
        events += decoder.feed(body[start : start + size])
    return events + decoder.end()


def reply_to(record):
    if record["wire"] == "json":
        return MESSAGES.decode(recorded_traffic.response_of(record), ORIGIN)
    body = recorded_traffic.body_of(record)
    events = streamed(record, body, len(body))
    assert isinstance(events[-1], ReplyEnd)
    return events[-1].reply


@pytest.fixture(scope="module")
def records():
    kinds = ("anthropic.messages", "bedrock.invoke", "bedrock.invoke_stream", "vertex.raw_predict")
    return [record for record in recorded_traffic.recorded(*kinds) if is_message(record)]


@pytest.fixture(scope="module")
def answers(records):
    return [record for record in records if record["status"] == 200]


@pytest.fixture(scope="module")
def streams(answers):
    return [record for record in answers if record["wire"] != "json"]


def test_every_recorded_answer_says_the_same_as_an_independent_reading(answers):
    assert len(answers) > 500
    for record in answers:
        blocks, texts, usage, stop, sequence = expected(record)
        reply = reply_to(record)
        assert reply.text == "".join(b["text"] for b in blocks if b["type"] == "text"), record["id"]
        thoughts = "".join(part.text for part in reply.message.parts if isinstance(part, ReasoningPart))
        assert thoughts == "".join(b["thinking"] for b in blocks if b["type"] == "thinking"), record["id"]
        calls = [(p.call_id, p.name, json.loads(p.arguments)) for p in reply.message.parts if p.type == "tool_call"]
        assert calls == [(b["id"], b["name"], b["input"]) for b in blocks if b["type"] == "tool_use"], record["id"]
        arguments = [p.arguments for p in reply.message.parts if p.type == "tool_call"]
        original = [texts.get(place) for place, b in enumerate(blocks) if b["type"] == "tool_use"]
        assert all(text in (None, "", kept) for kept, text in zip(arguments, original, strict=True)), record["id"]
        assert (reply.stop_raw, reply.stop_sequence) == (stop, sequence), record["id"]
        assert reply.stop is not StopReason.UNKNOWN, record["id"]
        cached = (usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens"))
        details = usage.get("output_tokens_details") or {}
        found = reply.usage
        assert (found.cache_read_tokens, found.cache_write_tokens) == cached, record["id"]
        assert found.input_tokens == usage["input_tokens"] + sum(count or 0 for count in cached), record["id"]
        assert found.output_tokens == usage["output_tokens"], record["id"]
        assert found.reasoning_tokens == details.get("thinking_tokens"), record["id"]
        assert found.cache_write_1h_tokens == (usage.get("cache_creation") or {}).get("ephemeral_1h_input_tokens")


def test_nothing_of_an_answer_is_lost_in_its_raw_json(answers):
    for record in answers:
        raw = reply_to(record).raw
        if record["wire"] == "json":
            assert raw == json.loads(record["body"])
            continue
        blocks, _, usage, stop, _ = expected(record)
        assert (raw["content"], raw["stop_reason"]) == (blocks, stop), record["id"]
        assert raw["usage"] == usage, record["id"]
        start = events_of(record)[0]["message"]
        assert {key: raw[key] for key in ("id", "model", "role", "type")} == {
            key: start[key] for key in ("id", "model", "role", "type")
        }


def test_an_answer_goes_back_to_its_origin_as_the_blocks_that_came(answers):
    seen = set()
    for record in answers:
        blocks = expected(record)[0]
        back = sent(user("x"), reply_to(record).message, user("y"))
        # A blank text is the one block that the vendor sends and does not take back.
        said = [b for b in blocks if b["type"] != "text" or b["text"].strip() or b.get("citations")]
        assert (back[1]["content"] if len(back) == 3 else []) == said, record["id"]
        seen |= {b["type"] for b in said}
    assert {"thinking", "redacted_thinking", "server_tool_use", "web_search_tool_result", "mcp_tool_result"} <= seen


def test_another_model_is_shown_no_opaque_block(answers):
    other = origin_of("anthropic_messages", model="another")
    for record in answers:
        parts = tuple(
            part.model_copy(update={"origin": other}) if getattr(part, "opaque", None) else part
            for part in reply_to(record).message.parts
        )
        for turn in sent(user("x"), Message(role="assistant", parts=parts), user("y")):
            assert {b["type"] for b in turn["content"]} <= {"text", "tool_use"}, record["id"]
            assert all(set(b) == {"type", "text"} for b in turn["content"] if b["type"] == "text"), record["id"]


def test_citations_stand_behind_the_text_they_support(answers):
    count = 0
    for record in answers:
        parts = reply_to(record).message.parts
        for block in (b for b in expected(record)[0] if b["type"] == "text" and b.get("citations")):
            at = next(i for i, p in enumerate(parts) if isinstance(p, TextPart) and p.opaque == block)
            for cited, part in zip(block["citations"], parts[at + 1 :], strict=False):
                count += 1
                assert part.type == "citation"
                assert part.quote == (cited["cited_text"] or None)
                named = cited.get("url") or cited.get("source") or cited.get("document_title")
                assert part.source == (named or f"document {cited['document_index']}")
    assert count > 50


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_streams_torn_anywhere_give_the_same_events(streams, size):
    for record in streams:
        body = recorded_traffic.body_of(record)
        assert streamed(record, body, size) == streamed(record, body, len(body)), record["id"]


def test_the_pieces_of_a_stream_are_its_reply(streams):
    assert len(streams) > 130
    for record in streams:
        body = recorded_traffic.body_of(record)
        events = streamed(record, body, len(body))
        parts = events[-1].reply.message.parts
        assert "".join(e.text for e in events if isinstance(e, TextDelta)) == events[-1].reply.text
        thoughts = "".join(part.text for part in parts if isinstance(part, ReasoningPart))
        assert "".join(e.text for e in events if isinstance(e, ReasoningDelta)) == thoughts, record["id"]
        pieces = [e for e in events if isinstance(e, ToolCallDelta)]
        for place, call in enumerate(p for p in parts if p.type == "tool_call"):
            mine = [piece for piece in pieces if piece.place == place]
            assert (mine[0].call_id, mine[0].name) == (call.call_id, call.name), record["id"]
            assert "".join(piece.arguments for piece in mine) == call.arguments, record["id"]


def test_no_stream_cut_anywhere_before_its_end_is_taken_for_a_short_answer(streams):
    for record in streams:
        body = recorded_traffic.body_of(record)
        if record["wire"] == "eventstream":
            whole = [len(payload) for payload in frames_of(body)]
            end = len(body) - whole[-1] - whole[-2]
        else:
            end = body.find(b'"stop_reason":"')
        assert end > 0
        for share in (0.05, 0.3, 0.5, 0.7, 0.9, 1):
            with pytest.raises(Broken):
                streamed(record, body[: int(end * share)], 4096)


def test_a_short_stream_cut_at_every_byte_is_broken_until_its_reason_is_whole(streams):
    record = min((r for r in streams if r["wire"] == "sse"), key=lambda r: len(r["body"]))
    body = recorded_traffic.body_of(record)
    stopped = body.index(b"\n", body.index(b'data: {"type":"message_delta"'))
    whole = reply_to(record)
    for place in range(stopped):
        with pytest.raises(Broken):
            streamed(record, body[:place], 4096)
    # A connection that closes in order after the reason has brought everything.
    assert streamed(record, body[: stopped + 2], 4096)[-1].reply.usage == whole.usage


def test_request_ids_are_kept(answers):
    named = 0
    for record in answers:
        headers = record["response_headers"]
        assert reply_to(record).request_id == headers.get("request-id", headers.get("x-amzn-requestid")), record["id"]
        named += reply_to(record).request_id is not None
    assert named > 300


def test_recorded_errors_have_their_class(records):
    found = {}
    for record in records:
        if record["status"] >= 400:
            error = MESSAGES.error(recorded_traffic.response_of(record), "there")
            found.setdefault((record["status"], type(error)), []).append(error)
            assert error.request_id == record["response_headers"].get(
                "request-id", json.loads(record["body"]).get("request_id")
            )
    assert {key: len(errors) for key, errors in found.items()} == {
        (400, RequestRefused): 1,
        (401, KeyRefused): 5,
        (404, RequestRefused): 8,
    }


def fault_stream(name):
    record = recorded_traffic.faults()[name]
    body = recorded_traffic.body_of(record)
    decoder = MESSAGES.stream_decoder(ORIGIN, record["response_headers"])
    return [event for at in range(0, len(body), 100) for event in decoder.feed(body[at : at + 100])] + decoder.end()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("anthropic-stream-overloaded-first", Overloaded),
        ("anthropic-stream-overloaded-mid", Overloaded),
        ("cut-anthropic-anthropic_messages", Broken),
        ("cut-bedrock-bedrock_invoke_stream", Broken),
        ("bedrock-stream-throttled", RateLimited),
        ("bedrock-stream-modelStreamError", Overloaded),
    ],
)
def test_faults_inside_streams_end_in_their_class(name, kind):
    with pytest.raises(kind) as caught:
        fault_stream(name)
    assert caught.value.maybe_billed
    assert caught.value.retryable


def test_recorded_refusals_say_so_with_their_details():
    for name in ("anthropic-refusal", "anthropic-refusal-stream"):
        record = recorded_traffic.faults()[name]
        whole = record["wire"] == "json"
        reply = MESSAGES.decode(recorded_traffic.response_of(record), ORIGIN) if whole else fault_stream(name)[-1].reply
        assert (reply.stop, reply.stop_raw) == (StopReason.REFUSAL, "refusal")
        assert reply.raw["stop_details"]["category"] == "cyber"
        assert reply.message.parts[-1].text == reply.raw["stop_details"]["explanation"]
        # The classifier's words were never part of the turn.
        assert len(sent(user("x"), reply.message.model_copy(update={"parts": reply.message.parts[-1:]}))) == 1


def test_input_counted_late_in_a_stream_counts():
    reply = fault_stream("anthropic-late-input-tokens-stream")[-1].reply
    record = recorded_traffic.faults()["anthropic-late-input-tokens-stream"]
    usages = [e["usage"] for e in events_of(record) if e["type"] == "message_delta"]
    assert reply.usage.input_tokens == usages[-1]["input_tokens"] > 43


def test_what_recorded_requests_ask_for_can_be_asked_for(records):
    """Tool choices, cache points, stop texts and tiers of real requests come out of a neutral one as they were."""
    seen = set()
    for record in (r for r in records if r["status"] == 200 and r["api"] == "anthropic.messages"):
        asked = record["request"]
        if "tool_choice" in asked:
            choice = asked["tool_choice"]
            mode = {"any": "required"}.get(choice["type"], choice["type"])
            parallel = False if choice.get("disable_parallel_tool_use") else None
            neutral = ToolChoice(mode=mode, name=choice.get("name"), parallel=parallel)
            tools = [{"name": "t", "description": "d", "parameters": {}}]
            request = ModelRequest(messages=(user("x"),), max_output_tokens=9, tools=tools, tool_choice=neutral)
            body = json.loads(MESSAGES.encode(request, target(), stream=False).body)
            assert body["tool_choice"] == {k: v for k, v in choice.items() if v is not False}, record["id"]
            seen.add(choice["type"])
        for mark in _marks(asked):
            point = CachePoint(after=0, keep=mark.get("ttl", "5m"))
            request = ModelRequest(messages=(user("x"),), max_output_tokens=9, cache_points=(point,))
            body = json.loads(MESSAGES.encode(request, target(), stream=False).body)
            assert body["messages"][0]["content"][0]["cache_control"] == {k: v for k, v in mark.items() if v != "5m"}
            seen.add(mark.get("ttl"))
        if "stop_sequences" in asked:
            request = ModelRequest(messages=(user("x"),), max_output_tokens=9, stop=asked["stop_sequences"])
            assert json.loads(MESSAGES.encode(request, target(), stream=False).body)["stop_sequences"]
            seen.add("stop")
    assert {"auto", "any", "tool", "none", "5m", "stop"} <= seen


def _marks(value):
    if isinstance(value, dict):
        if isinstance(value.get("cache_control"), dict):
            yield value["cache_control"]
        for item in value.values():
            yield from _marks(item)
    if isinstance(value, list):
        for item in value:
            yield from _marks(item)
