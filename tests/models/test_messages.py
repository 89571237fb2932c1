"""The neutral conversation survives the journal unchanged, and keeps words apart from thoughts and tools."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from harness.models.messages import (
    CitationPart,
    DocumentPart,
    ImagePart,
    Message,
    ModelReply,
    ModelRequest,
    Origin,
    OtherPart,
    OutputSchema,
    Part,
    ReasoningPart,
    RefusalPart,
    ReplyEnd,
    ServerToolPart,
    StopReason,
    StreamEvent,
    TextDelta,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
    assistant,
    system,
    user,
)
from harness.models.usage import Usage

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
json_objects = st.dictionaries(words, json_values, max_size=3)
origins = st.builds(Origin, dialect=words, endpoint=words, model=words, account=st.none() | words)
of_vendor = {"opaque": st.none() | json_objects, "origin": st.none() | origins}
images = st.builds(ImagePart, media_type=st.none() | words, data=st.none() | words, url=st.none() | words)
documents = st.builds(DocumentPart, data=st.none() | words, text=st.none() | words, title=st.none() | words)
parts = st.one_of(
    st.builds(TextPart, text=words, **of_vendor),
    st.builds(ReasoningPart, text=words, **of_vendor),
    st.builds(ToolCallPart, call_id=words, name=words, arguments=words, **of_vendor),
    st.builds(
        ToolResultPart,
        call_id=words,
        text=words,
        failed=st.booleans(),
        attachments=st.none() | st.lists(images | documents, max_size=2).map(tuple),
    ),
    images,
    documents,
    st.builds(CitationPart, source=words, quote=st.none() | words, **of_vendor),
    st.builds(RefusalPart, text=words, **of_vendor),
    st.builds(ServerToolPart, name=words, text=words, **of_vendor),
    st.builds(OtherPart, kind=words, **of_vendor),
)
messages = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant", "tool"]),
    parts=st.lists(parts, max_size=3).map(tuple),
)
counts = st.none() | st.integers(0, 2**40)
replies = st.builds(
    ModelReply,
    message=messages,
    stop=st.sampled_from(StopReason),
    stop_raw=st.none() | words,
    usage=st.builds(Usage, counts, counts, counts, counts, counts, counts),
    model=words,
    request_id=st.none() | words,
    raw=json_objects,
)
requests = st.builds(
    ModelRequest,
    messages=st.lists(messages, max_size=2).map(tuple),
    max_output_tokens=st.integers(1, 10**6),
    output_schema=st.none() | st.builds(OutputSchema, name=words, json_schema=json_objects),
    tools=st.lists(st.builds(Tool, name=words, description=words, parameters=json_objects), max_size=2).map(tuple),
    temperature=st.none() | st.floats(0, 2),
    seed=st.none() | st.integers(0, 2**31),
    stop=st.lists(words, max_size=2).map(tuple),
)


@given(replies)
def test_a_reply_comes_out_of_the_journal_as_it_went_in(reply):
    assert ModelReply.model_validate_json(reply.model_dump_json()) == reply


@given(requests)
def test_a_request_is_the_same_after_it_was_written_down(request):
    assert ModelRequest.model_validate_json(request.model_dump_json()) == request
    assert ModelRequest.model_validate(request.model_dump(mode="json")) == request


@given(messages)
def test_a_turns_text_is_its_words_without_thoughts_tools_and_refusals(message):
    assert message.text == "".join(part.text for part in message.parts if part.type == "text")


def test_a_reply_s_text_is_its_messages():
    message = Message(role="assistant", parts=(ReasoningPart(text="hm"), TextPart(text="a"), TextPart(text="b")))
    reply = ModelReply(message=message, stop=StopReason.STOP, stop_raw="stop", usage=Usage(1, 2), model="m")
    assert reply.text == "ab"
    assert reply.raw == {}


@pytest.mark.parametrize(("make", "role"), [(system, "system"), (user, "user"), (assistant, "assistant")])
def test_a_turn_is_made_from_words(make, role):
    assert make("a\nb") == Message(role=role, parts=(TextPart(text="a\nb"),))


@pytest.mark.parametrize("limit", [0, -1, None, "many", 1.5])
def test_a_request_always_limits_its_output(limit):
    with pytest.raises(ValidationError):
        ModelRequest.model_validate({"messages": [], "max_output_tokens": limit})
    with pytest.raises(ValidationError):
        ModelRequest.model_validate({"messages": []})


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image", "text": "x"},
        {"text": "x"},
        {"type": "text"},
        {"type": "text", "text": "x", "cache": True},
        {"type": "tool_call", "call_id": "1", "name": "f", "arguments": {"a": 1}},
        {"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {}},
    ],
)
def test_a_part_that_is_not_known_is_refused(part):
    with pytest.raises(ValidationError):
        TypeAdapter(Part).validate_python(part)


def test_arguments_of_a_tool_call_stay_the_text_that_came():
    text = '{"b": 1.0, "a": 12345678901234567890, "b": 2'
    part = TypeAdapter(Part).validate_json(ToolCallPart(call_id="1", name="f", arguments=text).model_dump_json())
    assert part == ToolCallPart(call_id="1", name="f", arguments=text)


def test_events_of_a_stream_are_told_apart_by_what_they_say_they_are():
    reply = ModelReply(message=assistant("a"), stop=StopReason.STOP, stop_raw=None, usage=Usage(), model="m")
    for event in (TextDelta(text="a"), ReplyEnd(reply=reply)):
        assert TypeAdapter(StreamEvent).validate_python(event.model_dump()) == event


def test_what_was_said_cannot_be_changed():
    with pytest.raises(ValidationError):
        user("a").role = "system"


@given(counts, counts)
def test_usage_is_known_when_both_sides_were_reported(given_input, given_output):
    usage = Usage(given_input, given_output)
    assert usage.known is (given_input is not None and given_output is not None)
    assert usage.total_tokens == (given_input or 0) + (given_output or 0)
