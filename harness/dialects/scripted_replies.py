"""Replies written in a YAML file, and which of them answers a chat completion request.

    replies:
      - when: "invoice 17"       # part of the last user or tool text; left out, it answers whatever nothing else does
        model: small             # optional: only requests for this wire name
        text: "It is paid."      # or `json:`, or `tool_call:`, or `error:`
        usage: {input: 12, output: 4}
        times: 1                 # optional: at most so often in one process
        delay_ms: 50
      - json: {verdict: approved}
      - tool_call: {name: look_up, arguments: {number: 17}}
      - error: {status: 429, message: slow down, code: rate_limit_exceeded, retry_after_seconds: 2}

Replies with `when` go before those without, each in the order of the file. Without `times`, the same request gets the
same reply whatever came before it, so that parallel and resumed runs agree. Where `usage` is left out, tokens are
counted as bytes/4 of the request and of the answer, rounded up: a stand-in, not a tokenizer.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.dialects.openai_chat_reply import texts_of
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
    """A tool the reply asks for."""

    name: str
    arguments: dict[str, Json] = Field(default_factory=dict)


class ScriptedError(_Written):
    """An error instead of a reply, in OpenAI's envelope."""

    status: int = Field(ge=400, le=599)
    message: str = "scripted error"
    code: str | None = None
    retry_after_seconds: float | None = Field(default=None, ge=0)


class ScriptedReply(_Written):
    """One reply and the requests it is for; the module says what the fields mean."""

    when: str | None = Field(default=None, min_length=1)
    model: str | None = None
    text: str | None = None
    json_value: Json = Field(default=None, alias="json")
    tool_call: ScriptedToolCall | None = None
    error: ScriptedError | None = None
    usage: ScriptedUsage | None = None
    times: int | None = Field(default=None, ge=1)
    delay_ms: int = Field(default=0, ge=0, le=600_000)

    @model_validator(mode="after")
    def _one_answer(self) -> Self:
        words = (self.text is not None) + ("json_value" in self.model_fields_set)
        if self.error is not None and (words or self.tool_call is not None):
            raise ValueError("a reply with `error` has no text, json or tool_call")
        if self.error is None and not words and self.tool_call is None:
            raise ValueError("a reply has text, json, tool_call or error")
        if words > 1:
            raise ValueError("a reply has text or json, not both")
        return self

    @property
    def content(self) -> str | None:
        """The answer's words; None where there is a tool call alone."""
        if "json_value" in self.model_fields_set:
            return json.dumps(self.json_value, ensure_ascii=False)
        return self.text

    def answers(self, model: str, asked: str) -> bool:
        """Whether this reply is for a request."""
        return (self.model is None or self.model == model) and (self.when is None or self.when in asked)


class ScriptedReplies(_Written):
    """What a file of scripted replies holds."""

    replies: tuple[ScriptedReply, ...]

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.replies:
            raise ValueError("`replies` is empty: write at least one")
        return self

    def candidates(self, model: str, asked: str) -> Sequence[tuple[int, ScriptedReply]]:
        """The replies for a request with their places in the file, best first."""
        fitting = [(place, reply) for place, reply in enumerate(self.replies) if reply.answers(model, asked)]
        return sorted(fitting, key=lambda each: each[1].when is None)


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


def asked_text(body: JsonObject) -> str:
    """What a request asks: the text of its last user or tool turn."""
    turns = [turn for turn in objects_at(body, "messages") if text_at(turn, "role") in ("user", "tool")]
    return texts_of(turns[-1].get("content"))[0] if turns else ""


def completion_for(reply: ScriptedReply, model: str, request_bytes: int) -> JsonObject:
    """A reply as the chat completion that a server would send."""
    message: JsonObject = {"role": "assistant", "content": reply.content}
    answer = reply.content or ""
    if reply.tool_call is not None:
        arguments = json.dumps(reply.tool_call.arguments, ensure_ascii=False)
        answer += reply.tool_call.name + arguments
        function: JsonObject = {"name": reply.tool_call.name, "arguments": arguments}
        call_id = f"call_{digest_of(function)[:9]}"
        message["tool_calls"] = [{"id": call_id, "type": "function", "function": function}]
    written = reply.usage or ScriptedUsage(input=_tokens(request_bytes), output=_tokens(len(answer.encode())))
    finish = "tool_calls" if reply.tool_call else "stop"
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


def _tokens(byte_count: int) -> int:
    return -(-byte_count // BYTES_PER_TOKEN)
