"""The dialect beside an independent reading of what real servers sent."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from harness.dialects.openai_responses.dialect import OpenAIResponses
from harness.exceptions import Broken, KeyRefused, ProviderError, QuotaSpent, RequestRefused
from harness.models.messages import (
    Message,
    ModelRequest,
    ReasoningDelta,
    ReasoningPart,
    ReplyEnd,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolCallPart,
    ToolResultPart,
    user,
)
from tests import recorded_traffic
from tests.dialects.wire_targets import origin_of, target_of

RESPONSES = OpenAIResponses()
TARGET = target_of(dialect="openai_responses")
VENDORS = {"openai": 528, "xai": 33, "deepseek": 13, "bedrock": 4, "azure_openai": 3, "openrouter": 1}


def events_in(body):
    """The JSON values of a stream's data lines, read without any of our code."""
    data = [line[5:].strip() for line in body.decode().split("\n") if line.startswith("data:")]
    return [json.loads(text) for text in data if text and text != "[DONE]"]


def answer_in(record):
    """The whole response of a recorded body, read without any of our code."""
    if record["wire"] == "json":
        return json.loads(record["body"])
    ends = ("response.completed", "response.incomplete")
    return next(e["response"] for e in events_in(record["body"].encode()) if e["type"] in ends)


def streamed(record, body, size):
    decoder = RESPONSES.stream_decoder(TARGET.origin, record["response_headers"])
    events = []
    for start in range(0, len(body), size):
        events += decoder.feed(body[start : start + size])
    return events + decoder.end()


def reply_to(record):
    response = recorded_traffic.response_of(record)
    if record["wire"] == "json":
        return RESPONSES.decode(response, TARGET.origin)
    events = streamed(record, response.body, len(response.body))
    assert isinstance(events[-1], ReplyEnd)
    return events[-1].reply


@pytest.fixture(scope="module")
def records():
    return recorded_traffic.recorded("openai.responses")


def is_queued(record):
    return record["wire"] == "json" and json.loads(record["body"]).get("status") == "queued"


def test_a_recorded_response_that_is_still_queued_is_no_answer_but_a_pause(records):
    queued = [record for record in records if is_queued(record)]
    assert len(queued) == 3
    for record in queued:
        reply = reply_to(record)
        assert (reply.stop, reply.stop_raw, reply.text) == (StopReason.PAUSE, "queued", "")
        assert not reply.usage.known


@pytest.fixture(scope="module")
def answers(records):
    """Each recorded answer, read here and by the dialect."""
    good = [record for record in records if record["status"] == 200 and not is_queued(record)]
    assert Counter(record["vendor"] for record in good) == VENDORS
    return [(record, answer_in(record), reply_to(record)) for record in good]


@pytest.fixture(scope="module")
def streams(records):
    return [(record, recorded_traffic.body_of(record)) for record in records if record["wire"] == "sse"]


def test_every_recorded_answer_has_the_text_the_thoughts_and_the_calls_that_stand_in_it(answers):
    for record, answer, reply in answers:
        words, thoughts, calls = [], [], []
        for item in answer["output"]:
            if item["type"] == "message":
                words += [piece["text"] for piece in item["content"] if piece["type"] == "output_text"]
            elif item["type"] == "reasoning":
                thoughts += [piece["text"] for piece in item["summary"] + (item.get("content") or [])]
            elif item["type"] == "function_call":
                calls.append((item["call_id"], item["name"], item["arguments"], None))
            elif item["type"] == "custom_tool_call":
                calls.append((item["call_id"], item["name"], item["input"], True))
        parts = reply.message.parts
        found = [(p.call_id, p.name, p.arguments, p.custom) for p in parts if isinstance(p, ToolCallPart)]
        assert reply.text == "".join(words), record["id"]
        assert "".join(p.text for p in parts if isinstance(p, ReasoningPart)) == "".join(thoughts), record["id"]
        assert found == calls, record["id"]
        assert (reply.raw, reply.model) == (answer, answer["model"]), record["id"]


def test_every_recorded_count_of_tokens_is_the_bodys_and_unknown_where_it_says_none(answers):
    for record, answer, reply in answers:
        usage, found = answer.get("usage"), reply.usage
        entered, made = usage["input_tokens_details"], usage["output_tokens_details"]
        expected = (usage["input_tokens"], usage["output_tokens"], entered["cached_tokens"], made["reasoning_tokens"])
        counts = (found.input_tokens, found.output_tokens, found.cache_read_tokens, found.reasoning_tokens)
        assert counts == expected, record["id"]
        assert found.cache_write_tokens == entered.get("cache_write_tokens"), record["id"]
        assert found.total_tokens == usage["total_tokens"], record["id"]


def test_every_recorded_stop_is_named_as_the_body_names_it(answers):
    meant = Counter()
    for record, answer, reply in answers:
        raw = (answer["incomplete_details"] or {}).get("reason") or answer["status"]
        assert reply.stop_raw == raw, record["id"]
        kinds = {part.type for part in reply.message.parts}
        if raw == "completed":
            expected = "refusal" if "refusal" in kinds else "tool" if "tool_call" in kinds else "stop"
        else:
            expected = {"max_output_tokens": "length"}[raw]
        assert reply.stop == expected, record["id"]
        meant[reply.stop] += 1
    assert all(meant[kind] for kind in (StopReason.STOP, StopReason.TOOL, StopReason.LENGTH, StopReason.REFUSAL))


def test_every_citation_points_at_words_and_names_what_the_annotation_names(answers):
    count = 0
    for record, answer, reply in answers:
        pieces = [p for item in answer["output"] if item["type"] == "message" for p in item["content"]]
        cited = [a for piece in pieces for a in piece.get("annotations") or []]
        found = [part for part in reply.message.parts if part.type == "citation"]
        expected = [
            (a.get("url") or a["filename"], a.get("title"), a.get("start_index"), a.get("end_index", a.get("index")))
            for a in cited
        ]
        assert [(part.source, part.title, part.start, part.end) for part in found] == expected, record["id"]
        count += len(found)
    assert count == 51


def test_every_server_tool_is_told_in_words_and_no_recorded_item_but_a_compaction_is_unknown(answers):
    ours = {"message", "reasoning", "function_call", "custom_tool_call"}
    for record, answer, reply in answers:
        kinds = [item["type"] for item in answer["output"] if item["type"] not in ours]
        parts = [part for part in reply.message.parts if part.type in ("server_tool", "other")]
        assert [part.opaque["type"] for part in parts] == kinds, record["id"]
        for part in parts:
            if part.type == "other":
                assert part.kind == "compaction", record["id"]
            else:
                assert part.opaque["type"] in part.text, record["id"]
                assert part.name in part.opaque["type"], record["id"]


def test_request_ids_are_kept(answers):
    named = [(r, reply) for r, _, reply in answers if r["response_headers"].get("x-request-id")]
    assert len(named) > 300
    for record, reply in named:
        assert reply.request_id == record["response_headers"]["x-request-id"]


def sent_after(reply, target):
    """The items that the reply goes back as, when its calls were answered and the person goes on."""
    results = [
        ToolResultPart(call_id=part.call_id, text="done", custom=part.custom)
        for part in reply.message.parts
        if isinstance(part, ToolCallPart)
    ]
    turns = (user("x"), reply.message, *([Message(role="tool", parts=tuple(results))] if results else []), user("y"))
    request = ModelRequest(messages=turns, max_output_tokens=50)
    items = json.loads(RESPONSES.encode(request, target, stream=False).body)["input"]
    return items[1 : len(items) - 1 - len(results)], items[len(items) - 1 - len(results) : -1]


def test_an_answer_goes_back_to_its_origin_item_by_item_as_it_came(answers):
    items = 0
    for record, answer, reply in answers:
        expected = list(answer["output"])
        while expected and expected[-1]["type"] == "reasoning":
            expected.pop()
        back, results = sent_after(reply, TARGET)
        assert [json.dumps(item) for item in back] == [json.dumps(item) for item in expected], record["id"]
        calls = [item["call_id"] for item in expected if item["type"] in ("function_call", "custom_tool_call")]
        assert [result["call_id"] for result in results] == calls, record["id"]
        items += len(back)
    assert items > 750


def test_nothing_opaque_goes_to_another_origin(answers):
    elsewhere = replace(TARGET, origin=origin_of("openai_responses", endpoint="elsewhere"))
    for record, answer, reply in answers:
        back = json.dumps(sent_after(reply, elsewhere)[0])
        for item in answer["output"]:
            assert not item.get("encrypted_content") or item["encrypted_content"] not in back, record["id"]
            # Search results may tell ids of files in their words; the item's own id is what must stay away.
            assert f'"{item["id"]}"' not in back, record["id"]


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_streams_torn_anywhere_give_the_same_events(streams, size):
    assert len(streams) == 203
    for record, body in streams:
        assert streamed(record, body, size) == streamed(record, body, len(body)), record["id"]


def test_the_pieces_of_a_stream_are_its_reply(streams):
    for record, body in streams:
        events = streamed(record, body, len(body))
        parts = events[-1].reply.message.parts
        assert "".join(e.text for e in events if isinstance(e, TextDelta)) == events[-1].reply.text, record["id"]
        thoughts = "".join(part.text for part in parts if isinstance(part, ReasoningPart))
        assert "".join(e.text for e in events if isinstance(e, ReasoningDelta)) == thoughts, record["id"]
        calls = [part for part in parts if isinstance(part, ToolCallPart)]
        for place, call in enumerate(calls):
            pieces = [e for e in events if isinstance(e, ToolCallDelta) and e.place == place]
            assert "".join(e.arguments for e in pieces) == call.arguments, record["id"]
            assert (pieces[0].call_id, pieces[0].name) == (call.call_id, call.name), record["id"]
        assert {e.place for e in events if isinstance(e, ToolCallDelta)} == set(range(len(calls))), record["id"]


def test_encrypted_reasoning_of_a_stream_is_the_last_event_s_and_never_the_first_one_s(streams):
    seen = 0
    for record, body in streams:
        parts = [p for p in streamed(record, body, len(body))[-1].reply.message.parts if isinstance(p, ReasoningPart)]
        last = answer_in(record)["output"]
        added = [e["item"] for e in events_in(body) if e["type"] == "response.output_item.added"]
        stubs = {item.get("encrypted_content") for item in added} - {None, ""}
        kept = [part.opaque.get("encrypted_content") for part in parts]
        assert kept == [item.get("encrypted_content") for item in last if item["type"] == "reasoning"], record["id"]
        if record["vendor"] == "openai":
            assert not stubs.intersection(kept), record["id"]
            seen += bool(stubs)
    assert seen == 15


def test_no_stream_cut_anywhere_before_its_end_is_taken_for_a_short_answer(streams):
    for record, body in streams:
        last = body.rfind(b"data: {")
        for place in (0, last // 10, last // 2, last, last + (len(body.rstrip()) - last) // 2):
            with pytest.raises(Broken):
                streamed(record, body[:place], 4096)


def test_recorded_refusals_of_requests_are_told_apart(records):
    found = Counter()
    for record in records:
        if record["status"] != 200:
            error = RESPONSES.error(recorded_traffic.response_of(record), "there")
            assert not error.retryable, record["id"]
            found[type(error)] += 1
            assert (type(error) is KeyRefused) == ("API key" in record["body"]), record["id"]
    assert found == {RequestRefused: 7, KeyRefused: 6}


def test_the_faults_end_in_their_class():
    faults = {name: fault for name, fault in recorded_traffic.faults().items() if "responses" in name}
    assert len(faults) == 6
    for name, fault in faults.items():
        with pytest.raises(ProviderError) as caught:
            streamed(fault, recorded_traffic.body_of(fault), 4096)
        assert type(caught.value) is (QuotaSpent if name == "openai-responses-stream-failed" else Broken), name
        assert caught.value.maybe_billed, name
