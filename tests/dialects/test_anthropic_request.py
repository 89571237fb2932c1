"""What goes out: bodies that the vendor's own request types accept, and rules of thinking, caching and shape."""

import base64
import json
from typing import Annotated

import pytest
from anthropic import types
from anthropic.types import message_create_params
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from harness.dialects.anthropic_messages.dialect import AnthropicMessages
from harness.dialects.anthropic_messages.request import ANSWER_TOOL
from harness.exceptions import ConfigurationInvalid, KeyRefused
from harness.models.catalogue import Endpoint, Model
from harness.models.messages import (
    CachePoint,
    CitationPart,
    DocumentPart,
    ImagePart,
    Message,
    ModelRequest,
    OtherPart,
    OutputSchema,
    ReasoningPart,
    RefusalPart,
    ServerToolPart,
    TextPart,
    Thinking,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
    assistant,
    system,
    user,
)
from tests.dialects.wire_targets import origin_of, target_of

MESSAGES = AnthropicMessages()
OLD, NEW, NEWEST = "claude-3-7-sonnet-20250219", "claude-sonnet-4-5", "claude-opus-5-5"
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
SHAPE = OutputSchema(name="n", json_schema=SCHEMA)
TOOL = Tool(name="look", description="d", parameters=SCHEMA)
OTHER_TOOL = Tool(name="find", description="", parameters={})
PDF = base64.b64encode(b"%PDF-1.4").decode()

STRICT = ConfigDict(extra="forbid")
WHOLE = TypeAdapter(message_create_params.MessageCreateParams, config=STRICT)
# The request type takes reply blocks too, with any keys; what we make is held to the request's own.
BLOCK = TypeAdapter(
    Annotated[
        types.TextBlockParam
        | types.ImageBlockParam
        | types.DocumentBlockParam
        | types.ToolUseBlockParam
        | types.ToolResultBlockParam
        | types.ThinkingBlockParam
        | types.RedactedThinkingBlockParam,
        Field(discriminator="type"),
    ],
    config=STRICT,
)


def exhausted(value):
    """Everything that is validated only while it is walked through."""
    if isinstance(value, dict):
        return {key: exhausted(item) for key, item in value.items()}
    if value is None or isinstance(value, str | int | float):
        return value
    return [exhausted(item) for item in value]


def accepted(body):
    """The body, if the vendor's types accept all of it."""
    # The newest types leave out the temperature, which older models take all the same.
    exhausted(WHOLE.validate_python({key: value for key, value in body.items() if key != "temperature"}))
    for turn in body["messages"]:
        for block in turn["content"]:
            exhausted(BLOCK.validate_python(block))
    return body


def target(name=NEW, api_key=None, base="http://y:1/v1/", **quirks):
    endpoint = Endpoint(base_url="http://x/v1", dialect="anthropic_messages", quirks=quirks, timeout_seconds=7)
    model = Model(endpoint="there", wire_name=name, context_tokens=100_000)
    return target_of(model, endpoint, base_url=base, api_key=api_key)


def encoded(request, name=NEW, *, stream=False, **more):
    return MESSAGES.encode(request, target(name, **more), stream=stream)


def asking(*messages, **more):
    return ModelRequest(messages=messages or (user("x"),), **({"max_output_tokens": 4000, "cache_points": ()} | more))


def body_of(request, name=NEW, **more):
    return accepted(json.loads(encoded(request, name, **more).body))


def test_the_types_that_bodies_are_held_to_refuse_keys_they_do_not_know():
    good = body_of(asking(tools=(TOOL,)))
    for bad in (
        good | {"seed": 1},
        good | {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "extra": 1}]}]},
        good | {"tools": [{"name": "x", "input_schema": {"type": "object"}, "extra": 1}]},
        good | {"thinking": {"type": "enabled"}},
    ):
        with pytest.raises(ValidationError):
            accepted(bad)


def test_a_request_is_compact_json_with_everything_that_was_asked():
    request = asking(
        system("Be brief."),
        user("Grüße"),
        output_schema=SHAPE,
        tools=(TOOL,),
        tool_choice=ToolChoice(mode="auto", parallel=False),
        temperature=1.5,
        seed=3,
        stop=("END", "\n\n"),
        service_tier="standard_only",
    )
    wire = encoded(request, api_key=" k \n")
    assert wire.body == json.dumps(json.loads(wire.body), ensure_ascii=False, separators=(",", ":")).encode()
    assert (wire.method, wire.url, wire.timeout_seconds) == ("POST", "http://y:1/v1/messages", 7)
    assert (wire.headers["x-api-key"], wire.headers["anthropic-version"]) == ("k", "2023-06-01")
    assert accepted(json.loads(wire.body)) == {
        "model": NEW,
        "max_tokens": 4000,
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Grüße"}]}],
        "tools": [{"name": "look", "description": "d", "input_schema": SCHEMA}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA | {"additionalProperties": False}}},
        "stop_sequences": ["END"],
        "temperature": 1.0,
        "service_tier": "standard_only",
    }


def test_what_was_not_asked_is_not_sent():
    assert set(body_of(asking())) == {"model", "max_tokens", "messages"}
    assert set(body_of(asking(), stream=True)) == {"model", "max_tokens", "messages", "stream"}


@pytest.mark.parametrize("base", ["https://a.example", "https://a.example/", "https://a.example/v1"])
def test_an_address_may_end_with_the_version_or_not(base):
    assert encoded(asking(), base=base).url == "https://a.example/v1/messages"


def test_bedrock_takes_the_model_in_the_path_and_its_own_version_in_the_body():
    for stream, verb in ((False, "invoke"), (True, "invoke-with-response-stream")):
        request = asking(service_tier="flex")
        wire = encoded(
            request, "us.anthropic.claude/x:0", base="https://b", served_by="bedrock", beta="a, b", stream=stream
        )
        assert wire.url == f"https://b/model/us.anthropic.claude%2Fx%3A0/{verb}"
        body = json.loads(wire.body)
        assert (body.pop("anthropic_version"), body.pop("anthropic_beta")) == ("bedrock-2023-05-31", ["a", "b"])
        assert set(body) == {"max_tokens", "messages"}
        assert not {"x-api-key", "authorization", "anthropic-version", "anthropic-beta"} & set(wire.headers)
        assert wire.headers["x-amzn-bedrock-service-tier"] == "flex"
        expected = "application/vnd.amazon.eventstream" if stream else "application/json"
        assert wire.headers["accept"] == expected


def test_vertex_takes_the_model_in_the_path_and_its_own_version_in_the_body():
    base = "https://v/v1/projects/p/locations/l"
    for stream, verb in ((False, "rawPredict"), (True, "streamRawPredict")):
        wire = encoded(asking(), "claude-opus-4-5@20251101", base=base, served_by="vertex", beta="a", stream=stream)
        assert wire.url == f"{base}/publishers/anthropic/models/claude-opus-4-5@20251101:{verb}"
        body = json.loads(wire.body)
        assert body.pop("anthropic_version") == "vertex-2023-10-16"
        assert body.pop("stream", False) is stream
        assert set(body) == {"max_tokens", "messages"}
        assert wire.headers["anthropic-beta"] == "a"


def test_a_key_may_be_a_bearer_token_and_is_never_shown():
    assert encoded(asking(), api_key="k", api_key_header="authorization").headers["authorization"] == "Bearer k"
    with pytest.raises(KeyRefused) as caught:
        encoded(asking(), api_key="sk-se\ncret")
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize("quirks", [{"served_bye": "x"}, {"served_by": "azure"}])
def test_an_unknown_quirk_is_refused_with_the_ones_there_are(quirks):
    with pytest.raises(ConfigurationInvalid, match="served_by"):
        encoded(asking(), **quirks)
    endpoint = Endpoint(base_url="http://x", quirks=quirks)
    with pytest.raises(ConfigurationInvalid):
        MESSAGES.rules(target().model, endpoint)


def test_addresses_are_fetched_by_the_vendors_own_service_alone():
    own, bedrock = (
        MESSAGES.rules(target().model, Endpoint(base_url="http://x", quirks={"served_by": served_by}))
        for served_by in ("anthropic", "bedrock")
    )
    assert (own.image_urls, own.document_urls, own.system, own.alternates) == (True, True, "apart", True)
    assert (bedrock.image_urls, bedrock.document_urls) == (False, False)


def test_a_tool_loop_goes_out_with_its_results_before_the_words_of_the_same_turn():
    picture = ImagePart(media_type="image/png", data="aGk=")
    request = asking(
        user("x"),
        Message(role="assistant", parts=(TextPart(text="hm"), ToolCallPart(call_id="c:1", name="look", arguments=""))),
        assistant("also"),
        user("hurry"),
        Message(
            role="tool",
            parts=(
                ToolResultPart(call_id="c:1", text="7", attachments=(picture,)),
                ToolResultPart(call_id="c2", text=" ", failed=True),
            ),
        ),
        tools=(TOOL,),
    )
    turns = body_of(request)["messages"]
    call = turns[1]["content"][1]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert (call["name"], call["input"]) == ("look", {})
    assert call["id"].isalnum()
    source = {"type": "base64", "media_type": "image/png", "data": "aGk="}
    assert turns[2]["content"] == [
        {
            "type": "tool_result",
            "tool_use_id": call["id"],
            "content": [{"type": "text", "text": "7"}, {"type": "image", "source": source}],
        },
        {"type": "tool_result", "tool_use_id": "c2", "is_error": True},
        {"type": "text", "text": "hurry"},
    ]


def test_arguments_are_an_object_whatever_the_text_was():
    texts = {'{"a": [1, "é"]}': {"a": [1, "é"]}, "": {}, "{cut": {"input": "{cut"}, "[1]": {"input": "[1]"}}
    for text, expected in texts.items():
        call = Message(role="assistant", parts=(ToolCallPart(call_id="c", name="look", arguments=text),))
        assert body_of(asking(user("x"), call))["messages"][1]["content"][0]["input"] == expected


def test_pictures_and_documents_go_out_as_data_words_or_addresses():
    parts = (
        ImagePart(url="https://i", detail="low"),
        DocumentPart(media_type="application/pdf", data=PDF, title="t", citations=True),
        DocumentPart(text="words", citations=False),
        DocumentPart(media_type="text/plain", data=base64.b64encode("wörter".encode()).decode()),
        DocumentPart(url="https://d"),
        DocumentPart(text=" "),
        ImagePart(),
    )
    blocks = body_of(asking(Message(role="user", parts=parts)))["messages"][0]["content"]
    assert blocks == [
        {"type": "image", "source": {"type": "url", "url": "https://i"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
            "title": "t",
            "citations": {"enabled": True},
        },
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "words"},
            "citations": {"enabled": False},
        },
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "wörter"}},
        {"type": "document", "source": {"type": "url", "url": "https://d"}},
    ]
    # The vendor refuses citations together with structured output.
    shaped = body_of(asking(Message(role="user", parts=parts), output_schema=SHAPE))["messages"][0]["content"]
    assert not any("citations" in block for block in shaped)


def test_blank_texts_are_never_sent_and_the_last_assistant_turn_ends_without_white_space():
    blank = (TextPart(text=" \n"), TextPart(text="it is "))
    request = asking(system(" "), user("x"), user(""), Message(role="assistant", parts=blank))
    body = body_of(request)
    assert "system" not in body
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "x"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "it is"}]},
    ]


def test_a_block_goes_back_to_its_own_origin_alone():
    here, there = target().origin, origin_of("anthropic_messages", model="another")
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    server = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    for origin, expected in (
        (here, [thought, server, {"type": "compaction"}]),
        (there, [{"type": "text", "text": "looked"}, {"type": "text", "text": "no"}]),
    ):
        parts = (
            ReasoningPart(text="hm", opaque=thought, origin=origin),
            ServerToolPart(name="web_search", text="looked", opaque=server, origin=origin),
            OtherPart(kind="compaction", opaque={"type": "compaction"}, origin=origin),
            CitationPart(source="s"),
            RefusalPart(text="no", opaque={"type": "refusal"}, origin=origin),
        )
        wire = encoded(asking(user("x"), Message(role="assistant", parts=parts)))
        assert json.loads(wire.body)["messages"][1]["content"] == expected


def marks_of(request, **more):
    """Where the body says what is kept, and for how long."""
    found = {}
    body = body_of(request, **more)
    for name, blocks in (("tools", body.get("tools", [])), ("system", body.get("system", []))):
        found |= {(name, at): block["cache_control"] for at, block in enumerate(blocks) if "cache_control" in block}
    for number, turn in enumerate(body["messages"]):
        marked = {at: block["cache_control"] for at, block in enumerate(turn["content"]) if "cache_control" in block}
        found |= {(number, at): mark for at, mark in marked.items()}
    return {place: mark.get("ttl", mark["type"]) for place, mark in found.items()}


def test_by_default_tools_system_and_the_last_turn_are_kept():
    request = asking(system("s"), user("a"), assistant("b"), user("c"), tools=(TOOL, OTHER_TOOL), cache_points=None)
    assert marks_of(request) == {("tools", 1): "ephemeral", ("system", 0): "ephemeral", (2, 0): "ephemeral"}
    assert marks_of(asking(cache_points=None)) == {(0, 0): "ephemeral"}
    assert marks_of(request.model_copy(update={"cache_points": ()})) == {}
    assert marks_of(request, cache_points=False) == {}


def test_of_many_cache_points_the_last_four_stay_and_an_hour_reaches_back():
    turns = [user("a"), assistant("b"), user("c"), assistant("d"), user("e")]
    points = [CachePoint(after=at) for at in (0, 2, 3, 4)] + [CachePoint(after=1, keep="1h"), CachePoint(after="tools")]
    assert marks_of(asking(*turns, tools=(TOOL,), cache_points=points)) == {
        (1, 0): "1h",
        (2, 0): "ephemeral",
        (3, 0): "ephemeral",
        (4, 0): "ephemeral",
    }
    before = (CachePoint(after="system"), CachePoint(after=2, keep="1h"), CachePoint(after=3), CachePoint(after=9))
    assert marks_of(asking(system("s"), *turns, cache_points=before)) == {
        ("system", 0): "1h",
        (1, 0): "1h",
        (2, 0): "ephemeral",
    }


def test_a_cache_point_stands_on_no_thought_and_on_no_block_of_the_vendors():
    origin = target().origin
    thought = ReasoningPart(text="", opaque={"type": "redacted_thinking", "data": "d"}, origin=origin)
    cited = {"type": "text", "text": "b", "citations": None}
    parts = (thought, TextPart(text="a"), TextPart(text="b", opaque=cited, origin=origin), TextPart(text=" "))
    turn = Message(role="assistant", parts=parts)
    assert marks_of(asking(user("x"), turn, cache_points=(CachePoint(after=1),))) == {(1, 1): "ephemeral"}
    alone = Message(role="assistant", parts=(thought,))
    assert marks_of(asking(user("x"), alone, cache_points=(CachePoint(after=1),))) == {}


@pytest.mark.parametrize(
    ("thinking", "limit", "config"),
    [
        (Thinking(budget_tokens=3000), 8000, {"type": "enabled", "budget_tokens": 3000}),
        (Thinking(budget_tokens=5), 8000, {"type": "enabled", "budget_tokens": 1024}),
        (Thinking(budget_tokens=9000), 8000, {"type": "enabled", "budget_tokens": 7999}),
        (Thinking(effort="low"), 8000, {"type": "enabled", "budget_tokens": 1600}),
        (Thinking(effort="high"), 8000, {"type": "enabled", "budget_tokens": 6400}),
        (Thinking(effort="minimal"), 8000, {"type": "enabled", "budget_tokens": 1024}),
        (Thinking(effort="none"), 8000, {"type": "disabled"}),
        (Thinking(effort="high"), 1024, None),
    ],
)
def test_older_models_are_told_a_budget_within_its_bounds(thinking, limit, config):
    body = body_of(asking(thinking=thinking, max_output_tokens=limit, temperature=0.2))
    assert body.get("thinking") == config
    assert ("temperature" in body) == (config is None or config["type"] == "disabled")


@pytest.mark.parametrize(
    ("thinking", "effort"),
    [
        (Thinking(budget_tokens=1000), "low"),
        (Thinking(budget_tokens=2000), "medium"),
        (Thinking(budget_tokens=3900), "high"),
        (Thinking(effort="minimal"), "low"),
        (Thinking(effort="medium"), "medium"),
    ],
)
@pytest.mark.parametrize("name", ["claude-opus-4-6", "us.anthropic.claude-opus-5-v1", "anthropic/claude-sonnet-4.6"])
def test_newer_models_are_told_an_effort(name, thinking, effort):
    body = body_of(asking(thinking=thinking, temperature=0.2, output_schema=SHAPE), name)
    assert body["thinking"] == {"type": "adaptive"}
    assert body["output_config"]["effort"] == effort
    assert body["output_config"]["format"]["type"] == "json_schema"
    assert "temperature" not in body


def test_no_thinking_is_said_as_each_model_takes_it():
    none = asking(thinking=Thinking(effort="none"))
    assert body_of(none, "claude-opus-5")["thinking"] == {"type": "disabled"}
    assert body_of(none, "claude-sonnet-5-5")["thinking"] == {"type": "between_tools"}
    always = body_of(none, "claude-fable-5")
    assert ("thinking" in always, always["output_config"]) == (False, {"effort": "low"})


def test_quirks_say_what_a_model_of_another_name_takes():
    request = asking(thinking=Thinking(effort="high"), temperature=0.5)
    body = body_of(request, "my-profile", adaptive_thinking="my-profile", thinking_display="summarized")
    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert body_of(request, "claude-opus-5", adaptive_thinking="")["thinking"]["type"] == "enabled"
    assert "temperature" not in body_of(asking(temperature=0.5), "claude-opus-4-7")
    assert body_of(asking(temperature=0.5), "claude-opus-4-7", fixed_sampling="")["temperature"] == 0.5


def test_a_forced_tool_goes_before_thinking():
    forced = asking(tools=(TOOL,), tool_choice=ToolChoice(mode="required"), thinking=Thinking(effort="high"))
    for name in (NEW, "claude-opus-4-6"):
        body = body_of(forced, name)
        assert (body["tool_choice"], "thinking" in body) == ({"type": "any"}, False)
    # Of a model that always thinks no tool can be forced.
    body = body_of(forced, NEWEST)
    assert (body["tool_choice"], body["thinking"]) == ({"type": "auto"}, {"type": "adaptive"})


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice(mode="none", parallel=False), {"type": "none"}),
        (ToolChoice(mode="required", parallel=True), {"type": "any"}),
        (ToolChoice(mode="tool", name="look", parallel=False), {"type": "tool", "name": "look"}),
    ],
)
def test_which_tool_must_be_asked_for(choice, expected):
    wanted = expected | ({"disable_parallel_tool_use": True} if choice.parallel is False else {})
    wanted = expected if choice.mode == "none" else wanted
    assert body_of(asking(tools=(TOOL,), tool_choice=choice))["tool_choice"] == wanted
    assert "tool_choice" not in body_of(asking(tool_choice=ToolChoice(mode="auto")))


def test_a_model_without_structured_output_is_forced_to_a_tool_of_that_shape():
    body = body_of(asking(output_schema=SHAPE, thinking=Thinking(effort="high")), OLD)
    assert body["tools"][0]["name"] == body["tool_choice"]["name"] == ANSWER_TOOL
    assert body["tools"][0]["input_schema"] == SCHEMA
    assert not {"output_config", "thinking"} & set(body)
    with_tools = asking(output_schema=SHAPE, tools=(TOOL,))
    assert body_of(with_tools, OLD)["tool_choice"] == {"type": "any"}
    assert [tool["name"] for tool in body_of(with_tools, OLD)["tools"]] == ["look", ANSWER_TOOL]
    forbidden = with_tools.model_copy(update={"tool_choice": ToolChoice(mode="none")})
    assert body_of(forbidden, OLD)["tool_choice"] == {"type": "tool", "name": ANSWER_TOOL}


def test_a_schema_with_names_it_does_not_know_goes_by_a_tool_because_closed_it_could_only_be_empty():
    open_schema = {
        "type": "object",
        "properties": {"m": {"type": "object", "additionalProperties": {"type": "integer"}}},
    }
    request = asking(output_schema=OutputSchema(name="n", json_schema=open_schema))
    assert body_of(request)["tools"][0]["input_schema"] == open_schema
    assert "tools" not in body_of(request, NEWEST)


def test_a_schema_is_told_in_the_keywords_there_are():
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "n": {"type": "integer", "minimum": 1, "description": "how many"},
            "s": {"type": "string", "format": "uuid", "maxLength": 3},
            "l": {"type": "array", "items": {"$ref": "#/$defs/I"}, "minItems": 2},
            "o": {"oneOf": [{"type": "null"}, {"const": {"minimum": 1}}]},
        },
        "$defs": {"I": {"type": "object", "properties": {"minimum": {"type": "string"}}}},
    }
    request = asking(output_schema=OutputSchema(name="n", json_schema=schema))
    assert body_of(request)["output_config"]["format"]["schema"] == {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "description": "how many\n\n{minimum: 1}"},
            "s": {"type": "string", "format": "uuid", "description": "{maxLength: 3}"},
            "l": {"type": "array", "items": {"$ref": "#/$defs/I"}, "description": "{minItems: 2}"},
            "o": {"anyOf": [{"type": "null"}, {"const": {"minimum": 1}}]},
        },
        "$defs": {
            "I": {"type": "object", "properties": {"minimum": {"type": "string"}}, "additionalProperties": False}
        },
        "additionalProperties": False,
    }


def test_the_form_before_brings_its_beta_along():
    wire = encoded(asking(output_schema=SHAPE), output_schema="output_format", beta="x")
    body = json.loads(wire.body)
    assert body["output_format"]["type"] == "json_schema"
    assert "output_config" not in body
    assert wire.headers["anthropic-beta"] == "x,structured-outputs-2025-11-13"
    assert encoded(asking(), output_schema="output_format", beta="x").headers["anthropic-beta"] == "x"
