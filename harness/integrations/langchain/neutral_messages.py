"""LangChain's messages as the neutral conversation that roles are asked.

A model's turn carries its neutral message in `additional_kwargs["harness"]` where its content and tool calls cannot say
it all (`assistant_messages`); a turn that somebody edited is read from what it now says.
"""

import json
from collections.abc import Sequence
from typing import cast

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from harness.exceptions import ConfigurationInvalid
from harness.integrations.langchain.assistant_messages import assistant_message
from harness.integrations.langchain.content_blocks import block_type, parts_of_content
from harness.models.message_parts import DocumentPart, ImagePart, Part, TextPart, ToolResultPart
from harness.models.messages import Message

_ROLES = {"user": "user", "human": "user", "system": "system", "developer": "system", "assistant": "assistant"}


def neutral_messages(messages: Sequence[BaseMessage]) -> tuple[Message, ...]:
    """The conversation, turn by turn.

    Raises:
        ConfigurationInvalid: a message or a block that no model can be told.
    """
    return tuple(turn for turn in map(_turn, messages) if turn.parts)


def _turn(message: BaseMessage) -> Message:
    if isinstance(message, AIMessage):
        return assistant_message(message)
    if isinstance(message, ToolMessage):
        return Message(role="tool", parts=(_result(message),))
    if isinstance(message, SystemMessage):
        return Message(role="system", parts=_content(message))
    if isinstance(message, HumanMessage):
        return Message(role="user", parts=_content(message))
    if isinstance(message, ChatMessage) and message.role in _ROLES:
        return Message.model_validate({"role": _ROLES[message.role], "parts": _content(message)})
    remedy = "a conversation is of system, human, AI and tool messages"
    if isinstance(message, FunctionMessage):
        remedy = "functions are tools now: make a ToolMessage with the id of the call"
    raise ConfigurationInvalid("message", message.type, "a LangChain conversation", remedy)


def _content(message: BaseMessage) -> tuple[Part, ...]:
    return parts_of_content(cast("object", message.content))  # pyright: ignore[reportUnknownMemberType]


def _result(message: ToolMessage) -> ToolResultPart:
    """A tool's answer; its `artifact` is for the program and never told to a model."""
    content = cast("object", message.content)  # pyright: ignore[reportUnknownMemberType]
    parts = parts_of_content(_readable(content))
    media = tuple(part for part in parts if isinstance(part, ImagePart | DocumentPart))
    return ToolResultPart(
        call_id=message.tool_call_id,
        text="".join(part.text for part in parts if isinstance(part, TextPart)),
        failed=message.status == "error",
        attachments=media or None,
    )


def _readable(content: object) -> object:
    """Blocks that say nothing of their kind are a tool's own data: told as JSON."""
    if not isinstance(content, list):
        return content
    blocks = cast("list[object]", content)
    return [
        block if isinstance(block, str) or block_type(block) else json.dumps(block, ensure_ascii=False, default=str)
        for block in blocks
    ]
