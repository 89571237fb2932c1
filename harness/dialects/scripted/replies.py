"""Replies written in a YAML file, and which of them answers a chat completion request.

    replies:
      - when: "invoice 17"       # part of the last user or tool text; left out, it answers whatever nothing else does
        model: small             # optional: only requests for this wire name
        about: "invoice"         # optional: part of the first user text
        turn: 0                  # optional: how often the model has spoken before in the conversation
        text: "It is paid."      # or `json:`, or `tool_call:`, or `tool_calls:`, or `error:`
        usage: {input: 12, output: 4}
        times: 1                 # optional: at most so often in one process
        delay_ms: 50
      - json: {verdict: approved}
      - tool_call: {name: look_up, arguments: {number: 17}}
      - tool_calls: [{name: look_up, arguments: {number: 17}}, {name: look_up, arguments: "{no JSON"}]
      - error: {status: 429, message: slow down, code: rate_limit_exceeded, retry_after_seconds: 2}

Of the replies whose conditions (`when`, `about`, `turn`) all hold, those with more of them go first, each in the order
of the file. Without `times`, the same request gets the same reply whatever came before it, so that parallel and resumed
runs agree; the course of an agent is told by `turn`. Tools have the names that the model is shown, arguments written as
text are sent as they are. Where `usage` is left out, tokens are
counted as bytes/4 of the request and of the answer, rounded up: a stand-in, not a tokenizer.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.dialects.openai_chat.reply import texts_of
from harness.dialects.wire_json import objects_at, text_at
from harness.exceptions import SpecificationInvalid
from harness.json_values import Json, JsonObject, digest_of
from ontology.exceptions import YamlInvalid
from ontology.yaml_documents import read_yaml, validation_problems

BYTES_PER_TOKEN = 4


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ScriptedUsage(_Written):
    """Tokens that a reply says it used."""

    input: int = Field(ge=0)
    output: int = Field(ge=0)


class ScriptedToolCall(_Written):
    """A tool the reply asks for; arguments that are no JSON are written as text."""

    name: str
    arguments: dict[str, Json] | str = Field(default_factory=dict[str, Json])

    @property
    def sent(self) -> str:
        """The arguments as the wire has them."""
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments, ensure_ascii=False)


class ScriptedError(_Written):
    """An error instead of a reply, in OpenAI's envelope."""

    status: int = Field(ge=400, le=599)
    message: str = "scripted error"
    code: str | None = None
    retry_after_seconds: float | None = Field(default=None, ge=0)


class ScriptedReply(_Written):
    """One reply and the requests it is for; the module says what the fields mean."""

    when: str | None = Field(default=None, min_length=1)
    about: str | None = Field(default=None, min_length=1)
    turn: int | None = Field(default=None, ge=0)
    model: str | None = None
    text: str | None = None
    json_value: Json = Field(default=None, alias="json")
    tool_call: ScriptedToolCall | None = None
    tool_calls: tuple[ScriptedToolCall, ...] = ()
    error: ScriptedError | None = None
    usage: ScriptedUsage | None = None
    times: int | None = Field(default=None, ge=1)
    delay_ms: int = Field(default=0, ge=0, le=600_000)

    @model_validator(mode="after")
    def _one_answer(self) -> Self:
        words = (self.text is not None) + ("json_value" in self.model_fields_set)
        if self.error is not None and (words or self.calls):
            raise ValueError("a reply with `error` has no text, json or tool_call")
        if self.error is None and not words and not self.calls:
            raise ValueError("a reply has text, json, tool_call or error")
        if self.tool_call is not None and self.tool_calls:
            raise ValueError("a reply has tool_call or tool_calls, not both")
        if words > 1:
            raise ValueError("a reply has text or json, not both")
        return self

    @property
    def calls(self) -> tuple[ScriptedToolCall, ...]:
        """The tools it asks for, in their order."""
        return (self.tool_call,) if self.tool_call is not None else self.tool_calls

    @property
    def conditions(self) -> int:
        """How many things must hold for it beside the model."""
        return sum(each is not None for each in (self.when, self.about, self.turn))

    @property
    def content(self) -> str | None:
        """The answer's words; None where there is a tool call alone."""
        if "json_value" in self.model_fields_set:
            return json.dumps(self.json_value, ensure_ascii=False)
        return self.text

    def answers(self, model: str, asked: "AskedTexts") -> bool:
        """Whether this reply is for a request."""
        return (
            (self.model is None or self.model == model)
            and (self.when is None or self.when in asked.last)
            and (self.about is None or self.about in asked.first)
            and (self.turn is None or self.turn == asked.turn)
        )


class ScriptedReplies(_Written):
    """What a file of scripted replies holds."""

    replies: tuple[ScriptedReply, ...]

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.replies:
            raise ValueError("`replies` is empty: write at least one")
        return self

    def candidates(self, model: str, asked: "AskedTexts") -> Sequence[tuple[int, ScriptedReply]]:
        """The replies for a request with their places in the file, best first."""
        fitting = [(place, reply) for place, reply in enumerate(self.replies) if reply.answers(model, asked)]
        return sorted(fitting, key=lambda each: -each[1].conditions)


def read_scripted_replies(path: Path) -> ScriptedReplies:
    """Read a file of replies.

    Raises:
        SpecificationInvalid: it cannot be read or used; each problem by file, line, column and key.
    """
    try:
        document = read_yaml(path)
    except YamlInvalid as error:
        raise SpecificationInvalid(error.problems) from error
    except OSError as error:
        raise SpecificationInvalid([f"{path}:1:1: cannot be read: {error.strerror}"]) from error
    try:
        return ScriptedReplies.model_validate(document.value)
    except ValidationError as error:
        raise SpecificationInvalid(validation_problems(document, error, ScriptedReplies)) from error


@dataclass(frozen=True, slots=True)
class AskedTexts:
    """What a request is told apart by.

    Args:
        last: the text of its last user or tool turn.
        first: the text of its first user turn.
        turn: how many turns of it are the model's own.
    """

    last: str
    first: str
    turn: int


def asked_texts(body: JsonObject) -> AskedTexts:
    """What a request asks, and where in a conversation."""
    turns = [(text_at(turn, "role"), texts_of(turn.get("content"))[0]) for turn in objects_at(body, "messages")]
    asked = [text for role, text in turns if role in ("user", "tool")]
    first = next((text for role, text in turns if role == "user"), "")
    return AskedTexts(asked[-1] if asked else "", first, sum(role == "assistant" for role, _ in turns))


def completion_for(reply: ScriptedReply, model: str, request_bytes: int) -> JsonObject:
    """A reply as the chat completion that a server would send."""
    message: JsonObject = {"role": "assistant", "content": reply.content}
    answer = reply.content or ""
    if reply.calls:
        answer += "".join(call.name + call.sent for call in reply.calls)
        message["tool_calls"] = [_wire_call(call, place) for place, call in enumerate(reply.calls)]
    written = reply.usage or ScriptedUsage(input=_tokens(request_bytes), output=_tokens(len(answer.encode())))
    finish = "tool_calls" if reply.calls else "stop"
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": written.input,
            "completion_tokens": written.output,
            "total_tokens": written.input + written.output,
        },
    }


def stream_for(completion: JsonObject) -> bytes:
    """The same completion as server-sent events: a chunk with all of it, its end, its usage, `[DONE]`."""
    rest = {key: value for key, value in completion.items() if key not in ("choices", "usage")}
    rest["object"] = "chat.completion.chunk"
    choice = objects_at(completion, "choices")[0]
    chunks: list[JsonObject] = [
        {**rest, "choices": [{"index": 0, "delta": choice["message"], "finish_reason": None}]},
        {**rest, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]},
        {**rest, "choices": [], "usage": completion["usage"]},
    ]
    return b"".join(f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks) + b"data: [DONE]\n\n"


def _wire_call(call: ScriptedToolCall, place: int) -> JsonObject:
    function: JsonObject = {"name": call.name, "arguments": call.sent}
    # The same call has the same id, but not within one reply.
    call_id = f"call_{digest_of([function, place] if place else function)[:9]}"
    return {"id": call_id, "type": "function", "function": function}


def _tokens(byte_count: int) -> int:
    return -(-byte_count // BYTES_PER_TOKEN)
