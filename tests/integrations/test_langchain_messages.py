"""Messages both ways: nothing of a neutral turn is lost on its way through LangChain, and an edited one is read anew."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    messages_from_dict,
    messages_to_dict,
)

from harness.exceptions import ConfigurationInvalid
from harness.integrations.langchain.assistant_messages import KEPT, ai_fields, assistant_message
from harness.integrations.langchain.content_blocks import content_of_parts, parts_of_content
from harness.integrations.langchain.neutral_messages import neutral_messages
from harness.models.messages import (
    CitationPart,
    DocumentPart,
    ImagePart,
    Message,
    Origin,
    OtherPart,
    ReasoningPart,
    RefusalPart,
    ServerToolPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

ORIGIN = Origin(dialect="anthropic_messages", endpoint="there", model="m", account="abc")
PNG = "iVBORw0KGgo="

texts = st.text(max_size=20)
names = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
opaque = st.none() | st.dictionaries(texts, values, max_size=3)


def stamped(build):
    """A part with or without a vendor's block and its stamp."""
    return st.builds(
        lambda part, block, stamp: part.model_copy(
            update={"opaque": block, "origin": ORIGIN if block is not None or stamp else None}
        ),
        build,
        opaque,
        st.booleans(),
    )


arguments = (
    st.dictionaries(texts, values, max_size=3).map(json.dumps) | texts | st.sampled_from(["", "[1]", '{"a": NaN}'])
)
calls = st.builds(
    ToolCallPart, call_id=names, name=names, arguments=arguments, custom=st.sampled_from([None, None, True])
)
parts = st.one_of(
    stamped(st.builds(TextPart, text=texts)),
    stamped(st.builds(ReasoningPart, text=texts)),
    stamped(calls),
    stamped(st.builds(RefusalPart, text=texts)),
    stamped(st.builds(CitationPart, source=texts)),
    stamped(st.builds(ServerToolPart, name=names, text=texts)),
    stamped(st.builds(OtherPart, kind=names)),
    st.builds(ImagePart, media_type=st.just("image/png"), data=st.just(PNG)),
    st.builds(ImagePart, url=st.just("https://example.org/a.png")),
)
turns = st.lists(parts, max_size=5).map(lambda some: Message(role="assistant", parts=tuple(some)))


@given(turns)
def test_a_models_turn_comes_back_as_it_was(turn):
    assert assistant_message(AIMessage(**ai_fields(turn))) == turn


@given(turns)
def test_and_after_a_checkpoint_in_json_too(turn):
    kept = json.loads(json.dumps(messages_to_dict([AIMessage(**ai_fields(turn))])))
    assert neutral_messages(messages_from_dict(kept)) == ((turn,) if turn.parts else ())


def test_a_turn_that_content_says_whole_carries_nothing_beside_it():
    turn = Message(role="assistant", parts=(TextPart(text="fine"),))
    assert ai_fields(turn)["additional_kwargs"] == {}


THOUGHT = ReasoningPart(text="hm", opaque={"signature": "s"}, origin=ORIGIN)
CALL = ToolCallPart(call_id="c1", name="look", arguments='{"city":  "Paris"}')
TURN = Message(role="assistant", parts=(THOUGHT, TextPart(text="I look."), CALL))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"content": "I do not look."}, "I do not look."),
        ({"content": [{"type": "text", "text": "I look"}, "!"]}, "I look!"),
        ({"tool_calls": []}, "I look."),
        ({"tool_calls": [{"id": "c1", "name": "look", "args": {"city": "Rome"}, "type": "tool_call"}]}, "I look."),
    ],
)
def test_a_turn_that_somebody_edited_is_what_it_now_says(change, expected):
    edited = AIMessage(**ai_fields(TURN)).model_copy(update=change)
    read = assistant_message(edited)
    assert read != TURN
    assert read.text == expected
    assert not [part for part in read.parts if getattr(part, "opaque", None)]
    said = [json.loads(part.arguments) for part in read.parts if isinstance(part, ToolCallPart)]
    assert said == [call["args"] for call in edited.tool_calls]


def test_what_is_kept_and_no_neutral_message_is_not_believed():
    message = AIMessage(
        "fine", additional_kwargs={KEPT: {"role": "system", "parts": [{"type": "text", "text": "fine"}]}}
    )
    assert assistant_message(message) == Message(role="assistant", parts=(TextPart(text="fine"),))
    assert assistant_message(AIMessage("fine", additional_kwargs={KEPT: "broken"})).text == "fine"


def test_arguments_that_are_no_object_are_invalid_calls_with_their_text():
    turn = Message(role="assistant", parts=(ToolCallPart(call_id="c1", name="look", arguments="{oh"),))
    fields = ai_fields(turn)
    assert fields["tool_calls"] == []
    assert [(call["id"], call["args"]) for call in fields["invalid_tool_calls"]] == [("c1", "{oh")]
    fields["additional_kwargs"] = {}
    assert assistant_message(AIMessage(**fields)) == turn


def test_thoughts_stand_where_langchain_looks_for_them():
    message = AIMessage(**ai_fields(TURN))
    assert [block["type"] for block in message.content_blocks] == ["reasoning", "text", "tool_call"]


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ({"type": "text", "text": "a"}, TextPart(text="a")),
        ("a", TextPart(text="a")),
        (
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
            ImagePart(media_type="image/png", data=PNG, detail="low"),
        ),
        ({"type": "image_url", "image_url": "https://a.org/a.png"}, ImagePart(url="https://a.org/a.png")),
        ({"type": "image", "url": "https://a.org/a.png"}, ImagePart(url="https://a.org/a.png")),
        ({"type": "image", "base64": PNG, "mime_type": "image/png"}, ImagePart(media_type="image/png", data=PNG)),
        (
            {"type": "image", "source_type": "base64", "data": PNG, "mime_type": "image/png"},
            ImagePart(media_type="image/png", data=PNG),
        ),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            ImagePart(media_type="image/png", data=PNG),
        ),
        (
            {"type": "file", "base64": "JVBERg==", "mime_type": "application/pdf", "filename": "a.pdf"},
            DocumentPart(media_type="application/pdf", data="JVBERg==", title="a.pdf"),
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERg==", "filename": "a.pdf"}},
            DocumentPart(media_type="application/pdf", data="JVBERg==", title="a.pdf"),
        ),
        ({"type": "file", "url": "https://a.org/a.pdf"}, DocumentPart(url="https://a.org/a.pdf")),
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}, "title": "t"},
            DocumentPart(media_type="text/plain", text="words", title="t"),
        ),
        ({"type": "file", "source_type": "text", "text": "words"}, DocumentPart(text="words")),
        (
            {"type": "text-plain", "text": "words", "mime_type": "text/plain"},
            DocumentPart(media_type="text/plain", text="words"),
        ),
    ],
)
def test_every_form_of_content_that_people_write_is_read(block, part):
    assert neutral_messages([HumanMessage([block])]) == (Message(role="user", parts=(part,)),)


@pytest.mark.parametrize(
    "block", [{"type": "audio", "base64": "x", "mime_type": "a/b"}, {"type": "file", "file_id": "f"}]
)
def test_what_no_model_can_be_told_is_refused_by_its_name(block):
    with pytest.raises(ConfigurationInvalid, match=r"audio|file"):
        neutral_messages([HumanMessage([block])])


def test_words_and_media_go_out_and_come_back():
    shown = (
        TextPart(text="a"),
        ImagePart(media_type="image/png", data=PNG),
        DocumentPart(media_type="application/pdf", data="JVBERg==", title="a.pdf"),
        DocumentPart(url="https://a.org/a.pdf"),
    )
    assert parts_of_content(content_of_parts(shown)) == shown


def test_a_tools_answer_keeps_its_failure_and_its_pictures_and_tells_no_artifact():
    message = ToolMessage(
        [{"type": "text", "text": "see"}, {"type": "image", "base64": PNG, "mime_type": "image/png"}, {"rows": 2}],
        tool_call_id="c1",
        status="error",
        artifact={"secret": 1},
    )
    expected = ToolResultPart(
        call_id="c1", text='see{"rows": 2}', failed=True, attachments=(ImagePart(media_type="image/png", data=PNG),)
    )
    assert neutral_messages([message]) == (Message(role="tool", parts=(expected,)),)


def test_roles_are_kept_and_a_role_that_is_none_is_refused():
    read = neutral_messages([SystemMessage("s"), ChatMessage("u", role="user"), ChatMessage("d", role="developer")])
    assert [turn.role for turn in read] == ["system", "user", "system"]
    with pytest.raises(ConfigurationInvalid, match="ToolMessage"):
        neutral_messages([FunctionMessage("f", name="look")])
    with pytest.raises(ConfigurationInvalid):
        neutral_messages([ChatMessage("x", role="narrator")])
