"""Requests held against the published schema: the request types of OpenAI's own SDK, read strictly."""

import collections.abc
import functools
import json
import types
import typing

import pytest
import typing_extensions
from openai.types.responses import response_create_params
from pydantic import ConfigDict, TypeAdapter, ValidationError

from harness.dialects.openai_responses.dialect import OpenAIResponses
from harness.dialects.wire import WireResponse
from harness.models.catalogue import Endpoint, Model
from harness.models.messages import (
    DocumentPart,
    ImagePart,
    Message,
    ModelRequest,
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
from tests import recorded_traffic
from tests.dialects.wire_targets import target_of

RESPONSES = OpenAIResponses()
TARGET = target_of(dialect="openai_responses")
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
TOOL = Tool(name="look", description="d", parameters=SCHEMA)


@functools.cache
def strict(kind):
    """The type with no key let through that it does not name, and with lists where it says no more than iterable.

    As they are, the SDK's types take every key, and pydantic reads an iterable only when it is used.
    """
    if typing_extensions.is_typeddict(kind):
        hints = typing_extensions.get_type_hints(kind, include_extras=True)
        made = typing_extensions.TypedDict(kind.__name__, {k: strict(hint) for k, hint in hints.items()}, total=False)
        made.__pydantic_config__ = ConfigDict(extra="forbid")
        return made
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if not arguments or origin is typing.Literal:
        return kind
    inner = tuple(strict(each) for each in arguments)
    if origin in (typing.Union, types.UnionType):
        return typing.Union[inner]  # noqa: UP007 - made of a tuple
    if origin is collections.abc.Iterable or origin.__name__ == "SequenceNotStr":
        return list[inner[0]]
    return origin[inner] if len(inner) > 1 else origin[inner[0]]


@pytest.fixture(scope="module")
def published():
    """Validates a body as a request that is answered whole or streamed."""
    whole, flowing = (
        TypeAdapter(strict(kind))
        for kind in (
            response_create_params.ResponseCreateParamsNonStreaming,
            response_create_params.ResponseCreateParamsStreaming,
        )
    )
    return lambda body: (flowing if body.get("stream") else whole).validate_python(body)


def body_of(request, *, stream=False, **quirks):
    endpoint = Endpoint(base_url="http://x/v1", dialect="openai_responses", quirks=quirks)
    model = Model(endpoint="there", wire_name="wire", context_tokens=9, capabilities={"images", "documents"})
    return json.loads(RESPONSES.encode(request, target_of(model, endpoint), stream=stream).body)


def everything():
    picture, paper = ImagePart(media_type="image/png", data="aGk="), DocumentPart(url="https://x/a.pdf")
    return ModelRequest(
        messages=(
            system("s"),
            Message(
                role="user",
                parts=(
                    TextPart(text="a"),
                    ImagePart(url="https://x/i.png", detail="low"),
                    DocumentPart(media_type="application/pdf", data="aGk="),
                    DocumentPart(text="words", title="t"),
                ),
            ),
            Message(
                role="assistant",
                parts=(
                    ReasoningPart(text="hm"),
                    TextPart(text="b"),
                    RefusalPart(text="no"),
                    ServerToolPart(name="web_search", text="found"),
                    ToolCallPart(call_id="c1", name="look", arguments='{"a": "b"}'),
                    ToolCallPart(call_id="c2", name="run", arguments="1 + 1", custom=True),
                ),
            ),
            Message(
                role="tool",
                parts=(
                    ToolResultPart(call_id="c1", text="7", attachments=(picture, paper)),
                    ToolResultPart(call_id="c2", text="no", failed=True, custom=True),
                ),
            ),
            assistant("done"),
            user("and now?"),
        ),
        max_output_tokens=1000,
        output_schema=OutputSchema(name="n", json_schema=SCHEMA),
        tools=(TOOL,),
        tool_choice=ToolChoice(mode="tool", name="look", parallel=False),
        thinking=Thinking(budget_tokens=300),
        service_tier="flex",
        temperature=0.5,
        seed=1,
        stop=("x",),
    )


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "quirks", [{}, {"strict_tools": True, "reasoning_summary": "auto", "system_role": "developer"}]
)
def test_a_request_with_everything_is_one_that_openai_publishes(published, stream, quirks):
    published(body_of(everything(), stream=stream, **quirks))


@pytest.mark.parametrize("mode", ["auto", "none", "required"])
@pytest.mark.parametrize("effort", ["none", "minimal", "low", "medium", "high"])
def test_every_choice_and_effort_is_a_published_one(published, mode, effort):
    asked = {"tools": (TOOL,), "tool_choice": ToolChoice(mode=mode), "thinking": Thinking(effort=effort)}
    published(body_of(everything().model_copy(update=asked)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("seed",), 1),
        (("input", 0, "name"), "ada"),
        (("input", 1, "content", 1, "url"), "https://x"),
        (("input", 5, "id"), 3),
        (("input", 7, "output", 1, "mime"), "image/png"),
        (("tools", 0, "kind"), "function"),
        (("text", "format", "description"), 1),
        (("reasoning", "budget_tokens"), 1),
    ],
)
def test_the_schema_as_read_here_refuses_what_openai_does_not_know(published, path, value):
    body = body_of(everything())
    place = body
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ValidationError):
        published(body)


def test_every_recorded_answer_of_openai_continued_there_is_a_published_request(published):
    count = 0
    for record in recorded_traffic.recorded("openai.responses", vendors=["openai", "azure_openai"]):
        if record["status"] != 200 or record["wire"] != "json" or json.loads(record["body"])["status"] == "queued":
            continue
        reply = RESPONSES.decode(WireResponse(200, {}, record["body"].encode()), TARGET.origin)
        turns = (user("x"), reply.message, user("y"))
        request = ModelRequest(messages=turns, max_output_tokens=50)
        published(json.loads(RESPONSES.encode(request, TARGET, stream=False).body))
        count += 1
    assert count > 340
