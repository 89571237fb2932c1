"""One request as a chat model is asked it, and what it says as the JSON that the dialect `langchain` reads.

An output shape is asked for as a tool that must be called, which every package can: its call becomes the words.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage

from harness.dialects.wire import WireRequest
from harness.dialects.wire_json import object_at, parse_json, parse_object, text_at
from harness.integrations.langchain.content_blocks import block_text, block_type
from harness.integrations.langchain.target_messages import langchain_messages
from harness.json_values import Json, JsonObject
from harness.models.messages import ModelRequest
from harness.models.request_options import OutputSchema, Tool, ToolChoice

_THOUGHTS = ("reasoning", "thinking")


@dataclass(frozen=True, slots=True)
class ChatModelQuestion:
    """What is asked of one chat model.

    Args:
        model: the wire name.
        output_limit: the argument that takes the output limit; empty where there is none.
        shape: the shape that the answer must have.
    """

    model: str
    request: ModelRequest
    output_limit: str

    @classmethod
    def of(cls, wire: WireRequest) -> "ChatModelQuestion":
        """What the dialect wrote."""
        body = parse_object(wire.body)
        limit = text_at(body, "output_limit")
        return cls(text_at(body, "model"), ModelRequest.model_validate(object_at(body, "request")), limit)

    @property
    def shape(self) -> OutputSchema | None:
        """The shape that the answer must have."""
        return self.request.output_schema

    def messages(self) -> list[BaseMessage]:
        """The conversation."""
        return langchain_messages(self.request.messages)

    def arguments(self) -> dict[str, Any]:
        """What is said beside the conversation and the tools."""
        given: dict[str, Any] = {}
        if self.output_limit:
            given[self.output_limit] = self.request.max_output_tokens
        if self.request.temperature is not None:
            given["temperature"] = self.request.temperature
        if self.request.stop:
            given["stop"] = list(self.request.stop)
        return given

    def tools(self) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The tools that are bound, and the choice among them."""
        made = [_openai_tool(tool) for tool in self.request.tools]
        shape = self.shape
        if shape is not None:
            words = shape.json_schema.get("description")
            description = words if isinstance(words, str) else "Give the answer in this form."
            made.append(_openai_tool(Tool(name=shape.name, description=description, parameters=shape.json_schema)))
            return made, {"tool_choice": "any" if self.request.tools else shape.name}
        return made, _choice(self.request.tool_choice)

    def said(self, message: AIMessage) -> JsonObject:
        """The answer as the dialect reads it."""
        fields = message.model_dump(
            include={
                "content",
                "tool_calls",
                "invalid_tool_calls",
                "additional_kwargs",
                "response_metadata",
                "usage_metadata",
                "id",
            }
        )
        # Packages leave objects of their vendors' in the metadata; as words they are lost to nobody.
        plain = parse_json(json.dumps(fields, default=str))
        assert isinstance(plain, dict)
        return {"message": self._shaped(plain)}

    def whole_chunk(self, message: AIMessage) -> AIMessageChunk:
        """A whole message as the one chunk of its stream."""
        fields = message.model_dump(include={"additional_kwargs", "response_metadata", "usage_metadata", "id"})
        content: Any = message.content  # pyright: ignore[reportUnknownMemberType]
        calls = message.tool_calls, message.invalid_tool_calls
        return AIMessageChunk(content=content, tool_calls=calls[0], invalid_tool_calls=calls[1], **fields)

    def _shaped(self, message: JsonObject) -> JsonObject:
        """The message with the call of the shape as its words."""
        shape, calls = self.shape, message.get("tool_calls")
        if shape is None or not isinstance(calls, list):
            return message
        given = [call for call in calls if isinstance(call, dict) and call.get("name") == shape.name]
        if not given:
            return message
        words = json.dumps(given[0].get("args"), ensure_ascii=False)
        metadata = object_at(message, "response_metadata")
        kept: dict[str, Json] = {key: value for key, value in metadata.items() if key not in _STOPS}
        return {
            **message,
            "content": words,
            "tool_calls": [call for call in calls if call not in given],
            # It stopped to call this tool, and there was nothing else to do.
            "response_metadata": {**kept, "finish_reason": "stop"},
        }


_STOPS = frozenset({"finish_reason", "stop_reason", "stopReason", "done_reason"})


def chunk_delta(chunk: AIMessageChunk) -> JsonObject:
    """What a chunk tells: words, thoughts, pieces of calls; empty where it tells none of these."""
    blocks = _blocks(chunk)
    thoughts = cast("Mapping[str, object]", chunk.additional_kwargs).get("reasoning_content")
    said = thoughts if isinstance(thoughts, str) else ""
    for block in blocks:
        if block_type(block) in _THOUGHTS:
            said += _thought(cast("Mapping[str, object]", block))
    calls: list[Json] = [
        {
            "index": piece.get("index") or 0,
            "id": piece.get("id") or "",
            "name": piece.get("name") or "",
            "args": piece.get("args") or "",
        }
        for piece in chunk.tool_call_chunks
    ]
    told: JsonObject = {"text": "".join(map(block_text, blocks)), "reasoning": said, "tool_calls": calls}
    return {key: value for key, value in told.items() if value}


def _thought(block: Mapping[str, object]) -> str:
    found = (block.get(key) for key in ("thinking", "reasoning", "text"))
    return next((text for text in found if isinstance(text, str)), "")


def _blocks(message: AIMessage) -> Sequence[object]:
    content = cast("object", message.content)  # pyright: ignore[reportUnknownMemberType]
    return cast("list[object]", content) if isinstance(content, list) else [content]


def _openai_tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _choice(choice: ToolChoice | None) -> dict[str, Any]:
    if choice is None:
        return {}
    given: dict[str, Any] = {} if choice.parallel is None else {"parallel_tool_calls": choice.parallel}
    if choice.mode != "auto":
        given["tool_choice"] = {"required": "any", "none": "none", "tool": choice.name}[choice.mode]
    return given
