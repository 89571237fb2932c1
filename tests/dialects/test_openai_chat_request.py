"""What is asked, as the wire has words for it, held against the types of OpenAI's own SDK."""

import json
from collections.abc import Iterable

import pytest
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from pydantic import TypeAdapter

from harness.dialects.openai_chat.dialect import OpenAIChat
from harness.exceptions import ConfigurationInvalid
from harness.models.catalogue import Endpoint, Model, builtin_catalogue
from harness.models.messages import (
    CachePoint,
    DocumentPart,
    ImagePart,
    Message,
    ModelRequest,
    OutputSchema,
    ReasoningPart,
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
from tests.dialects.wire_targets import target_of

CHAT = OpenAIChat()
MODEL = Model(endpoint="there", wire_name="a/b:c;d", context_tokens=100)
OPENAI = dict(builtin_catalogue().endpoints["openai"].quirks)
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
TOOL = Tool(name="look", description="d", parameters=SCHEMA)
PNG = ImagePart(media_type="image/png", data="aGk=", detail="low")
PDF = DocumentPart(media_type="application/pdf", data="aGk=", title="a.pdf")
SDK = {False: TypeAdapter(CompletionCreateParamsNonStreaming), True: TypeAdapter(CompletionCreateParamsStreaming)}


def encoded(request, *, stream=False, **quirks):
    endpoint = Endpoint(base_url="http://x/v1", quirks=quirks)
    return CHAT.encode(request, target_of(MODEL, endpoint, base_url="http://y/v1"), stream=stream)


def body_of(request, **more):
    return json.loads(encoded(request, **more).body)


def asking(*messages, **more):
    return ModelRequest(messages=messages or (user("x"),), max_output_tokens=1000, **more)


def kept(value):
    """What the SDK's types know of a value; a field that they do not know is not in it."""
    if isinstance(value, dict):
        return {key: kept(item) for key, item in value.items()}
    return [kept(item) for item in value] if isinstance(value, Iterable) and not isinstance(value, str) else value


CALL = ToolCallPart(call_id="call_1", name="look", arguments='{"n": 1}')
CUSTOM = ToolCallPart(call_id="call_2", name="math", arguments="4 + 4", custom=True)
RESULTS = (ToolResultPart(call_id="call_1", text="7"), ToolResultPart(call_id="call_2", text="8", custom=True))
LOOP = (user("x"), Message(role="assistant", parts=(CALL, CUSTOM)), Message(role="tool", parts=RESULTS))
EVERYTHING = asking(
    system("Be brief."),
    Message(role="user", parts=(TextPart(text="what is it?"), PNG, ImagePart(url="https://h/a.png"), PDF)),
    *LOOP[1:],
    assistant("done"),
    user("again"),
    output_schema=OutputSchema(name="n", json_schema=SCHEMA),
    tools=(TOOL,),
    tool_choice=ToolChoice(mode="tool", name="look", parallel=False),
    thinking=Thinking(effort="low"),
    service_tier="flex",
    temperature=1.0,
    seed=3,
    stop=("END",),
)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("request_", [EVERYTHING, asking(), asking(*LOOP, tools=(TOOL,), tool_choice=ToolChoice())])
def test_openais_own_types_know_every_field_of_a_body(request_, stream):
    body = body_of(request_, stream=stream, **OPENAI)
    assert kept(SDK[stream].validate_python(body)) == body


def test_pictures_and_documents_stand_in_the_order_they_were_given():
    content = body_of(asking(EVERYTHING.messages[1]), **OPENAI)["messages"][0]["content"]
    assert content == [
        {"type": "text", "text": "what is it?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://h/a.png"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="}},
    ]


def test_mistral_takes_a_document_as_an_address_or_as_data_in_one():
    there = DocumentPart(url="https://h/a.pdf")
    asked = asking(Message(role="user", parts=(PDF, there)))
    content = body_of(asked, documents="document_url")["messages"][0]["content"]
    assert content == [
        {"type": "document_url", "document_url": "data:application/pdf;base64,aGk=", "document_name": "a.pdf"},
        {"type": "document_url", "document_url": "https://h/a.pdf"},
    ]


def test_words_alone_become_one_text_which_every_server_takes_and_stay_apart():
    two = Message(role="user", parts=(TextPart(text="a"), TextPart(text="b")))
    assert body_of(asking(two))["messages"] == [{"role": "user", "content": "a\n\nb"}]


def test_a_custom_call_keeps_its_free_text():
    turn = body_of(asking(*LOOP))["messages"][1]
    assert turn["tool_calls"][1] == {"id": "call_2", "type": "custom", "custom": {"name": "math", "input": "4 + 4"}}


@pytest.mark.parametrize(
    ("choice", "wire"),
    [
        (ToolChoice(), {"tool_choice": "auto"}),
        (ToolChoice(mode="none"), {"tool_choice": "none"}),
        (ToolChoice(mode="required", parallel=True), {"tool_choice": "required", "parallel_tool_calls": True}),
        (
            ToolChoice(mode="tool", name="look"),
            {"tool_choice": {"type": "function", "function": {"name": "look"}}},
        ),
    ],
)
def test_a_choice_of_tools_is_said_and_only_where_there_are_tools(choice, wire):
    body = body_of(asking(tools=(TOOL,), tool_choice=choice))
    assert {key: body[key] for key in body if key in ("tool_choice", "parallel_tool_calls")} == wire
    assert not {"tool_choice", "parallel_tool_calls"} & set(body_of(asking(tool_choice=choice)))


THOUGHT = {"reasoning_effort", "reasoning", "thinking", "enable_thinking", "chat_template_kwargs"}


@pytest.mark.parametrize(
    ("thinking", "quirks", "wire"),
    [
        ({"effort": "minimal"}, {}, {"reasoning_effort": "minimal"}),
        ({"effort": "none"}, {}, {"reasoning_effort": "none"}),
        ({"budget_tokens": 900}, {}, {"reasoning_effort": "high"}),
        ({"budget_tokens": 400}, {}, {"reasoning_effort": "medium"}),
        ({"budget_tokens": 10}, {}, {"reasoning_effort": "low"}),
        ({"effort": "minimal"}, {"efforts": "low,medium,high"}, {"reasoning_effort": "low"}),
        ({"effort": "low"}, {"efforts": "none,high"}, {"reasoning_effort": "high"}),
        ({"effort": "none"}, {"efforts": "none,high"}, {"reasoning_effort": "none"}),
        ({"effort": "low"}, {"thinking": "reasoning"}, {"reasoning": {"effort": "low"}}),
        ({"budget_tokens": 300}, {"thinking": "reasoning"}, {"reasoning": {"max_tokens": 300}}),
        ({"effort": "low"}, {"thinking": "thinking"}, {"thinking": {"type": "enabled"}}),
        ({"effort": "none"}, {"thinking": "thinking"}, {"thinking": {"type": "disabled"}}),
        ({"budget_tokens": 5}, {"thinking": "enable_thinking"}, {"enable_thinking": True}),
        ({"effort": "none"}, {"thinking": "chat_template"}, {"chat_template_kwargs": {"enable_thinking": False}}),
        ({"effort": "high"}, {"thinking": "left_out"}, {}),
    ],
)
def test_thinking_is_asked_for_in_the_servers_own_words(thinking, quirks, wire):
    body = body_of(asking(thinking=Thinking(**thinking)), **quirks)
    assert {key: body[key] for key in THOUGHT & set(body)} == wire
    assert not THOUGHT & set(body_of(asking(), **quirks))


def marked(request, **quirks):
    """Where cache points stand, by message, and how long they are kept."""
    found = {}
    for place, turn in enumerate(body_of(request, cache_points=True, **quirks)["messages"]):
        for part in turn["content"] if isinstance(turn["content"], list) else []:
            if "cache_control" in part:
                found[place] = part["cache_control"].get("ttl", "5m")
    return found


def test_cache_points_stand_after_the_system_text_and_the_last_turn_unless_others_are_asked_for():
    talk = (system("a"), system("b"), user("c"), assistant("d"), user("e"))
    assert marked(asking(*talk)) == {1: "5m", 4: "5m"}
    assert marked(asking(*talk, cache_points=())) == {}
    points = (CachePoint(after=2, keep="1h"), CachePoint(after="tools"), CachePoint(after=99))
    assert marked(asking(*talk, cache_points=points)) == {2: "1h"}
    many = tuple(CachePoint(after=place) for place in range(5))
    assert sorted(marked(asking(*talk, cache_points=many))) == [1, 2, 3, 4]
    assert marked(asking(user(""))) == {}
    assert marked(asking(*LOOP)) == {3: "5m"}  # on the last of the results
    assert "cache_control" not in json.dumps(body_of(asking(*talk)))


def test_azure_is_asked_by_deployment_with_its_version_and_its_own_header():
    endpoint = Endpoint(
        base_url="https://r.openai.azure.com/openai",
        quirks={
            "path": "deployments/{model}/chat/completions",
            "query": "api-version=2024-10-21",
            "api_key_header": "api-key",
        },
    )
    target = target_of(MODEL, endpoint, base_url=endpoint.base_url, api_key="k")
    wire = CHAT.encode(asking(), target, stream=False)
    at = "https://r.openai.azure.com/openai/deployments/a%2Fb%3Ac%3Bd/chat/completions?api-version=2024-10-21"
    assert wire.url == at
    assert wire.headers["api-key"] == "k"
    assert "authorization" not in wire.headers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("path", "../admin?x"),
        ("path", "https://elsewhere/v1"),
        ("path", "a//b"),
        ("query", "a=1#b"),
        ("efforts", "some"),
        ("thinking", "loudly"),
        ("texts_at_once", "0"),
    ],
)
def test_a_quirk_that_cannot_be_meant_is_refused_with_its_name(name, value):
    with pytest.raises(ConfigurationInvalid, match=name):
        encoded(asking(), **{name: value})


def test_the_rules_follow_what_the_model_can_do_and_how_the_server_differs():
    def rules(*capabilities, **quirks):
        model = Model(endpoint="there", wire_name="w", context_tokens=9, capabilities=capabilities)
        return CHAT.rules(model, Endpoint(base_url="http://x", quirks=quirks))

    assert rules("tools").image_types == frozenset()
    assert rules("tools", "images").image_urls
    assert "image/png" in rules().image_types  # a catalogue that says nothing forbids nothing
    assert not rules("images", image_urls=False).image_urls
    assert rules("documents").document_types == frozenset()
    assert rules("documents", documents="file").document_types == {"application/pdf"}
    assert not rules("documents", documents="file").document_urls
    assert rules("documents", documents="file", document_urls=True).document_urls
    assert rules(custom_tools=True).custom_calls
    assert rules(reasoning_field="reasoning_content").plain_reasoning
    strict = rules(alternates=True)
    assert (strict.system, strict.alternates, strict.user_first) == ("first", True, True)
    assert rules().system == "anywhere"
    assert not rules().attachments


def test_what_the_wire_has_no_word_for_is_left_out():
    result = ToolResultPart(call_id="call_1", text="7", attachments=(PNG,))
    turns = body_of(asking(Message(role="tool", parts=(result,))))["messages"]
    assert turns == [{"role": "tool", "tool_call_id": "call_1", "content": "7"}]
    assert body_of(asking(Message(role="user", parts=(PDF,))))["messages"][0]["content"] == []


def test_deepseek_gets_the_field_of_its_thoughts_also_where_it_is_empty():
    turns = (Message(role="assistant", parts=(CALL,)), Message(role="assistant", parts=(ReasoningPart(text="hm"),)))
    sent = body_of(asking(*turns), reasoning_field="reasoning_content")["messages"]
    assert [turn["reasoning_content"] for turn in sent] == ["", "hm"]
    assert "reasoning_content" not in body_of(asking(*turns))["messages"][0]


@pytest.mark.parametrize(
    ("budget", "sent"), [(20, {"max_tokens": 20}), (1000, {"max_tokens": 999}), (9000, {"max_tokens": 999})]
)
def test_a_budget_of_thought_leaves_something_for_the_answer(budget, sent):
    assert (
        body_of(asking(user("x"), thinking=Thinking(budget_tokens=budget)), thinking="reasoning")["reasoning"] == sent
    )
