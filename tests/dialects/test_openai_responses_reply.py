"""What answers say, and how they go back: replies, and the histories that are made of them."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.dialects.openai_responses.dialect import OpenAIResponses
from harness.dialects.wire import WireResponse
from harness.exceptions import (
    Broken,
    Overloaded,
    ProviderError,
    QuotaSpent,
    Refused,
    RequestRefused,
)
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

RESPONSES = OpenAIResponses()
MODEL = Model(endpoint="there", wire_name="a/b:c;d", context_tokens=100)
ORIGIN = origin_of("openai_responses", model="a/b:c;d")


def items_of(*messages, **quirks):
    """What the conversation goes out as."""
    endpoint = Endpoint(base_url="http://x/v1", dialect="openai_responses", quirks=quirks)
    request = ModelRequest(messages=messages, max_output_tokens=50)
    return json.loads(RESPONSES.encode(request, target_of(MODEL, endpoint), stream=False).body)["input"]


def decoded(*output, status="completed", headers=None, origin=ORIGIN, **more):
    response = {"id": "resp_1", "model": "m", "status": status, "output": list(output), **more}
    return RESPONSES.decode(WireResponse(200, headers or {}, json.dumps(response).encode()), origin)


def message_item(*content, **more):
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [*content], **more}


def text_piece(text, *annotations):
    return {"type": "output_text", "text": text, "annotations": [*annotations], "logprobs": []}


REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
CALL = {
    "type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": '{"a":  1}',
    "status": "completed", "namespace": "n",
}  # fmt: skip


def test_a_reply_keeps_words_thoughts_calls_and_the_raw_answer():
    shown = {**REASONING, "summary": [{"type": "summary_text", "text": "h"}, {"type": "summary_text", "text": "m"}]}
    reply = decoded(
        shown, message_item(text_piece("hi")), CALL, headers={"x-request-id": "req_1"}, extra={"kept": True}
    )
    thought, words, call = reply.message.parts
    assert thought == ReasoningPart(text="hm", opaque=shown, origin=ORIGIN)
    assert words == TextPart(text="hi", opaque=message_item(text_piece("hi")), origin=ORIGIN)
    assert call == ToolCallPart(call_id="call_1", name="f", arguments='{"a":  1}', opaque=CALL, origin=ORIGIN)
    assert (reply.stop, reply.stop_raw, reply.request_id) == (StopReason.TOOL, "completed", "req_1")
    assert reply.raw["extra"] == {"kept": True}


def test_the_texts_of_one_message_go_back_as_that_one_item():
    cited = {"type": "url_citation", "url": "https://x", "title": "X", "start_index": 0, "end_index": 2}
    filed = {"type": "file_citation", "file_id": "f", "filename": "a.pdf", "index": 2}
    pieces = (text_piece("ab", cited, filed), {"type": "refusal", "refusal": "no"}, {"type": "new"}, text_piece(""))
    item = message_item(*pieces, phase="final_answer")
    reply = decoded(REASONING, item, item)
    kinds = [part.type for part in reply.message.parts]
    assert kinds == ["reasoning", *["text", "citation", "citation", "refusal", "other", "text"] * 2]
    assert reply.message.parts[2:4] == (
        CitationPart(source="https://x", title="X", start=0, end=2),
        CitationPart(source="a.pdf", end=2),
    )
    assert reply.stop is StopReason.REFUSAL
    assert items_of(reply.message) == [REASONING, item, item]


def test_items_of_another_origin_go_out_as_plain_words_and_calls():
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"query": "ruby"}}
    output = (REASONING, search, message_item(text_piece("hi")), CALL, {"type": "compaction", "id": "cmp_1"})
    reply = decoded(*output, origin=ORIGIN.model_copy(update={"model": "another"}))
    assert items_of(reply.message) == [
        {"type": "message", "role": "assistant", "content": "[web_search_call]\nruby"},
        {"type": "message", "role": "assistant", "content": "hi"},
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"a":  1}'},
    ]


def test_a_call_whose_id_was_mapped_keeps_to_its_result():
    call = decoded(CALL).message.parts[0].model_copy(update={"call_id": "mapped"})
    assert items_of(Message(role="assistant", parts=(call,))) == [{**CALL, "call_id": "mapped"}]


def test_a_call_without_an_id_gets_the_same_one_each_time_and_goes_back_with_it():
    nameless = {key: value for key, value in CALL.items() if key != "call_id"} | {"arguments": {"a": 1}}
    first, second = decoded(nameless, nameless).message.parts
    assert decoded(nameless, nameless).message.parts == (first, second)
    assert first.call_id != second.call_id
    assert json.loads(first.arguments) == {"a": 1}
    assert items_of(Message(role="assistant", parts=(first,))) == [{**nameless, "call_id": first.call_id}]


def test_reasoning_is_never_sent_without_the_item_that_followed_it():
    cut_off = decoded(message_item(text_piece("a")), REASONING, status="incomplete").message
    assert items_of(user("x"), cut_off, user("y"))[1:-1] == [message_item(text_piece("a"))]
    empty = message_item()
    assert items_of(decoded(REASONING, empty).message) == [REASONING, empty]


def test_reasoning_that_nothing_was_kept_of_goes_back_only_where_it_was_asked_for_encrypted():
    bare = {"type": "reasoning", "id": "rs_1", "summary": []}
    told = {**bare, "content": [{"type": "reasoning_text", "text": "hm"}]}
    turn = decoded(bare, told, CALL).message
    assert items_of(turn) == [bare, told, CALL]
    assert items_of(turn, include_encrypted=False) == [told, CALL]


@pytest.mark.parametrize(
    ("item", "name", "words"),
    [
        ({"type": "code_interpreter_call", "code": "1+1", "outputs": [{"type": "logs", "logs": "2"}]},
         "code_interpreter", ["1+1", "2"]),
        ({"type": "file_search_call", "queries": ["q"], "results": [{"filename": "a.pdf", "text": "w"}]},
         "file_search", ["q", "w"]),
        ({"type": "mcp_call", "server_label": "s", "name": "n", "arguments": '{"a":1}', "output": "o", "error": None},
         "mcp", ["s.n", '{"a":1}', "o"]),
        ({"type": "mcp_list_tools", "server_label": "s", "tools": [{"name": "n"}]}, "mcp", ["s", "tools: n"]),
        ({"type": "tool_search_call", "arguments": {"paths": ["p"]}}, "tool_search", ['"p"']),
        ({"type": "image_generation_call", "result": "aGk=", "revised_prompt": "a cat"}, "image_generation", ["a cat"]),
    ],
)  # fmt: skip
def test_a_tool_that_the_vendor_ran_is_told_in_words_and_kept_as_it_came(item, name, words):
    part = decoded({**item, "id": "x"}).message.parts[0]
    assert isinstance(part, ServerToolPart)
    assert (part.name, part.opaque) == (name, {**item, "id": "x"})
    assert all(word in part.text for word in words)
    assert "aGk=" not in part.text


def test_an_item_of_a_kind_that_is_not_known_is_kept_whole():
    item = {"type": "brand_new", "x": [1]}
    reply = decoded(item, {"no": "type"})
    assert reply.message.parts[0] == OtherPart(kind="brand_new", opaque=item, origin=ORIGIN)
    assert items_of(reply.message) == [item, {"no": "type"}]


@pytest.mark.parametrize(
    ("status", "reason", "neutral", "raw"),
    [
        ("completed", None, "stop", "completed"),
        ("incomplete", "max_output_tokens", "length", "max_output_tokens"),
        ("incomplete", "content_filter", "filter", "content_filter"),
        ("incomplete", None, "unknown", "incomplete"),
        ("cancelled", None, "broken", "cancelled"),
        ("new_word", None, "unknown", "new_word"),
        (None, None, "unknown", None),
    ],
)
def test_stop_reasons_keep_the_word_of_the_body(status, reason, neutral, raw):
    details = {"reason": reason} if reason else None
    reply = decoded(message_item(text_piece("x")), status=status, incomplete_details=details)
    assert (reply.stop, reply.stop_raw) == (neutral, raw)


def test_usage_that_was_not_given_is_unknown_and_never_zero():
    assert decoded().usage.known is False
    usage = decoded(usage={"input_tokens": 0, "output_tokens": 2}).usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.reasoning_tokens) == (
        0,
        2,
        None,
        None,
    )
    entered = {"cached_tokens": 3, "cache_write_tokens": 4}
    usage = decoded(usage={"input_tokens": 9, "output_tokens": 2, "input_tokens_details": entered}).usage
    assert (usage.cache_read_tokens, usage.cache_write_tokens) == (3, 4)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("insufficient_quota", QuotaSpent),
        ("server_error", Overloaded),
        ("invalid_prompt", Refused),
        ("invalid_image_url", RequestRefused),
        ("brand_new", Broken),
    ],
)
def test_a_response_that_failed_is_that_error_and_may_have_been_billed(code, kind):
    with pytest.raises(ProviderError) as caught:
        decoded(status="failed", error={"code": code, "message": "m"})
    assert type(caught.value) is kind
    assert caught.value.maybe_billed


def test_a_failed_response_without_a_reason_and_an_error_in_place_of_one_are_no_replies():
    with pytest.raises(Broken):
        decoded(status="failed", error=None)
    with pytest.raises(QuotaSpent):
        RESPONSES.decode(WireResponse(200, {}, b'{"error": {"message": "m", "code": "insufficient_quota"}}'), ORIGIN)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"output": 3}', b"\xff", b"{}", b"[" * 100_000])
def test_an_answer_that_cannot_be_read_is_broken(body):
    with pytest.raises(Broken):
        RESPONSES.decode(WireResponse(200, {}, body), ORIGIN)


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
carried = st.one_of(
    st.builds(TextPart, text=words),
    st.builds(ToolCallPart, call_id=words, name=words, arguments=st.just('{"a":  [1]}')),
    st.builds(ToolCallPart, call_id=words, name=words, arguments=words, custom=st.just(True)),
)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(carried, max_size=5))
def test_a_turn_that_goes_out_comes_back_the_same(parts):
    turn = Message(role="assistant", parts=tuple(parts))
    assert decoded(*items_of(turn)).message == turn


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
pieces = st.fixed_dictionaries({"type": st.sampled_from(["output_text", "refusal", "new"])}, optional={"text": words})
given_items = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("message"), "content": st.lists(pieces, max_size=3)}, optional={"id": words}
    ),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["web_search_call", "mcp_call", "new"])}, optional={"x": json_values}
    ),
    st.fixed_dictionaries({"type": st.just("function_call"), "call_id": words, "name": words, "arguments": words}),
)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(given_items, max_size=4))
def test_what_a_server_gave_goes_back_to_it_item_by_item(items):
    sent = items_of(decoded(*items).message)
    assert [json.dumps(item) for item in sent] == [json.dumps(item) for item in items]


NAMES = ["output", "type", "content", "text", "summary", "arguments", "usage", "input_tokens", "status", "annotations"]
KINDS = ["message", "reasoning", "function_call", "output_text", "web_search_call", "completed", "url_citation"]
shaped = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(KINDS),
    lambda inner: st.dictionaries(st.sampled_from(NAMES), inner, max_size=4) | st.lists(inner, max_size=2),
    max_leaves=8,
)


@settings(deadline=None)  # the machine may be busy
@given(st.fixed_dictionaries({"output": st.lists(shaped)}, optional={"usage": shaped, "status": shaped}))
def test_whatever_a_server_sends_is_a_reply_that_can_go_back(response):
    body = json.dumps(response).encode()
    reply = RESPONSES.decode(WireResponse(200, {}, body), ORIGIN)
    assert isinstance(items_of(reply.message), list)
