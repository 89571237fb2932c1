"""What a reply holds beside words, and how it goes back to where it came from."""

import json

import pytest

from harness.dialects.openai_chat.dialect import OpenAIChat
from harness.dialects.swap.swap import swapped
from harness.dialects.wire import WireResponse
from harness.exceptions import RateLimited
from harness.models.catalogue import Endpoint, Model
from harness.models.messages import (
    CitationPart,
    Message,
    ModelRequest,
    OtherPart,
    ReasoningPart,
    ServerToolPart,
    StopReason,
    TextPart,
    ToolCallPart,
    user,
)
from tests.dialects.wire_targets import origin_of, target_of

CHAT = OpenAIChat()
MODEL = Model(endpoint="there", wire_name="wire", context_tokens=100)
HERE, ELSEWHERE = origin_of(), origin_of(account="another key")


def decoded(message, finish="stop", **more):
    completion = {"id": "c", "model": "m", "choices": [{"message": message, "finish_reason": finish}], **more}
    return CHAT.decode(WireResponse(200, {}, json.dumps(completion).encode()), HERE)


def sent_back(message, **quirks):
    request = ModelRequest(messages=(message,), max_output_tokens=9)
    wire = CHAT.encode(request, target_of(MODEL, Endpoint(base_url="http://x/v1", quirks=quirks)), stream=False)
    return json.loads(wire.body)["messages"][0]


def from_elsewhere(message):
    parts = [
        part.model_copy(update={"origin": ELSEWHERE}) if hasattr(part, "origin") else part for part in message.parts
    ]
    return Message(role="assistant", parts=tuple(parts))


ENCRYPTED = {"type": "reasoning.encrypted", "data": "gAAA", "id": "rs_1", "format": "f", "index": 0}
SUMMARY = {"type": "reasoning.summary", "summary": "I thought.", "format": "f", "index": 0}
THINKING = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "closed": True}
SIGNED = {"google": {"thought_signature": "c2ln"}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":  1}'}}
OWN_FIELDS = [
    {"content": "hi", "reasoning_content": "hm"},
    {"content": "hi", "reasoning": "hm"},
    {"content": "hi", "reasoning_details": [SUMMARY, ENCRYPTED]},
    {"content": "hi", "reasoning_details": [ENCRYPTED]},
    {"content": [THINKING, {"type": "text", "text": "hi"}, THINKING]},
    {"content": [THINKING, {"type": "text", "text": "hi"}, {"type": "reference", "reference_ids": [1]}]},
    {"content": "hi", "extra_content": SIGNED},
    {"content": None, "tool_calls": [{**CALL, "extra_content": SIGNED}, {**CALL, "id": "call_2", "index": 1}]},
    {
        "content": "hi",
        "annotations": [{"type": "file", "file": {"hash": "h"}}, {"type": "file", "file": {"hash": "g"}}],
    },
]


@pytest.mark.parametrize("message", OWN_FIELDS)
def test_what_only_its_origin_can_read_goes_back_to_it_as_it_came(message):
    sent = sent_back(decoded(message).message)
    assert sent.pop("role") == "assistant"
    for call in sent.get("tool_calls", []):
        call.setdefault("index", 1)  # a number of the answer's, which a plain call does not need
    for call in message.get("tool_calls", []):
        call.setdefault("index", 1)
    assert sent == message


@pytest.mark.parametrize("message", OWN_FIELDS)
def test_no_opaque_block_reaches_another_account(message):
    sent = json.dumps(sent_back(from_elsewhere(decoded(message).message), reasoning_field="reasoning_content"))
    assert not any(
        word in sent for word in ("gAAA", "rs_1", "thinking", "c2ln", "hm", "I thought", "hash", "reference")
    )


def test_openrouters_details_go_back_instead_of_their_plain_text():
    message = decoded({"content": "hi", "reasoning": "I thought.", "reasoning_details": [SUMMARY, ENCRYPTED]}).message
    assert message.parts[0].text == "I thought."
    sent = sent_back(message)
    assert sent["reasoning_details"] == [SUMMARY, ENCRYPTED]
    assert "reasoning" not in sent


def test_thoughts_that_are_only_encrypted_are_thoughts_without_words():
    reply = decoded({"content": "hi", "reasoning_details": [ENCRYPTED]})
    assert reply.message.parts[0] == ReasoningPart(text="", opaque={"reasoning_details": [ENCRYPTED]}, origin=HERE)
    assert decoded({"content": "hi", "reasoning_details": [SUMMARY]}).message.parts[0].text == "I thought."


def test_a_server_that_refuses_its_own_reasoning_is_not_sent_any():
    message = decoded({"content": "hi", "reasoning": "hm"}).message
    assert sent_back(message, reasoning_back=False) == {"role": "assistant", "content": "hi"}


def test_mistrals_thoughts_stand_where_they_were_thought():
    parts = decoded({"content": [THINKING, {"type": "text", "text": "hi"}]}).message.parts
    assert parts == (ReasoningPart(text="hm", opaque=THINKING, origin=HERE), TextPart(text="hi"))
    other = decoded({"content": [{"type": "reference", "reference_ids": [1]}]}).message.parts[0]
    assert other == OtherPart(kind="reference", opaque={"type": "reference", "reference_ids": [1]}, origin=HERE)


def test_a_call_with_a_signature_of_its_own_keeps_it_and_gets_an_id_if_it_has_none():
    wire_call = {"id": "", "type": "function", "function": {"name": "f", "arguments": "{}"}, "extra_content": SIGNED}
    message = decoded({"tool_calls": [wire_call]}, "tool_calls").message
    call = message.parts[0]
    assert (call.opaque, call.origin) == (wire_call, HERE)
    assert sent_back(message)["tool_calls"] == [{**wire_call, "id": call.call_id}]


def test_a_plain_call_carries_nothing_opaque():
    calls = [CALL, {**CALL, "id": "call_2", "index": 1, "custom": {"name": "", "input": ""}}]
    assert all(part.opaque is None and part.origin is None for part in decoded({"tool_calls": calls}).message.parts)


def test_a_custom_tools_input_is_free_text():
    call = {"id": "call_1", "type": "custom", "custom": {"name": "math", "input": "4 + 4"}}
    reply = decoded({"content": None, "tool_calls": [call]}, "tool_calls")
    assert reply.message.parts == (ToolCallPart(call_id="call_1", name="math", arguments="4 + 4", custom=True),)
    assert sent_back(reply.message)["tool_calls"] == [call]


def test_annotations_are_citations_right_after_the_words():
    cited = {"url": "https://h/a", "title": "A", "start_index": 3, "end_index": 9}
    unplaced = {"url": "https://h/b", "title": "", "start_index": 0, "end_index": 0, "content": "quoted"}
    notes = [{"type": "url_citation", "url_citation": each} for each in (cited, unplaced)]
    assert decoded({"content": "words", "annotations": notes}).message.parts == (
        TextPart(text="words"),
        CitationPart(source="https://h/a", title="A", start=3, end=9),
        CitationPart(source="https://h/b", quote="quoted"),
    )


def test_perplexitys_sources_are_citations_each_once():
    results = [{"url": "https://h/a", "title": "A", "snippet": "said"}, {"url": "https://h/c", "title": "C"}]
    reply = decoded({"content": "words"}, citations=["https://h/b", "https://h/a"], search_results=results)
    assert reply.message.parts[1:] == (
        CitationPart(source="https://h/b"),
        CitationPart(source="https://h/a", title="A", quote="said"),
        CitationPart(source="https://h/c", title="C"),
    )


def test_a_tool_that_the_server_ran_is_told_in_words():
    tool = {"index": 0, "type": "python", "arguments": "1+1", "output": "2", "search_results": {"results": []}}
    part = decoded({"content": "It is 2.", "executed_tools": [tool]}).message.parts[1]
    assert part == ServerToolPart(name="python", text="1+1\n2")


def test_what_the_server_ran_goes_back_as_words_to_itself_too():
    tool = {"index": 0, "type": "python", "arguments": "1+1", "output": "2"}
    message = decoded({"content": "It is 2.", "executed_tools": [tool]}).message
    request = ModelRequest(messages=(user("x"), message, user("y")), max_output_tokens=9)
    target = target_of()
    asked, report = swapped(request, target, CHAT.rules(target.model, target.endpoint))
    assert [change.what for change in report.changes] == ["server_tool"]
    for each in (asked, request):
        turn = json.loads(CHAT.encode(each, target, stream=False).body)["messages"][1]
        assert "1+1\n2" in turn["content"]


def test_a_choice_that_is_an_error_of_the_provider_behind_a_router_is_that_error():
    body = {"choices": [{"error": {"code": 429, "message": "slow down"}, "message": {"content": ""}}]}
    with pytest.raises(RateLimited) as caught:
        CHAT.decode(WireResponse(200, {}, json.dumps(body).encode()), HERE)
    assert caught.value.maybe_billed


def test_the_text_that_ended_an_answer_is_named_where_the_server_says_which():
    completion = {"choices": [{"message": {"content": "x"}, "finish_reason": "stop", "stop_reason": "END"}]}
    reply = CHAT.decode(WireResponse(200, {}, json.dumps(completion).encode()), HERE)
    assert (reply.stop, reply.stop_sequence) == (StopReason.STOP, "END")
    assert decoded({"content": "x"}).stop_sequence is None
