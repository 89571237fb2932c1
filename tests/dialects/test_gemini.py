import base64
import json
from itertools import pairwise

import pytest
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.dialects.gemini.dialect import Gemini
from harness.dialects.wire import WireResponse
from harness.exceptions import Broken, ConfigurationInvalid, KeyRefused, QuotaSpent, RateLimited
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
    ServerToolPart,
    StopReason,
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

GEMINI = Gemini()
OLD, NEW = "gemini-2.5-flash", "gemini-3-flash-preview"
OURS = origin_of("gemini", model=NEW)
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
LOOK = Tool(name="look", description="Looks.", parameters=SCHEMA)
SENTINEL = base64.b64encode(b"skip_thought_signature_validator").decode()


def encoded(request, *, model=NEW, stream=False, api_key=None, **quirks):
    endpoint = Endpoint(dialect="gemini", base_url="http://x/v1beta", quirks=quirks, timeout_seconds=7)
    model = Model(endpoint="there", wire_name=model, context_tokens=100)
    target = target_of(model, endpoint, base_url="http://y:1/v1beta/", api_key=api_key)
    return GEMINI.encode(request, target, stream=stream)


def asking(*messages, **more):
    return ModelRequest(messages=messages or (user("x"),), max_output_tokens=50, **more)


def body_of(request, **more):
    body = json.loads(encoded(request, **more).body)
    google_accepts(body)
    return body


def google_accepts(body):
    """Google's own request types, which forbid what they do not know."""
    for content in (*body["contents"], *([body["systemInstruction"]] if "systemInstruction" in body else [])):
        types.Content.model_validate_json(json.dumps(content))
    for tool in body.get("tools", []):
        types.Tool.model_validate_json(json.dumps(tool))
    types.ToolConfig.model_validate_json(json.dumps(body.get("toolConfig", {})))
    types.GenerationConfig.model_validate_json(json.dumps(body["generationConfig"]))
    known = {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "serviceTier"}
    assert body.keys() <= known


def config_of(request, **more):
    return body_of(request, **more)["generationConfig"]


def answer(*parts, finish="STOP", **more):
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": finish, "index": 0}
    return {"candidates": [candidate], "modelVersion": "m-1", "responseId": "r-1", **more}


def decoded(response, headers=None):
    return GEMINI.decode(WireResponse(200, headers or {}, json.dumps(response).encode()), OURS)


def parts_of(*parts, **more):
    return decoded(answer(*parts, **more)).message.parts


def turn(*parts, role="assistant"):
    return Message(role=role, parts=parts)


def result(call_id, text, **more):
    return Message(role="tool", parts=(ToolResultPart(call_id=call_id, text=text, **more),))


# --- what goes out -----------------------------------------------------------------------------------------------------


def test_a_request_is_compact_json_with_everything_that_was_asked():
    request = asking(
        system("Be brief."),
        user("Grüße"),
        tools=(LOOK,),
        tool_choice=ToolChoice(mode="tool", name="look", parallel=False),
        output_schema=OutputSchema(name="n", json_schema=SCHEMA),
        temperature=0.0,
        seed=3,
        stop=("a", "b"),
        thinking=Thinking(effort="low"),
        service_tier="flex",
        cache_points=(CachePoint(after="system"),),
    )
    wire = encoded(request, api_key=" k \n")
    assert wire.body == json.dumps(json.loads(wire.body), ensure_ascii=False, separators=(",", ":")).encode()
    assert (wire.method, wire.timeout_seconds) == ("POST", 7)
    assert body_of(request) == {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [{"role": "user", "parts": [{"text": "Grüße"}]}],
        "tools": [
            {"functionDeclarations": [{"name": "look", "description": "Looks.", "parametersJsonSchema": SCHEMA}]}
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["look"]}},
        "generationConfig": {
            "maxOutputTokens": 50,
            "temperature": 0.0,
            "seed": 3,
            "stopSequences": ["a", "b"],
            "responseMimeType": "application/json",
            "responseJsonSchema": SCHEMA,
            "thinkingConfig": {"includeThoughts": True, "thinkingLevel": "LOW"},
        },
        "serviceTier": "flex",
    }


def test_what_was_not_asked_is_not_sent():
    assert body_of(asking()) == {
        "contents": [{"role": "user", "parts": [{"text": "x"}]}],
        "generationConfig": {"maxOutputTokens": 50},
    }


def test_the_key_is_a_header_and_never_part_of_the_address():
    wire = encoded(asking(), api_key="secret")
    assert wire.headers["x-goog-api-key"] == "secret"
    assert wire.url == f"http://y:1/v1beta/models/{NEW}:generateContent"
    assert "authorization" not in encoded(asking()).headers
    with pytest.raises(KeyRefused):
        encoded(asking(), api_key="a\nb")


@pytest.mark.parametrize(
    ("name", "path"),
    [("gemini-2.5-pro", "models/gemini-2.5-pro"), ("tunedModels/mine", "tunedModels/mine"), ("a b", "models/a%20b")],
)
def test_a_stream_is_asked_for_as_events_of_the_named_model(name, path):
    assert encoded(asking(), model=name, stream=True).url == f"http://y:1/v1beta/{path}:streamGenerateContent?alt=sse"


def test_an_unknown_quirk_is_refused_with_the_ones_there_are():
    with pytest.raises(ConfigurationInvalid, match="served_by"):
        encoded(asking(), servedby="vertex")


@pytest.mark.parametrize(("mode", "word"), [("auto", "AUTO"), ("none", "NONE"), ("required", "ANY")])
def test_tool_choices_have_googles_words(mode, word):
    body = body_of(asking(tools=(LOOK,), tool_choice=ToolChoice(mode=mode)))
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": word}}
    assert "toolConfig" not in body_of(asking(tool_choice=ToolChoice(mode=mode)))


def test_no_more_stop_sequences_are_sent_than_the_wire_takes():
    assert config_of(asking(stop=tuple("abcdefg")))["stopSequences"] == list("abcde")


@pytest.mark.parametrize(
    ("model", "thinking", "sent"),
    [
        ("gemini-3-pro-preview", Thinking(effort="medium"), {"includeThoughts": True, "thinkingLevel": "LOW"}),
        ("gemini-3.1-pro-preview", Thinking(effort="medium"), {"includeThoughts": True, "thinkingLevel": "MEDIUM"}),
        ("gemini-3.1-pro-preview", Thinking(effort="none"), {"includeThoughts": False, "thinkingLevel": "LOW"}),
        (NEW, Thinking(effort="none"), {"includeThoughts": False, "thinkingLevel": "MINIMAL"}),
        ("gemini-4-any", Thinking(effort="minimal"), {"includeThoughts": True, "thinkingLevel": "LOW"}),
        (NEW, Thinking(budget_tokens=2000), {"includeThoughts": True, "thinkingBudget": 2000}),
        (OLD, Thinking(effort="medium"), {"includeThoughts": True, "thinkingBudget": 8192}),
        (OLD, Thinking(effort="none"), {"includeThoughts": False, "thinkingBudget": 0}),
        (OLD, Thinking(budget_tokens=99_999), {"includeThoughts": True, "thinkingBudget": 24_576}),
        ("gemini-2.5-pro", Thinking(effort="none"), {"includeThoughts": False, "thinkingBudget": 128}),
        ("gemini-2.5-flash-lite", Thinking(budget_tokens=9), {"includeThoughts": True, "thinkingBudget": 512}),
    ],
)
def test_thinking_is_asked_for_as_the_generation_of_the_model_takes_it(model, thinking, sent):
    assert config_of(asking(thinking=thinking), model=model)["thinkingConfig"] == sent


def test_a_model_that_does_not_think_is_not_asked_to():
    assert "thinkingConfig" not in config_of(asking(thinking=Thinking(effort="high")), model="gemini-2.0-flash")
    forced = config_of(asking(thinking=Thinking(effort="high")), model="mine", thinking="budget")
    assert forced["thinkingConfig"]["thinkingBudget"] == 24_576


def test_user_and_model_take_turns_and_results_stand_first():
    call = ToolCallPart(call_id="c1", name="look", arguments='{"a": "b"}')
    request = asking(
        user("one"), user("two"), turn(TextPart(text="let me see"), call), result("c1", "seen"), user("go on"), tools=()
    )
    assert body_of(request, model=OLD)["contents"] == [
        {"role": "user", "parts": [{"text": "one"}, {"text": "two"}]},
        {
            "role": "model",
            "parts": [
                {"text": "let me see"},
                {"functionCall": {"id": "c1", "name": "look", "args": {"a": "b"}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "c1", "name": "look", "response": {"output": "seen"}}},
                {"text": "go on"},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("text", "failed", "response"),
    [
        ('{"n": 1}', False, {"n": 1}),
        ("[1]", False, {"output": "[1]"}),
        ("words", False, {"output": "words"}),
        ('{"n": 1}', True, {"error": '{"n": 1}'}),
    ],
)
def test_a_result_is_an_object_under_googles_keys(text, failed, response):
    call = ToolCallPart(call_id="c1", name="look", arguments="")
    body = body_of(asking(user("x"), turn(call), result("c1", text, failed=failed)))
    assert body["contents"][2]["parts"][0]["functionResponse"] == {"id": "c1", "name": "look", "response": response}
    assert body["contents"][1]["parts"][0]["functionCall"]["args"] == {}


def test_ids_are_left_out_where_the_endpoint_refuses_them():
    call = ToolCallPart(call_id="c1", name="look", arguments="{}")
    body = body_of(asking(user("x"), turn(call), result("c1", "y")), call_ids=False, model=OLD)
    assert body["contents"][1]["parts"] == [{"functionCall": {"name": "look", "args": {}}}]
    assert "id" not in body["contents"][2]["parts"][0]["functionResponse"]


def test_pictures_and_documents_go_as_bytes_or_as_addresses():
    request = asking(
        turn(
            ImagePart(media_type="image/png", data="QQ=="),
            ImagePart(url="https://x/a.JPG?b=c"),
            DocumentPart(media_type="application/pdf", data="Qg==", title="t"),
            DocumentPart(text="wörter"),
            DocumentPart(url="gs://b/c", media_type="application/pdf"),
            ImagePart(url="https://x/a"),  # of what kind nobody knows, which is refused
            role="user",
        )
    )
    words = base64.b64encode("wörter".encode()).decode()
    assert body_of(request)["contents"][0]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "QQ=="}},
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://x/a.JPG?b=c"}},
        {"inlineData": {"mimeType": "application/pdf", "data": "Qg=="}},
        {"inlineData": {"mimeType": "text/plain", "data": words}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/c"}},
    ]


def test_attachments_of_a_result_stand_inside_it_or_behind_all_results_by_generation():
    picture = {"inlineData": {"mimeType": "image/png", "data": "QQ=="}}
    calls = [ToolCallPart(call_id=each, name="look", arguments="{}") for each in "ab"]
    shown = ImagePart(media_type="image/png", data="QQ==")
    request = asking(user("x"), turn(*calls), result("a", "1", attachments=(shown,)), result("b", "2"))
    inside = body_of(request)["contents"][2]["parts"]
    assert [each["functionResponse"].get("parts") for each in inside] == [[picture], None]
    behind = body_of(request, model=OLD)["contents"][2]["parts"]
    assert [list(each) for each in behind] == [["functionResponse"], ["functionResponse"], ["inlineData"]]


def test_a_foreign_call_of_the_current_turn_carries_the_sentinel_where_signatures_are_needed():
    foreign = [
        ToolCallPart(call_id=each, name="look", arguments="{}", origin=origin_of("anthropic_messages"))
        for each in "abc"
    ]
    earlier = (user("x"), turn(foreign[0]), result("a", "1"), assistant("done"))
    request = asking(*earlier, user("more"), turn(foreign[1], foreign[2]), result("b", "2"), result("c", "3"))

    def signatures(**more):
        contents = body_of(request, **more)["contents"]
        return [
            part.get("thoughtSignature") for content in contents for part in content["parts"] if "functionCall" in part
        ]

    # Of calls made at once the first is asked for a signature; turns that are over are not asked.
    assert signatures() == [None, SENTINEL, None]
    assert signatures(model=OLD) == [None] * 3
    assert signatures(model=OLD, thought_signatures="required") == [None, SENTINEL, None]
    assert signatures(thought_signatures="optional") == [None] * 3


def test_a_call_of_our_own_is_never_given_another_signature():
    parts = parts_of({"functionCall": {"id": "i", "name": "f", "args": {}}}, {"functionCall": {"name": "g"}})
    body = body_of(asking(user("x"), turn(*parts), result("i", "1"), result(parts[1].call_id, "2")))
    assert body["contents"][1]["parts"] == [
        {"functionCall": {"id": "i", "name": "f", "args": {}}},
        {"functionCall": {"name": "g"}},
    ]
    assert [each["functionResponse"].get("id") for each in body["contents"][2]["parts"]] == ["i", None]


def test_blocks_of_another_origin_are_never_sent():
    other = origin_of("gemini", model="gemini-2.5-pro")
    block = {"text": "t", "thoughtSignature": "AAAA"}
    parts = (
        TextPart(text="said", opaque=block, origin=other),
        ReasoningPart(text="thought", opaque=block, origin=other),
        ToolCallPart(call_id="c", name="f", arguments="{}", opaque={"functionCall": {}}, origin=other),
        ServerToolPart(name="code", text="t", opaque=block, origin=other),
        OtherPart(kind="k", opaque=block, origin=other),
    )
    assert body_of(asking(user("x"), turn(*parts)), model=OLD)["contents"][1]["parts"] == [
        {"text": "said"},
        {"functionCall": {"id": "c", "name": "f", "args": {}}},
    ]


def test_the_rules_are_the_wires():
    endpoint = Endpoint(dialect="gemini", base_url="http://x", quirks={"served_by": "vertex", "file_urls": False})
    rules = GEMINI.rules(Model(endpoint="there", wire_name=NEW, context_tokens=9), endpoint)
    assert (rules.system, rules.alternates, rules.user_first, rules.arguments) == ("apart", True, True, "object")
    assert rules.document_types == {"application/pdf", "text/plain"}
    assert not rules.image_urls
    assert not rules.unanswered_calls


# --- what comes back ---------------------------------------------------------------------------------------------------

SIGNED_CALL = {"functionCall": {"name": "f", "args": {"z": 1, "a": [1.5, "ü"]}}, "thoughtSignature": "c2ln"}


def test_a_reply_keeps_words_thoughts_calls_and_the_raw_answer():
    response = answer({"text": "hm", "thought": True}, {"text": "hi"}, SIGNED_CALL, extra={"kept": 1})
    reply = decoded(response)
    thoughts, words, call = reply.message.parts
    assert thoughts == ReasoningPart(text="hm", origin=OURS)
    assert words == TextPart(text="hi")
    assert (call.name, json.loads(call.arguments), call.opaque) == ("f", {"z": 1, "a": [1.5, "ü"]}, SIGNED_CALL)
    assert (reply.stop, reply.stop_raw) == (StopReason.TOOL, "STOP")
    assert (reply.model, reply.request_id, reply.raw) == ("m-1", "r-1", response)
    assert decoded(response, {"x-request-id": "req"}).request_id == "req"


def test_a_history_of_our_own_goes_back_as_it_came():
    blocks = [
        {"text": "why", "thought": True, "thoughtSignature": "QQ=="},
        {"text": "first "},
        {"text": "second", "thoughtSignature": "Qg=="},
        {"text": "", "thoughtSignature": "Qw=="},
        {"thoughtSignature": "RA=="},
        SIGNED_CALL,
        {"functionCall": {"id": "x", "name": "g", "args": {}}},
        {"functionCall": {"name": "h"}},
        {"executableCode": {"language": "PYTHON", "code": "print(1)"}, "thoughtSignature": "RQ=="},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
        {"toolCall": {"id": "t", "toolType": "FILE_SEARCH", "args": {"q": 1}}},
        {"toolResponse": {"id": "t", "toolType": "FILE_SEARCH"}},
        {"inlineData": {"mimeType": "image/png", "data": "QQ=="}},
        {"inlineData": {"mimeType": "image/png", "data": "QQ=="}, "thoughtSignature": "Rg=="},
        {"inlineData": {"mimeType": "audio/wav", "data": "QQ=="}},
        {"text": "last"},
        {"newKind": {"x": [1]}, "thought": True},
    ]
    message = decoded(answer(*blocks)).message
    kinds = [part.type for part in message.parts]
    assert kinds[:8] == ["reasoning", *["text"] * 4, *["tool_call"] * 3]
    assert kinds[8:] == [*["server_tool"] * 4, "image", "other", "other", "text", "other"]
    assert message.parts[-1].kind == "newKind"
    assert [part.text for part in message.parts[8:12]] == ["print(1)", "1", '{"q": 1}', ""]
    body = json.loads(encoded(asking(user("x"), message)).body)
    assert body["contents"][1] == {"role": "model", "parts": blocks}
    assert json.dumps(body["contents"][1]["parts"]) == json.dumps(blocks)


def test_pieces_of_one_text_are_one_part_and_empty_ones_none():
    found = parts_of({"text": "a"}, {"text": ""}, {"text": "b"}, {"text": "c", "thought": True}, {"text": "d"}, {})
    assert [(part.type, part.text) for part in found] == [("text", "ab"), ("reasoning", "c"), ("text", "d")]


def test_a_call_without_an_id_gets_the_same_one_each_time_it_is_read():
    first, second = (parts_of(*[{"functionCall": {"name": "f"}}] * 2) for _ in range(2))
    assert first == second
    assert first[0].call_id != first[1].call_id
    assert first[0].arguments == "{}"


@pytest.mark.parametrize(
    ("raw", "neutral"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("CONTINUATION", "length"),
        ("SAFETY", "filter"),
        ("MODEL_ARMOR", "filter"),
        ("MALFORMED_FUNCTION_CALL", "broken"),
        ("OTHER", "unknown"),
        ("FINISH_REASON_UNSPECIFIED", "unknown"),
        ("NEW_WORD", "unknown"),
    ],
)
def test_stop_reasons_keep_their_raw_word(raw, neutral):
    reply = decoded(answer({"text": "x"}, finish=raw))
    assert (reply.stop, reply.stop_raw) == (neutral, raw)


@pytest.mark.parametrize(
    ("number", "vertex", "gemini"),
    [
        (1, "STOP", "STOP"),
        (2, "MAX_TOKENS", "MAX_TOKENS"),
        (6, "BLOCKLIST", "LANGUAGE"),
        (9, "MALFORMED_FUNCTION_CALL", "SPII"),
        (10, "MODEL_ARMOR", "MALFORMED_FUNCTION_CALL"),
        (12, "IMAGE_PROHIBITED_CONTENT", "UNEXPECTED_TOOL_CALL"),
        (99, "99", "99"),
    ],
)
def test_a_stop_reason_in_numbers_is_read_by_the_service_that_sent_it(number, vertex, gemini):
    assert decoded(answer({"text": "x"}, finish=number, createTime="2026-01-01T00:00:00Z")).stop_raw == vertex
    assert decoded(answer({"text": "x"}, finish=number, usageMetadata={"trafficType": 1})).stop_raw == vertex
    assert decoded(answer({"text": "x"}, finish=number)).stop_raw == gemini


@pytest.mark.parametrize(
    ("reason", "raw"), [("PROHIBITED_CONTENT", "PROHIBITED_CONTENT"), ("OTHER", "OTHER"), (3, "BLOCKLIST")]
)
def test_a_blocked_prompt_is_an_empty_reply_that_the_filter_stopped(reason, raw):
    reply = decoded({"promptFeedback": {"blockReason": reason}, "usageMetadata": {"promptTokenCount": 9}})
    assert (reply.message.parts, reply.stop, reply.stop_raw) == ((), StopReason.FILTER, raw)
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (9, None)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({}, (None, None, None, None)),
        ({"promptTokenCount": 295, "candidatesTokenCount": 19, "thoughtsTokenCount": 77}, (295, 96, None, 77)),
        ({"promptTokenCount": 5, "thoughtsTokenCount": 4}, (5, 4, None, 4)),
        ({"promptTokenCount": 14, "totalTokenCount": 14}, (14, None, None, None)),
        (
            {
                "promptTokenCount": 9,
                "toolUsePromptTokenCount": 61,
                "candidatesTokenCount": 0,
                "cachedContentTokenCount": 8,
            },
            (70, 0, 8, None),
        ),
        ({"promptTokenCount": -1, "candidatesTokenCount": True, "thoughtsTokenCount": "3"}, (None, None, None, None)),
    ],
)
def test_usage_adds_thoughts_to_the_output_and_what_tools_read_to_the_input(usage, expected):
    found = decoded(answer({"text": "x"}, usageMetadata=usage)).usage
    assert (found.input_tokens, found.output_tokens, found.cache_read_tokens, found.reasoning_tokens) == expected
    assert found.cache_write_tokens is None


def test_citations_stand_behind_the_text_they_support_with_places_in_characters():
    response = answer({"text": "Grüße. "}, {"toolCall": {}}, {"text": "Ende ü."})
    response["candidates"][0] |= {
        "groundingMetadata": {
            "groundingChunks": [
                {"web": {"uri": "https://a", "title": "A"}},
                {"retrievedContext": {"title": "B", "text": "quoted"}},
                {"web": {"uri": "https://c"}},
            ],
            "groundingSupports": [
                {"segment": {"endIndex": 8}, "groundingChunkIndices": [0]},
                {"segment": {"partIndex": 2, "startIndex": 5, "endIndex": 8}, "groundingChunkIndices": [1, 7]},
            ],
        },
        "citationMetadata": {"citationSources": [{"startIndex": 9, "endIndex": 13, "uri": "https://d"}]},
    }
    reply = decoded(response)
    assert reply.message.parts[0].text == "Grüße. "
    assert reply.message.parts[1] == CitationPart(source="https://a", title="A", start=0, end=6)
    assert [part.type for part in reply.message.parts[2:4]] == ["server_tool", "text"]
    assert reply.message.parts[4:] == (
        CitationPart(source="B", title="B", quote="quoted", start=5, end=7),
        CitationPart(source="https://c"),
        CitationPart(source="https://d", start=0, end=4),
    )
    # They are no part of the content, so nothing of them goes back.
    blocks = body_of(asking(user("x"), reply.message))["contents"][1]["parts"]
    assert blocks == response["candidates"][0]["content"]["parts"]


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[1]", b"[]", b"3", b"null", b"{}", b'{"candidates": []}', b"\xff", b"[" * 100_000]
)
def test_an_answer_that_cannot_be_read_is_broken(body):
    with pytest.raises(Broken):
        GEMINI.decode(WireResponse(200, {}, body), OURS)


def test_an_error_instead_of_an_answer_is_that_error():
    error = {"error": {"code": 429, "message": "wait", "status": "RESOURCE_EXHAUSTED"}}
    for body in (error, [error]):
        with pytest.raises(RateLimited):
            decoded(body)
    spent = {"error": {"code": 402, "message": "m", "status": "insufficient_quota"}}
    assert isinstance(GEMINI.error(WireResponse(402, {}, json.dumps([spent]).encode()), "there"), QuotaSpent)


NAMES = ["candidates", "content", "parts", "text", "thought", "functionCall", "args", "name", "finishReason"]
NAMES += ["usageMetadata", "promptFeedback", "groundingMetadata", "groundingChunks", "groundingSupports", "segment"]
shaped = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from(NAMES), inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=8,
)


@settings(deadline=None)  # the machine may be busy
@given(st.fixed_dictionaries({"candidates": st.lists(st.fixed_dictionaries({"content": shaped}, optional={"groundingMetadata": shaped, "finishReason": shaped}), min_size=1)}, optional={"usageMetadata": shaped, "promptFeedback": shaped}))  # fmt: skip
def test_whatever_a_server_sends_is_a_reply(response):
    assert decoded(response).message.role == "assistant"


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.dictionaries(words, inner, max_size=2) | st.lists(inner, max_size=2),
    max_leaves=4,
)
arguments = st.dictionaries(words, json_values, max_size=3).map(lambda value: json.dumps(value, ensure_ascii=False))
calls = st.builds(ToolCallPart, call_id=words, name=words, arguments=arguments, origin=st.just(OURS))
pictures = st.builds(ImagePart, media_type=st.just("image/png"), data=st.just("QQ=="))
thoughts = st.builds(ReasoningPart, text=words, origin=st.just(OURS))
signed = st.builds(
    lambda text: TextPart(text=text, opaque={"text": text, "thoughtSignature": "QQ=="}, origin=OURS),
    words | st.just(""),
)


def no_two_of_a_kind(parts):
    """Neighbouring texts are one text on this wire."""
    kinds = [(part.type, getattr(part, "opaque", None) is None) for part in parts]
    return not any(a == b and a[0] in ("text", "reasoning") and a[1] for a, b in pairwise(kinds))


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.builds(TextPart, text=words) | thoughts | calls | pictures | signed, min_size=1, max_size=6).filter(no_two_of_a_kind))  # fmt: skip
def test_a_turn_that_goes_out_comes_back_the_same(parts):
    message = turn(*parts)
    content = json.loads(encoded(asking(user("x"), message)).body)["contents"][1]
    assert decoded({"candidates": [{"content": content}], "responseId": "r"}).message == message
