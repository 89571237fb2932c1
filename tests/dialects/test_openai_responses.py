import json

import pytest

from harness.dialects.openai_responses.dialect import OpenAIResponses
from harness.dialects.openai_responses.quirks import OpenAIResponsesQuirks
from harness.exceptions import (
    ConfigurationInvalid,
    KeyRefused,
)
from harness.models.catalogue import Endpoint, Model
from harness.models.messages import (
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

RESPONSES = OpenAIResponses()
MODEL = Model(endpoint="there", wire_name="a/b:c;d", context_tokens=100)
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}


def encoded(request, *, stream=False, api_key=None, model=MODEL, **quirks):
    endpoint = Endpoint(base_url="http://x/v1", dialect="openai_responses", quirks=quirks, timeout_seconds=7)
    target = target_of(model, endpoint, base_url="http://y:1/v1/", api_key=api_key)
    return RESPONSES.encode(request, target, stream=stream)


def asking(*messages, **more):
    return ModelRequest(messages=messages, max_output_tokens=50, **more)


def body_of(request, **more):
    return json.loads(encoded(request, **more).body)


def items_of(*messages, **more):
    return body_of(asking(*messages), **more)["input"]


def test_a_request_is_compact_json_with_everything_that_was_asked():
    request = asking(
        system("Be brief."),
        user("Grüße"),
        output_schema=OutputSchema(name="my answer!", json_schema=SCHEMA),
        tools=(Tool(name="t", description="d", parameters=SCHEMA),),
        tool_choice=ToolChoice(mode="tool", name="t", parallel=False),
        thinking=Thinking(effort="low"),
        service_tier="flex",
        temperature=0.0,
        seed=3,
        stop=("END",),
    )
    wire = encoded(request, api_key=" k \n")
    assert wire.body == json.dumps(json.loads(wire.body), ensure_ascii=False, separators=(",", ":")).encode()
    assert (wire.method, wire.url, wire.timeout_seconds) == ("POST", "http://y:1/v1/responses", 7)
    assert wire.headers["authorization"] == "Bearer k"
    assert json.loads(wire.body) == {
        "model": "a/b:c;d",
        "input": [
            {"type": "message", "role": "system", "content": "Be brief."},
            {"type": "message", "role": "user", "content": "Grüße"},
        ],
        "max_output_tokens": 50,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "tools": [{"type": "function", "name": "t", "description": "d", "parameters": SCHEMA, "strict": False}],
        "tool_choice": {"type": "function", "name": "t"},
        "parallel_tool_calls": False,
        "text": {"format": {"type": "json_schema", "name": "my_answer_", "schema": SCHEMA, "strict": True}},
        "reasoning": {"effort": "low"},
        "service_tier": "flex",
        "temperature": 0.0,
    }


def test_what_was_not_asked_is_not_sent_and_nothing_is_ever_stored():
    body = body_of(asking(user("x"), tool_choice=ToolChoice()), include_encrypted=False)
    assert set(body) == {"model", "input", "max_output_tokens", "store"}
    assert body["store"] is False
    assert body_of(asking(user("x")), stream=True)["stream"] is True


@pytest.mark.parametrize(
    ("capabilities", "thinking", "asked"),
    [
        (set(), None, True),
        ({"tools"}, None, False),
        ({"thinking"}, None, True),
        ({"tools"}, Thinking(effort="low"), True),
    ],
)
def test_encrypted_reasoning_is_asked_of_models_that_may_think(capabilities, thinking, asked):
    model = MODEL.model_copy(update={"capabilities": frozenset(capabilities)})
    assert ("include" in body_of(asking(user("x"), thinking=thinking), model=model)) is asked


@pytest.mark.parametrize(
    ("budget", "effort"), [(1, "low"), (17, "low"), (18, "medium"), (32, "medium"), (33, "high"), (50, "high")]
)
def test_a_budget_of_thought_becomes_the_effort_of_its_share_of_the_output(budget, effort):
    assert body_of(asking(user("x"), thinking=Thinking(budget_tokens=budget)))["reasoning"] == {"effort": effort}


def test_quirks_change_what_is_sent():
    request = asking(
        system("s"),
        thinking=Thinking(effort="high"),
        tools=(Tool(name="t", description="d", parameters=SCHEMA),),
        output_schema=OutputSchema(name="n", json_schema=SCHEMA),
    )
    quirks = {"reasoning_summary": "auto", "strict_tools": True, "system_role": "developer"}
    body = body_of(request, strict_schema=False, **quirks)
    assert body["reasoning"] == {"effort": "high", "summary": "auto"}
    assert body["tools"][0]["strict"] is True
    assert body["input"][0]["role"] == "developer"
    assert "strict" not in body["text"]["format"]
    off = asking(user("x"), thinking=Thinking(effort="none"))
    assert body_of(off, reasoning_summary="auto")["reasoning"] == {"effort": "none"}
    assert encoded(request, api_key="k", api_key_header="api-key").headers["api-key"] == "k"


def test_an_unknown_quirk_is_refused_with_the_ones_there_are():
    endpoint = Endpoint(base_url="http://x", dialect="openai_responses", quirks={"include": True})
    with pytest.raises(ConfigurationInvalid, match="include_encrypted"):
        OpenAIResponsesQuirks.of("there", endpoint)
    with pytest.raises(ConfigurationInvalid):
        RESPONSES.rules(MODEL, endpoint)


def test_a_key_that_no_header_can_hold_is_refused_without_being_shown():
    with pytest.raises(KeyRefused) as caught:
        encoded(asking(user("x")), api_key="sk-se\ncret")
    assert "cret" not in str(caught.value)


def test_rules_follow_what_the_model_can_see_and_the_server_takes():
    endpoint = Endpoint(base_url="http://x", dialect="openai_responses")
    seeing = MODEL.model_copy(update={"capabilities": frozenset({"images", "documents"})})
    rules = RESPONSES.rules(seeing, endpoint)
    assert "image/webp" in rules.image_types
    assert "application/pdf" in rules.document_types
    assert (rules.image_urls, rules.document_urls, rules.attachments, rules.custom_calls) == (True,) * 4
    assert (rules.system, rules.unanswered_calls) == ("anywhere", False)
    blind = RESPONSES.rules(MODEL.model_copy(update={"capabilities": frozenset({"tools"})}), endpoint)
    assert (blind.image_types, blind.image_urls, blind.attachments) == (frozenset(), False, False)
    assert RESPONSES.rules(MODEL, endpoint).image_urls  # of which nothing is known
    plain = Endpoint(base_url="http://x", dialect="openai_responses", quirks={"attachments": False})
    assert RESPONSES.rules(seeing, plain).attachments is False


def test_a_tool_loop_goes_out_as_items_in_their_order():
    calls = (
        ToolCallPart(call_id="call_1", name="look", arguments=""),
        ToolCallPart(call_id="call_2", name="run", arguments="1 + 1", custom=True),
    )
    results = (ToolResultPart(call_id="call_1", text="7"), ToolResultPart(call_id="call_2", text="no", failed=True))
    said = (ReasoningPart(text="hm"), TextPart(text="I look."), *calls)
    items = items_of(
        user("x"), Message(role="assistant", parts=said), Message(role="tool", parts=results), assistant("done")
    )
    assert items[1:] == [
        {"type": "message", "role": "assistant", "content": "I look."},
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "call_2", "name": "run", "input": "1 + 1"},
        {"type": "function_call_output", "call_id": "call_1", "output": "7"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": "Error: no"},
        {"type": "message", "role": "assistant", "content": "done"},
    ]


def test_pictures_and_documents_go_out_as_content_also_in_a_tool_s_result():
    picture, paper = (
        ImagePart(media_type="image/png", data="aGk="),
        DocumentPart(media_type="application/pdf", data="JQ"),
    )
    plain = DocumentPart(media_type="text/plain", data="aGk=", title="t")
    seen = Message(role="user", parts=(TextPart(text="a"), picture, plain, DocumentPart(url="https://x/a.pdf")))
    result = ToolResultPart(call_id="c", text="", attachments=(ImagePart(url="https://x/i.png", detail="low"), paper))
    items = items_of(seen, Message(role="tool", parts=(result, TextPart(text="and"))))
    assert items == [
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "a"},
                {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "auto"},
                {"type": "input_text", "text": "t\n\nhi"},
                {"type": "input_file", "file_url": "https://x/a.pdf"},
            ],
        },
        {
            "type": "function_call_output",
            "call_id": "c",
            "output": [
                {"type": "input_image", "image_url": "https://x/i.png", "detail": "low"},
                {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,JQ"},
            ],
        },
        {"type": "message", "role": "user", "content": "and"},
    ]
