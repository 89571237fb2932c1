"""The JSON between us and a chat model: the same however it is torn, never a short answer, nothing foreign in it."""

import json

import pytest

from harness.dialects.dialect import WireTarget
from harness.dialects.known_dialects import DIALECTS
from harness.dialects.langchain.dialect import LOCAL_URL, LangChainChat
from harness.dialects.wire import WireResponse
from harness.exceptions import Broken, ConfigurationInvalid, Overloaded
from harness.models.catalogue import Capability, DialectName, Endpoint, Model
from harness.models.messages import (
    Message,
    ModelRequest,
    Origin,
    OtherPart,
    ReasoningPart,
    ReplyEnd,
    TextPart,
    ToolCallPart,
    user,
)

MODEL = Model(endpoint="inside", wire_name="m", context_tokens=512)
ENDPOINT = Endpoint(dialect="langchain", chat_model="mine")
ORIGIN = Origin(dialect="langchain", endpoint="inside", model="m")
TARGET = WireTarget(MODEL, ENDPOINT, LOCAL_URL, None, ORIGIN)
CALL = {"id": "c1", "name": "look", "args": {"city": "Zürich"}}
MESSAGE = {"content": "Grüezi ✓", "tool_calls": [CALL], "usage_metadata": {"input_tokens": 3, "output_tokens": 4}}
LINES = [
    {"delta": {"reasoning": "hm", "text": "Grüezi "}},
    {"delta": {"text": "✓", "tool_calls": [{"index": 0, "id": "c1", "name": "look", "args": '{"city": "Zürich"}'}]}},
    {"message": MESSAGE},
]
STREAM = b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in LINES)


def events_of(stream, size=4096):
    decoder = LangChainChat().stream_decoder(ORIGIN, {})
    return [event for at in range(0, len(stream), size) for event in decoder.feed(stream[at : at + size])]


def test_the_catalogues_name_leads_to_it():
    assert isinstance(DIALECTS[DialectName.LANGCHAIN], LangChainChat)


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_stream_torn_anywhere_is_the_same(size):
    events = events_of(STREAM, size)
    assert [event.type for event in events] == [
        "reasoning_delta",
        "text_delta",
        "text_delta",
        "tool_call_delta",
        "reply_end",
    ]
    assert isinstance(events[-1], ReplyEnd)
    whole = LangChainChat().decode(WireResponse(200, {}, json.dumps({"message": MESSAGE}).encode()), ORIGIN)
    assert events[-1].reply == whole
    assert whole.raw == MESSAGE


def test_a_stream_that_stops_is_broken_and_an_error_in_it_has_its_class():
    decoder = LangChainChat().stream_decoder(ORIGIN, {})
    decoder.feed(STREAM[:-20])
    with pytest.raises(Broken):
        decoder.end()
    error = json.dumps({"error": {"type": "overloaded_error", "message": "busy"}}).encode() + b"\n"
    with pytest.raises(Overloaded) as raised:
        LangChainChat().stream_decoder(ORIGIN, {}).feed(error)
    assert raised.value.maybe_billed


@pytest.mark.parametrize("body", [b"no json", b"{}", b'{"message": "text"}'])
def test_what_is_no_message_is_broken(body):
    with pytest.raises(Broken):
        LangChainChat().decode(WireResponse(200, {}, body), ORIGIN)


def test_a_part_that_says_nothing_costs_nothing_to_read():
    message = {"content": [None, "", {}, "a"], "tool_calls": "none", "usage_metadata": 7, "response_metadata": []}
    reply = LangChainChat().decode(WireResponse(200, {}, json.dumps({"message": message}).encode()), ORIGIN)
    assert (reply.message.parts, reply.usage.known, reply.model) == ((TextPart(text="a"),), False, "m")


def test_what_is_opaque_and_anothers_is_not_sent():
    other = ORIGIN.model_copy(update={"endpoint": "elsewhere"})
    block = {"secret": "s"}
    parts = (
        ReasoningPart(text="hm", opaque=block, origin=other),
        TextPart(text="words", opaque=block, origin=other),
        ToolCallPart(call_id="c1", name="look", arguments="{}", opaque=block, origin=other),
        OtherPart(kind="odd", opaque=block, origin=other),
        OtherPart(kind="own", opaque={"kept": 1}, origin=ORIGIN),
    )
    request = ModelRequest(messages=(user("a"), Message(role="assistant", parts=parts)), max_output_tokens=9)
    sent = json.loads(LangChainChat().encode(request, TARGET, stream=False).body)
    assert [part["type"] for part in sent["request"]["messages"][1]["parts"]] == ["text", "tool_call", "other"]
    assert "secret" not in json.dumps(sent)


def test_media_are_taken_as_far_as_the_model_can():
    able = MODEL.model_copy(update={"capabilities": frozenset({Capability.IMAGES, Capability.DOCUMENTS})})
    assert "image/png" in LangChainChat().rules(able, ENDPOINT).image_types
    assert "application/pdf" in LangChainChat().rules(able, ENDPOINT).document_types
    assert not LangChainChat().rules(MODEL, ENDPOINT).image_types


def test_a_quirk_that_is_none_is_refused():
    with pytest.raises(ConfigurationInvalid, match="output_limit"):
        LangChainChat().rules(MODEL, ENDPOINT.model_copy(update={"quirks": {"limit": "max_tokens"}}))
