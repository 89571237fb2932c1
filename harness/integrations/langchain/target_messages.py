"""The neutral conversation as a chat model of LangChain's is told it.

Parts that carry a block of that chat model's own get it back as it came; everything else is LangChain's standard form.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from harness.dialects.langchain.reply import ADDITIONAL
from harness.integrations.langchain.assistant_messages import tool_calls_of
from harness.integrations.langchain.content_blocks import Content, content_of_parts
from harness.models.message_parts import (
    CitationPart,
    DocumentPart,
    ImagePart,
    OtherPart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from harness.models.messages import Message


def langchain_messages(messages: Sequence[Message]) -> list[BaseMessage]:
    """The conversation, turn by turn; each tool's result is a message."""
    return [made for message in messages for made in _made(message)]


def _made(message: Message) -> Iterator[BaseMessage]:
    if message.role == "system":
        yield SystemMessage(content=message.text)
    elif message.role == "assistant":
        yield _assistant(message)
    else:
        yield from map(_result, (part for part in message.parts if isinstance(part, ToolResultPart)))
        rest = [part for part in message.parts if not isinstance(part, ToolResultPart)]
        if rest:
            yield HumanMessage(content=_content(content_of_parts(rest)))


def _result(part: ToolResultPart) -> ToolMessage:
    content: Content = part.text
    if part.attachments:
        content = content_of_parts((TextPart(text=part.text), *part.attachments))
    status = "error" if part.failed else "success"
    return ToolMessage(content=_content(content), tool_call_id=part.call_id, status=status)


def _assistant(message: Message) -> AIMessage:
    valid, invalid = tool_calls_of(message)
    blocks = [block for part in message.parts if (block := _block(part)) is not None]
    if all(isinstance(block, str) for block in blocks):
        blocks = ["".join(blocks)]
    content: Any = blocks[0] if len(blocks) == 1 and isinstance(blocks[0], str) else _standard(blocks)
    extra: dict[str, Any] = {}
    for part in message.parts:
        if isinstance(part, OtherPart) and part.kind == ADDITIONAL and part.opaque is not None:
            extra |= part.opaque
    return AIMessage(content=content, tool_calls=valid, invalid_tool_calls=invalid, additional_kwargs=extra)


def _block(part: Part) -> Any:
    """A part's place in the content; None for one that has none there."""
    if isinstance(part, OtherPart):
        return None if part.kind == ADDITIONAL else part.opaque
    if isinstance(part, ToolCallPart | ReasoningPart):
        return part.opaque
    if isinstance(part, TextPart | RefusalPart):
        return part.opaque or part.text
    if isinstance(part, CitationPart | ToolResultPart):
        return None
    if isinstance(part, ImagePart | DocumentPart):
        content = content_of_parts((part,))
        return content[0] if isinstance(content, list) else content
    return part.opaque or part.text


def _standard(blocks: Sequence[Any]) -> list[Any]:
    return [{"type": "text", "text": block} if isinstance(block, str) else block for block in blocks]


def _content(content: Content) -> Any:
    """For LangChain's constructors, whose list of blocks is of another type in each version."""
    return content
