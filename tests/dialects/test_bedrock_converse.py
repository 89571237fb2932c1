import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.dialects.bedrock_converse.dialect import BedrockConverse
from harness.dialects.wire import WireResponse
from harness.exceptions import (
    Broken,
    ConfigurationInvalid,
    ContextTooLong,
    KeyRefused,
    Overloaded,
    ProviderError,
    QuotaSpent,
    RateLimited,
    RequestRefused,
)
from harness.models.catalogue import Endpoint, Model
from harness.models.messages import (
    CachePoint,
    CitationPart,
    DocumentPart,
    ImagePart,
    Message,
    ModelRequest,
    Origin,
    OtherPart,
    OutputSchema,
    ReasoningDelta,
    ReasoningPart,
    RefusalPart,
    ReplyEnd,
    ServerToolPart,
    StopReason,
    TextDelta,
    TextPart,
    Thinking,
    Tool,
    ToolCallDelta,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
    assistant,
    system,
    user,
)
from tests.dialects.bedrock_bodies import complaints, frame
from tests.dialects.wire_targets import target_of

BEDROCK = BedrockConverse()
URL = "https://bedrock-runtime.us-east-1.amazonaws.com"
SONNET_4_5 = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
SONNET_5 = "us.anthropic.claude-sonnet-5"
CLAUDE_3 = "anthropic.claude-3-sonnet-20240229-v1:0"
NOVA = "us.amazon.nova-lite-v1:0"
NOVA_2 = "us.amazon.nova-2-lite-v1:0"
GPT_OSS = "openai.gpt-oss-120b-1:0"
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
LOOK = Tool(name="look", description="looks", parameters=SCHEMA)
ORIGIN = Origin(dialect="bedrock_converse", endpoint="there", model=SONNET_4_5)
FOREIGN = ORIGIN.model_copy(update={"model": "another"})
POINT = {"cachePoint": {"type": "default"}}
PNG = base64.b64encode(b"\x89PNG").decode()


def asking(*messages, **more):
    return ModelRequest(messages=messages, max_output_tokens=more.pop("max_output_tokens", 5000), **more)


def encoded(request, model=SONNET_4_5, *, stream=False, api_key=None, **quirks):
    endpoint = Endpoint(dialect="bedrock_converse", base_url=URL, quirks=quirks, timeout_seconds=7)
    named = Model(endpoint="there", wire_name=model, context_tokens=100_000)
    return BEDROCK.encode(request, target_of(named, endpoint, base_url=URL, api_key=api_key), stream=stream)


def body_of(request, model=SONNET_4_5, **quirks):
    body = json.loads(encoded(request, model, **quirks).body)
    assert complaints(body) == []
    return body


def decoded(content, stop="end_turn", headers=None, **more):
    answer = {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": stop, **more}
    return BEDROCK.decode(WireResponse(200, headers or {}, json.dumps(answer).encode()), ORIGIN)


def call(call_id="tooluse_1", name="look", arguments='{"a": "x"}'):
    return ToolCallPart(call_id=call_id, name=name, arguments=arguments)


def result(call_id="tooluse_1", text="7", **more):
    return Message(role="tool", parts=(ToolResultPart(call_id=call_id, text=text, **more),))


def said(*parts):
    return Message(role="assistant", parts=parts)


def test_the_judge_of_bodies_sees_what_amazon_would_refuse():
    good = {"messages": [{"role": "user", "content": [{"text": "x"}]}]}
    assert complaints(good) == []
    for block in ({"tex": "x"}, {"text": "x", "image": {}}, {"text": 1}, {"toolUse": {"toolUseId": "/"}}):
        assert complaints({"messages": [{"role": "user", "content": [block]}]})
    assert complaints({"messages": [{"role": "tool", "content": []}]})
    assert complaints({**good, "serviceTier": {"type": "cheap"}})


def test_a_request_is_compact_json_with_everything_that_was_asked():
    request = asking(
        system("Be brief."),
        user("Grüße"),
        output_schema=OutputSchema(name="my answer!", json_schema=SCHEMA),
        tools=(LOOK,),
        temperature=0.5,
        stop=("END",),
        service_tier="flex",
        cache_points=(),
    )
    wire = encoded(request, api_key=" k \n")
    assert wire.body == json.dumps(json.loads(wire.body), ensure_ascii=False, separators=(",", ":")).encode()
    assert (wire.method, wire.timeout_seconds) == ("POST", 7)
    assert wire.headers == {
        "content-type": "application/json",
        "accept": "application/json",
        "authorization": "Bearer k",
    }
    schema = {"name": "my_answer_", "schema": json.dumps(SCHEMA, separators=(",", ":"))}
    assert body_of(request) == {
        "system": [{"text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"text": "Grüße"}]}],
        "inferenceConfig": {"maxTokens": 5000, "temperature": 0.5, "stopSequences": ["END"]},
        "toolConfig": {
            "tools": [{"toolSpec": {"name": "look", "description": "looks", "inputSchema": {"json": SCHEMA}}}]
        },
        "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}},
        "serviceTier": {"type": "flex"},
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
    }


def test_what_was_not_asked_is_not_sent_and_no_key_is_no_header():
    assert set(body_of(asking(user("x")), CLAUDE_3)) == {"messages", "inferenceConfig"}
    assert "authorization" not in encoded(asking(user("x"))).headers


def test_an_arns_slashes_and_colons_are_part_of_the_models_name():
    arn = "arn:aws:bedrock:us-east-1:000000000000:inference-profile/us.anthropic.claude-3-7-sonnet-20250219-v1:0"
    wire = encoded(asking(user("x")), arn, stream=True)
    name = "arn%3Aaws%3Abedrock%3Aus-east-1%3A000000000000%3Ainference-profile%2Fus.anthropic.claude-3-7-sonnet-20250219-v1%3A0"
    assert wire.url == f"{URL}/model/{name}/converse-stream"
    assert wire.headers["accept"] == "application/vnd.amazon.eventstream"
    assert encoded(asking(user("x")), "m").url == f"{URL}/model/m/converse"


def test_results_lead_the_users_turn_and_neighbours_are_one_turn():
    request = asking(
        user("a"),
        user("b"),
        said(TextPart(text="wait"), call(), call("tooluse_2", arguments="")),
        result(),
        result("tooluse_2", "no", failed=True),
        user("and?"),
        tools=(LOOK,),
        cache_points=(),
    )
    assert body_of(request)["messages"] == [
        {"role": "user", "content": [{"text": "a"}, {"text": "b"}]},
        {
            "role": "assistant",
            "content": [
                {"text": "wait"},
                {"toolUse": {"toolUseId": "tooluse_1", "name": "look", "input": {"a": "x"}}},
                {"toolUse": {"toolUseId": "tooluse_2", "name": "look", "input": {}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "tooluse_1", "content": [{"text": "7"}]}},
                {"toolResult": {"toolUseId": "tooluse_2", "content": [{"text": "no"}], "status": "error"}},
                {"text": "and?"},
            ],
        },
    ]


def test_a_model_without_a_flag_for_failed_tools_is_told_in_words():
    request = asking(user("x"), said(call()), result(text="no", failed=True), tools=(LOOK,))
    sent = body_of(request, "qwen.qwen3-32b-v1:0")["messages"][2]["content"][0]["toolResult"]
    assert sent == {"toolUseId": "tooluse_1", "content": [{"text": "Error: no"}]}


def test_foreign_call_ids_are_mapped_the_same_for_call_and_result():
    request = asking(user("x"), said(call("call/1")), result("call/1"), tools=(LOOK,))
    turns = body_of(request)["messages"]
    assert turns[1]["content"][0]["toolUse"]["toolUseId"] == turns[2]["content"][0]["toolResult"]["toolUseId"]


def test_a_history_with_calls_declares_its_tools_even_when_none_is_offered():
    request = asking(user("x"), said(call(), call("b", "find")), result(), result("b"))
    declared = [{"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}} for name in ("look", "find")]
    assert body_of(request, CLAUDE_3)["toolConfig"] == {"tools": declared}


def test_arguments_that_are_no_object_are_sent_as_one():
    request = asking(user("x"), said(call(arguments='{"a": ')), result(), tools=(LOOK,))
    assert body_of(request)["messages"][1]["content"][0]["toolUse"]["input"] == {"input": '{"a": '}


@pytest.mark.parametrize(
    ("model", "choice", "sent"),
    [
        (SONNET_4_5, ToolChoice(mode="auto"), None),
        (SONNET_4_5, ToolChoice(mode="required"), {"any": {}}),
        (SONNET_4_5, ToolChoice(mode="tool", name="look"), {"tool": {"name": "look"}}),
        ("mistral.mistral-large-2407-v1:0", ToolChoice(mode="tool", name="look"), {"any": {}}),
        (GPT_OSS, ToolChoice(mode="required"), None),
    ],
)
def test_a_choice_is_sent_in_the_words_that_the_model_has(model, choice, sent):
    assert body_of(asking(user("x"), tools=(LOOK,), tool_choice=choice), model)["toolConfig"].get("toolChoice") == sent


def test_a_forbidden_tool_is_not_offered_unless_the_history_needs_it():
    forbidden = {"tools": (LOOK,), "tool_choice": ToolChoice(mode="none")}
    assert "toolConfig" not in body_of(asking(user("x"), **forbidden))
    assert "toolConfig" in body_of(asking(user("x"), said(call()), result(), **forbidden))


@pytest.mark.parametrize(
    ("model", "thinking", "fields"),
    [
        (SONNET_4_5, Thinking(budget_tokens=2000), {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
        (SONNET_4_5, Thinking(budget_tokens=90_000), {"thinking": {"type": "enabled", "budget_tokens": 4999}}),
        (SONNET_4_5, Thinking(effort="high"), {"thinking": {"type": "enabled", "budget_tokens": 2500}}),
        (SONNET_4_5, Thinking(effort="none"), {"thinking": {"type": "disabled"}}),
        (SONNET_5, Thinking(effort="high"), {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        (SONNET_5, Thinking(budget_tokens=1), {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        (NOVA_2, Thinking(effort="low"), {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}),
        # A high effort would forbid the output limit that the money is held for.
        (NOVA_2, Thinking(effort="high"), {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}),
        (GPT_OSS, Thinking(effort="minimal"), {"reasoning_effort": "low"}),
        ("qwen.qwen3-32b-v1:0", Thinking(effort="high"), {"reasoning_config": "high"}),
        (CLAUDE_3, Thinking(effort="high"), None),
    ],
)
def test_thinking_is_asked_for_in_each_familys_words(model, thinking, fields):
    body = body_of(asking(user("x"), thinking=thinking), model)
    assert body.get("additionalModelRequestFields") == fields


def test_a_claude_that_thinks_is_given_no_temperature_and_is_not_forced():
    assert (
        "temperature"
        not in body_of(asking(user("x"), thinking=Thinking(effort="low"), temperature=0.0))["inferenceConfig"]
    )
    forced = asking(user("x"), tools=(LOOK,), tool_choice=ToolChoice(mode="required"), thinking=Thinking(effort="low"))
    body = body_of(forced)
    assert body["toolConfig"]["toolChoice"] == {"any": {}}
    assert "additionalModelRequestFields" not in body
    assert "additionalModelRequestFields" not in body_of(
        asking(user("x"), thinking=Thinking(effort="low"), max_output_tokens=1000)
    )


def test_cache_points_stand_after_system_tools_and_the_last_turn_by_default():
    body = body_of(asking(system("s"), user("x"), tools=(LOOK,)))
    assert (body["system"][-1], body["toolConfig"]["tools"][-1], body["messages"][-1]["content"][-1]) == (POINT,) * 3
    nova = body_of(asking(system("s"), user("x"), tools=(LOOK,)), NOVA)
    assert nova["system"][-1] == nova["messages"][-1]["content"][-1] == POINT
    assert POINT not in nova["toolConfig"]["tools"]


@pytest.mark.parametrize(("model", "quirks"), [(CLAUDE_3, {}), (GPT_OSS, {}), (SONNET_4_5, {"cache_points": False})])
def test_models_without_cache_points_get_none(model, quirks):
    assert b"cachePoint" not in encoded(asking(system("s"), user("x"), tools=(LOOK,)), model, **quirks).body


def test_cache_points_that_were_asked_for_stand_where_they_were_asked_for():
    points = (CachePoint(after=0, keep="1h"), CachePoint(after=1))
    request = asking(system("s"), user("x"), assistant("y"), user("z"), cache_points=points)
    body = body_of(request)
    assert body["system"] == [{"text": "s"}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    assert body["messages"][0]["content"] == [{"text": "x"}, POINT]
    assert body["messages"][2]["content"] == [{"text": "z"}]
    assert b"cachePoint" not in encoded(asking(user("x"), cache_points=())).body
    assert (
        POINT in body_of(asking(user("x")), "arn:x", known_as="anthropic.claude-sonnet-4-5")["messages"][0]["content"]
    )


def test_never_more_than_four_cache_points_and_none_after_a_document():
    many = tuple(CachePoint(after=place) for place in range(0, 12, 2))
    turns = [each for _ in range(6) for each in (user("x"), assistant("y"))]
    body = body_of(asking(*turns, user("z"), cache_points=many))
    assert json.dumps(body).count("cachePoint") == 4
    document = DocumentPart(text="words", title="notes")
    content = body_of(asking(Message(role="user", parts=(TextPart(text="read"), document))))["messages"][0]["content"]
    assert [next(iter(block)) for block in content] == ["text", "cachePoint", "document"]


def test_pictures_and_documents_go_as_data_under_names_that_amazon_takes():
    parts = (
        TextPart(text="look"),
        ImagePart(media_type="image/png", data=PNG),
        DocumentPart(media_type="application/pdf", data=PNG, title="a/b_c  (1).pdf"),
        DocumentPart(text="Grüße", title="a/b_c  (1).pdf"),
        DocumentPart(text="cite me", citations=True),
    )
    content = body_of(asking(Message(role="user", parts=parts), cache_points=()))["messages"][0]["content"]
    assert content[1] == {"image": {"format": "png", "source": {"bytes": PNG}}}
    assert [block["document"]["name"] for block in content[2:]] == ["a-b-c (1)-pdf", "a-b-c (1)-pdf (2)", "Document"]
    assert [block["document"]["format"] for block in content[2:]] == ["pdf", "txt", "txt"]
    assert base64.b64decode(content[3]["document"]["source"]["bytes"]).decode() == "Grüße"
    assert content[4]["document"]["source"] == {"text": "cite me"}
    assert content[4]["document"]["citations"] == {"enabled": True}


def test_a_turn_with_a_document_alone_says_its_name_too():
    content = body_of(asking(Message(role="user", parts=(DocumentPart(text="w", title="notes"),)), cache_points=()))[
        "messages"
    ][0]["content"]
    assert content[0] == {"text": "Document: notes"}


def test_what_came_with_a_tools_words_goes_into_its_result():
    attached = (ImagePart(media_type="image/png", data=PNG), DocumentPart(text="w", title="t"))
    request = asking(user("x"), said(call()), result(text="", attachments=attached), tools=(LOOK,), cache_points=())
    content = body_of(request)["messages"][2]["content"][0]["toolResult"]["content"]
    assert [next(iter(block)) for block in content] == ["image", "document"]


def test_blank_words_are_not_sent_and_a_refusal_goes_as_words():
    request = asking(
        user("x"), said(TextPart(text=" \n")), user("y"), said(RefusalPart(text="no")), user("z"), cache_points=()
    )
    assert [turn["content"] for turn in body_of(request)["messages"]] == [
        [{"text": "x"}, {"text": "y"}],
        [{"text": "no"}],
        [{"text": "z"}],
    ]


def test_an_unknown_quirk_is_refused_with_the_ones_there_are():
    with pytest.raises(ConfigurationInvalid, match="known_as"):
        encoded(asking(user("x")), cachepoints=True)


def test_a_key_that_no_header_can_hold_is_refused_without_being_shown():
    with pytest.raises(KeyRefused) as caught:
        encoded(asking(user("x")), api_key="ABSK\ncret")
    assert "cret" not in str(caught.value)


def test_the_rules_are_amazons():
    endpoint = Endpoint(dialect="bedrock_converse", base_url=URL)
    rules = BEDROCK.rules(Model(endpoint="there", wire_name=SONNET_4_5, context_tokens=9), endpoint)
    assert (rules.alternates, rules.user_first, rules.attachments) == (True,) * 3
    assert (rules.system, rules.arguments, rules.empty_text, rules.image_urls) == ("apart", "object", False, False)
    assert rules.thinking_bound
    assert not BEDROCK.rules(Model(endpoint="there", wire_name=NOVA_2, context_tokens=9), endpoint).thinking_bound


BLOCKS = [
    {"reasoningContent": {"reasoningText": {"text": "hm  ", "signature": "Ev8B/+=="}}},
    {"reasoningContent": {"redactedContent": "RXU4RUNr"}},
    {"text": "a "},
    {
        "citationsContent": {
            "content": [{"text": "cited"}],
            "citations": [
                {
                    "title": "policy",
                    "sourceContent": [{"text": "the "}, {"text": "source"}],
                    "location": {"documentChar": {"documentIndex": 0, "start": 58, "end": 96}},
                }
            ],
        }
    },
    {"toolUse": {"toolUseId": "t1", "name": "search", "input": {"q": "x"}, "type": "server_tool_use"}},
    {"toolResult": {"toolUseId": "t1", "content": [{"text": "found"}], "status": "success", "type": "search_result"}},
    {"searchResult": {"source": "s", "title": "t", "content": [{"text": "w"}]}},
    {"image": {"format": "png", "source": {"bytes": PNG}}},
    {"toolUse": {"toolUseId": "t2", "name": "look", "input": {"b": 1, "a": [1.5, None]}}},
]


def test_a_reply_keeps_every_kind_of_block():
    reply = decoded(BLOCKS, "tool_use", {"x-amzn-requestid": "r-1"}, extra={"kept": True})
    citation = CitationPart(source="policy", title="policy", quote="the source")
    own = {"origin": ORIGIN}
    assert reply.message.parts == (
        ReasoningPart(text="hm  ", opaque=BLOCKS[0], **own),
        ReasoningPart(text="", opaque=BLOCKS[1], **own),
        TextPart(text="a "),
        TextPart(text="cited", opaque=BLOCKS[3], **own),
        citation,
        ServerToolPart(name="search", text='search: {"q": "x"}', opaque=BLOCKS[4], **own),
        ServerToolPart(name="search", text="found", opaque=BLOCKS[5], **own),
        OtherPart(kind="searchResult", opaque=BLOCKS[6], **own),
        ImagePart(media_type="image/png", data=PNG),
        ToolCallPart(call_id="t2", name="look", arguments='{"b": 1, "a": [1.5, null]}'),
    )
    assert (reply.text, reply.stop, reply.stop_raw, reply.request_id) == ("a cited", StopReason.TOOL, "tool_use", "r-1")
    assert reply.model == SONNET_4_5
    assert reply.raw["extra"] == {"kept": True}


def test_a_same_origin_history_goes_back_block_for_block():
    request = asking(user("x"), decoded(BLOCKS).message, result("t2"), tools=(LOOK,), cache_points=())
    assert body_of(request)["messages"][1]["content"] == BLOCKS
    assert b'"signature":"Ev8B/+=="' in encoded(request).body


def test_of_another_origin_only_the_words_and_calls_go_out():
    parts = [
        part.model_copy(update={"origin": FOREIGN}) if getattr(part, "opaque", None) else part
        for part in decoded(BLOCKS).message.parts
    ]
    request = asking(user("x"), said(*parts), result("t2"), tools=(LOOK,), cache_points=())
    kinds = [next(iter(block)) for block in body_of(request)["messages"][1]["content"]]
    assert kinds == ["text", "text", "image", "toolUse"]


@pytest.mark.parametrize("model", ["us.deepseek.r1-v1:0", NOVA])
def test_models_that_refuse_their_own_thoughts_are_not_sent_them(model):
    origin = ORIGIN.model_copy(update={"model": model})
    thought = ReasoningPart(text="hm", opaque={"reasoningContent": {"reasoningText": {"text": "hm"}}}, origin=origin)
    body = body_of(asking(user("x"), said(thought, TextPart(text="y")), user("z"), cache_points=()), model)
    assert body["messages"][1]["content"] == [{"text": "y"}]


def test_thoughts_that_are_not_shown_go_back_with_an_empty_text():
    hidden = {"reasoningContent": {"reasoningText": {"signature": "s"}}}
    request = asking(user("x"), decoded([hidden, {"text": "y"}]).message, user("z"))
    assert body_of(request)["messages"][1]["content"][0] == {
        "reasoningContent": {"reasoningText": {"text": "", "signature": "s"}}
    }


def test_citations_without_words_of_their_own_are_kept_with_their_block():
    web = {"location": {"web": {"url": "https://r.example/", "domain": "r.example"}}}
    block = {"citationsContent": {"content": [{"text": ""}], "citations": [web, web]}}
    message = decoded([{"text": "a"}, block]).message
    assert [part.source for part in message.parts[1:]] == ["https://r.example/"] * 2
    assert body_of(asking(user("x"), message, user("z"), cache_points=()))["messages"][1]["content"][1] == block


def test_cached_tokens_are_added_to_the_input():
    usage = {
        "inputTokens": 22,
        "outputTokens": 13,
        "totalTokens": 2527,
        "cacheReadInputTokens": 2000,
        "cacheWriteInputTokenCount": 492,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 400}, {"ttl": "5m", "inputTokens": 92}],
    }
    found = decoded([{"text": "x"}], usage=usage).usage
    assert (found.input_tokens, found.output_tokens, found.cache_read_tokens) == (2514, 13, 2000)
    assert (found.cache_write_tokens, found.cache_write_1h_tokens, found.reasoning_tokens) == (492, 400, None)


def test_usage_that_was_not_given_is_unknown_and_never_zero():
    usage = decoded([{"text": "x"}]).usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == (None, None, None)
    assert decoded([{"text": "x"}], usage={"inputTokens": 1, "outputTokens": 2}).usage.cache_read_tokens is None


@pytest.mark.parametrize(
    ("raw", "neutral"),
    [
        ("max_tokens", "length"),
        ("stop_sequence", "stop_sequence"),
        ("guardrail_intervened", "filter"),
        ("content_filtered", "filter"),
        ("malformed_tool_use", "broken"),
        ("model_context_window_exceeded", "context"),
        ("new_word", "unknown"),
    ],
)
def test_stop_reasons_keep_their_raw_word(raw, neutral):
    reply = decoded([{"text": "x"}], raw)
    assert (reply.stop, reply.stop_raw) == (neutral, raw)


def test_the_stop_sequence_and_the_routed_model_are_said():
    reply = decoded(
        [{"text": "x"}],
        "stop_sequence",
        additionalModelResponseFields={"stop_sequence": "END"},
        trace={"promptRouter": {"invokedModelId": "arn:aws:bedrock:::foundation-model/m"}},
    )
    assert (reply.stop_sequence, reply.model) == ("END", "arn:aws:bedrock:::foundation-model/m")


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[1]", b"{}", b'{"output": {}}', b"\xff", b'{"output": {"message": {"content": 3}}}']
)
def test_an_answer_that_cannot_be_read_is_broken(body):
    with pytest.raises(Broken):
        BEDROCK.decode(WireResponse(200, {}, body), ORIGIN)


def test_an_error_instead_of_a_message_is_that_error():
    with pytest.raises(RateLimited) as caught:
        BEDROCK.decode(
            WireResponse(200, {"x-amzn-errortype": "ThrottlingException:http://x/"}, b'{"message": "slow"}'), ORIGIN
        )
    assert caught.value.maybe_billed


def streamed(*frames, size=None, headers=None):
    body = b"".join(frames)
    size = size or len(body) or 1
    decoder = BEDROCK.stream_decoder(ORIGIN, headers or {"content-type": "application/vnd.amazon.eventstream"})
    return [e for at in range(0, len(body), size) for e in decoder.feed(body[at : at + size])] + decoder.end()


def start(place, block):
    return frame("contentBlockStart", {"contentBlockIndex": place, "start": block, "p": "ab"})


def delta(place, piece):
    return frame("contentBlockDelta", {"contentBlockIndex": place, "delta": piece, "p": "abc"})


def stop(place):
    return frame("contentBlockStop", {"contentBlockIndex": place, "p": "a"})


USAGE = {"inputTokens": 5, "outputTokens": 7, "totalTokens": 12}
BEGIN = frame("messageStart", {"role": "assistant", "p": "abcdef"})
END = (
    frame("messageStop", {"stopReason": "tool_use", "p": "a"}),
    frame("metadata", {"usage": USAGE, "metrics": {"latencyMs": 9}, "p": "ab"}),
)
STREAM = (
    BEGIN,
    delta(0, {"reasoningContent": {"text": "h"}}),
    delta(0, {"reasoningContent": {"text": "m"}}),
    delta(0, {"reasoningContent": {"signature": "s="}}),
    stop(0),
    delta(1, {"reasoningContent": {"redactedContent": base64.b64encode(b"a").decode()}}),
    delta(1, {"reasoningContent": {"redactedContent": base64.b64encode(b"bc").decode()}}),
    delta(2, {"text": "grü"}),
    delta(2, {"text": "ße"}),
    delta(3, {"text": "cited"}),
    delta(3, {"citation": {"title": "t", "sourceContent": [{"text": "q"}]}}),
    start(4, {"toolUse": {"toolUseId": "s1", "name": "search", "type": "server_tool_use"}}),
    delta(4, {"toolUse": {"input": '{"q": 1}'}}),
    start(5, {"toolResult": {"toolUseId": "s1", "type": "search_result", "status": "success"}}),
    delta(5, {"toolResult": [{"text": "fo"}]}),
    delta(5, {"toolResult": [{"text": "und"}, {"json": {"n": 1}}]}),
    start(6, {"toolUse": {"toolUseId": "t1", "name": "look"}}),
    start(7, {"toolUse": {"toolUseId": "t2", "name": "find"}}),
    delta(7, {"toolUse": {"input": '{"b":'}}),
    delta(6, {"toolUse": {"input": ""}}),
    delta(7, {"toolUse": {"input": " 2}"}}),
    *END,
)
WHOLE = [
    {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s="}}},
    {"reasoningContent": {"redactedContent": base64.b64encode(b"abc").decode()}},
    {"text": "grüße"},
    {
        "citationsContent": {
            "content": [{"text": "cited"}],
            "citations": [{"title": "t", "sourceContent": [{"text": "q"}]}],
        }
    },
    {"toolUse": {"toolUseId": "s1", "name": "search", "type": "server_tool_use", "input": {"q": 1}}},
    {
        "toolResult": {
            "toolUseId": "s1",
            "type": "search_result",
            "status": "success",
            "content": [{"text": "found"}, {"json": {"n": 1}}],
        }
    },
    {"toolUse": {"toolUseId": "t1", "name": "look", "input": {}}},
    {"toolUse": {"toolUseId": "t2", "name": "find", "input": {"b": 2}}},
]


def test_a_stream_is_the_same_reply_as_the_whole_answer():
    reply = streamed(*STREAM)[-1].reply
    assert reply == decoded(WHOLE, "tool_use", usage=USAGE, metrics={"latencyMs": 9})


def test_words_thoughts_and_calls_arrive_in_pieces():
    events = streamed(*STREAM)
    assert [e.text for e in events if isinstance(e, ReasoningDelta)] == ["h", "m"]
    assert [e.text for e in events if isinstance(e, TextDelta)] == ["grü", "ße", "cited"]
    assert [(e.place, e.call_id, e.name, e.arguments) for e in events if isinstance(e, ToolCallDelta)] == [
        (0, "t1", "look", ""),
        (1, "t2", "find", ""),
        (1, "", "", '{"b":'),
        (1, "", "", " 2}"),
    ]
    assert isinstance(events[-1], ReplyEnd)


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_streams_torn_anywhere_give_the_same_events(size):
    assert streamed(*STREAM, size=size) == streamed(*STREAM)


def test_arguments_that_were_cut_stay_as_they_were_written():
    pieces = (start(0, {"toolUse": {"toolUseId": "t", "name": "look"}}), delta(0, {"toolUse": {"input": '{"a": "x'}}))
    reply = streamed(BEGIN, *pieces, frame("messageStop", {"stopReason": "max_tokens"}))[-1].reply
    assert reply.message.parts[0].arguments == '{"a": "x'
    assert reply.stop is StopReason.LENGTH


def test_events_and_pieces_that_nobody_knows_are_kept():
    new = frame("newEvent", {"said": 1})
    reply = streamed(BEGIN, delta(0, {"text": "x"}), delta(1, {"audio": {"bytes": "AA=="}}), new, *END)[-1].reply
    assert reply.raw["newEvent"] == {"said": 1}
    assert (reply.message.parts[1].kind, reply.text) == ("audio", "x")
    assert '"AA=="' in json.dumps(reply.raw)


def test_a_stream_that_ends_before_its_answer_is_broken():
    for frames in ((), STREAM[:-2], (STREAM[0],), (*STREAM[:-1], END[1][:-9])):
        with pytest.raises(Broken):
            streamed(*frames)


def test_a_stream_without_usage_is_whole_and_its_usage_unknown():
    reply = streamed(BEGIN, delta(0, {"text": "x"}), END[0])[-1].reply
    assert (reply.text, reply.usage.known) == ("x", False)


@settings(deadline=None, max_examples=60)  # the machine may be busy
@given(st.integers(0, sum(map(len, STREAM)) * 8 - 1))
def test_a_flipped_bit_anywhere_is_broken(place):
    body = bytearray(b"".join(STREAM))
    body[place // 8] ^= 1 << place % 8
    with pytest.raises(Broken):
        streamed(bytes(body))


@pytest.mark.parametrize(
    ("kind", "payload", "error"),
    [
        ("throttlingException", {"message": "slow down"}, RateLimited),
        ("modelStreamErrorException", {"message": "m", "originalMessage": "o", "originalStatusCode": 500}, Overloaded),
        ("internalServerException", {"message": "m"}, Overloaded),
        ("serviceUnavailableException", {}, Overloaded),
        ("validationException", {"message": "no such field"}, RequestRefused),
        ("validationException", {"message": "Input is too long for requested model."}, ContextTooLong),
    ],
)
def test_an_exception_inside_a_stream_is_that_error_and_may_have_been_billed(kind, payload, error):
    with pytest.raises(ProviderError) as caught:
        streamed(BEGIN, delta(0, {"text": "x"}), frame(kind, payload, "exception"))
    assert type(caught.value) is error
    assert caught.value.maybe_billed
    assert payload.get("originalMessage", "") in caught.value.message


def test_an_error_frame_without_a_model_of_its_own_is_an_error():
    with pytest.raises(Overloaded):
        streamed(BEGIN, frame("InternalServerException", {}, "error"))


def test_an_event_that_is_no_json_is_broken():
    bad = frame("messageStop", [1])
    with pytest.raises(Broken):
        streamed(BEGIN, bad)


def test_a_server_that_answers_whole_when_asked_to_stream_is_understood():
    answer = {"output": {"message": {"role": "assistant", "content": [{"text": "hi"}]}}, "stopReason": "end_turn"}
    found = streamed(json.dumps(answer).encode(), size=9, headers={"content-type": "application/json"})
    assert [type(each) for each in found] == [TextDelta, ReplyEnd]


@pytest.mark.parametrize(
    ("status", "named", "message", "error"),
    [
        (429, "ThrottlingException:http://x", "slow", RateLimited),
        (403, "AccessDeniedException", "no", KeyRefused),
        (424, "ModelErrorException", "m", Overloaded),
        (400, "ValidationException", "Input is too long for requested model.", ContextTooLong),
        (400, "ValidationException", "extraneous key [toolResult] is not permitted", RequestRefused),
        (404, "ResourceNotFoundException", "m", RequestRefused),
        (400, "ServiceQuotaExceededException", "m", QuotaSpent),
    ],
)
def test_errors_are_told_apart_by_their_header(status, named, message, error):
    headers = {"x-amzn-errortype": named, "x-amzn-requestid": "r-1"}
    found = BEDROCK.error(WireResponse(status, headers, json.dumps({"message": message}).encode()), "there")
    assert (type(found), found.request_id) == (error, "r-1")


NAMES = ["text", "toolUse", "toolResult", "reasoningContent", "reasoningText", "citationsContent", "content", "image"]
shaped = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from(NAMES), inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=6,
)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(shaped, max_size=3), st.dictionaries(st.sampled_from(["usage", "trace", "stopReason"]), shaped))
def test_whatever_a_server_sends_is_a_reply(content, more):
    answer = {"output": {"message": {"content": content}}, **more}
    body = json.dumps(answer).encode()
    reply = BEDROCK.decode(WireResponse(200, {}, body), ORIGIN)
    assert reply.message.role == "assistant"
    encoded(asking(user("x"), reply.message))


@settings(deadline=None)  # the machine may be busy
@given(
    st.lists(st.tuples(st.sampled_from(["start", "delta"]), st.integers(-1, 2), shaped), max_size=5),
)
def test_whatever_a_server_streams_is_a_reply(pieces):
    frames = [
        frame(f"contentBlock{kind.title()}", {"contentBlockIndex": place, kind: value}) for kind, place, value in pieces
    ]
    assert isinstance(streamed(BEGIN, *frames, *END)[-1], ReplyEnd)


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip)
ids = st.from_regex(r"[a-zA-Z0-9_.:-]{1,64}", fullmatch=True)
values = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words
arguments = st.dictionaries(words, values | st.lists(values, max_size=2), max_size=3)
calls = st.builds(
    ToolCallPart,
    call_id=ids,
    name=st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True),
    arguments=arguments.map(lambda value: json.dumps(value, ensure_ascii=False)),
)
thoughts = st.builds(
    lambda text, signature: ReasoningPart(
        text=text,
        opaque={"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}},
        origin=ORIGIN,
    ),
    words,
    words,
)
pictures = st.builds(ImagePart, media_type=st.just("image/gif"), data=st.just(PNG))
spoken = st.builds(TextPart, text=words) | thoughts | calls | pictures


@settings(deadline=None)  # the machine may be busy
@given(st.lists(spoken, min_size=1, max_size=5))
def test_a_turn_that_goes_out_comes_back_the_same(parts):
    turn = Message(role="assistant", parts=tuple(parts))
    request = asking(user("x"), turn, user("y"), cache_points=())
    sent = body_of(request)["messages"][1]["content"]
    assert decoded(sent).message == turn


def test_a_claude_is_told_a_temperature_and_stop_texts_as_it_takes_them():
    request = asking(user("x"), temperature=1.7, stop=(" \n", "END"))
    body = body_of(request)
    assert body["inferenceConfig"]["temperature"] == 1.0
    assert body["inferenceConfig"]["stopSequences"] == ["END"]
    other = body_of(request, NOVA)["inferenceConfig"]
    assert (other["temperature"], other["stopSequences"]) == (1.7, [" \n", "END"])
    blank = body_of(asking(user("x"), stop=(" ",)))
    assert "stopSequences" not in blank["inferenceConfig"]
    assert "additionalModelResponseFieldPaths" not in blank


@pytest.mark.parametrize("text", ["", " \n"])
def test_a_result_without_words_says_so(text):
    body = body_of(asking(user("x"), said(call()), result(text=text)))
    block = body["messages"][2]["content"][0]
    assert block["toolResult"]["content"] == [{"text": "(no output)"}]


def test_a_claude_that_always_thinks_is_told_the_least_effort_and_is_not_bound():
    fable = "us.anthropic.claude-fable-5"
    fields = body_of(asking(user("x"), thinking=Thinking(effort="none")), fable)["additionalModelRequestFields"]
    assert fields == {"output_config": {"effort": "low"}}
    endpoint = Endpoint(dialect="bedrock_converse", base_url=URL)
    assert not BEDROCK.rules(Model(endpoint="there", wire_name=fable, context_tokens=9), endpoint).thinking_bound
