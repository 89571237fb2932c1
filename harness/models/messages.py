"""The neutral conversation: what a role is asked and what it answers, whatever the vendor.

Dialects turn these into a vendor's wire and back. Nothing here knows a vendor. The parts of a message are in
`message_parts`, what can be asked beside the conversation in `request_options`.
"""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from harness.json_values import Json, JsonObject
from harness.models.message_parts import (
    CitationPart,
    DocumentPart,
    ImagePart,
    Origin,
    OtherPart,
    Part,
    ReasoningPart,
    RefusalPart,
    ServerToolPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Value,
)
from harness.models.request_options import CachePoint, OutputSchema, Thinking, Tool, ToolChoice
from harness.models.usage import Usage

__all__ = [
    "CachePoint",
    "CitationPart",
    "DocumentPart",
    "ImagePart",
    "Message",
    "ModelReply",
    "ModelRequest",
    "Origin",
    "OtherPart",
    "OutputSchema",
    "Part",
    "ReasoningDelta",
    "ReasoningPart",
    "RefusalPart",
    "ReplyEnd",
    "ServerToolPart",
    "StopReason",
    "StreamEvent",
    "TextDelta",
    "TextPart",
    "Thinking",
    "Tool",
    "ToolCallDelta",
    "ToolCallPart",
    "ToolChoice",
    "ToolResultPart",
    "assistant",
    "system",
    "user",
]


class Message(Value):
    """One turn."""

    role: Literal["system", "user", "assistant", "tool"]
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The turn's words, without reasoning and tools."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


def system(text: str) -> Message:
    """A system turn."""
    return Message(role="system", parts=(TextPart(text=text),))


def user(text: str) -> Message:
    """A person's turn."""
    return Message(role="user", parts=(TextPart(text=text),))


def assistant(text: str) -> Message:
    """A model's turn."""
    return Message(role="assistant", parts=(TextPart(text=text),))


class ModelRequest(Value):
    """What is asked of a role.

    Args:
        max_output_tokens: always set, thoughts included: without it no upper bound can be held.
        thinking: None leaves the vendor's default.
        service_tier: the vendor's word for how the call is served; None leaves its default.
        cache_points: None puts them after system, tools and the last turn where the vendor has cache points; empty
            asks for none.
    """

    messages: tuple[Message, ...]
    max_output_tokens: int = Field(gt=0)
    output_schema: OutputSchema | None = None
    tools: tuple[Tool, ...] = ()
    temperature: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    service_tier: str | None = None
    cache_points: tuple[CachePoint, ...] | None = None


class StopReason(StrEnum):
    """Why a model stopped, vendor-free; the raw word stays beside it.

    `pause`: the vendor wants to be asked again to go on. `context`: its context was full. `broken`: what it made
    cannot be used. `unknown`: it gave no reason, or one that this version does not know.
    """

    STOP = "stop"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"
    TOOL = "tool"
    REFUSAL = "refusal"
    FILTER = "filter"
    CONTEXT = "context"
    PAUSE = "pause"
    BROKEN = "broken"
    UNKNOWN = "unknown"


class ModelReply(Value):
    """What a model answered.

    Args:
        model: the name the provider reported.
        stop_sequence: which of the request's `stop` ended it, where the vendor says so.
        raw: the reply's JSON as it came, nothing lost; of a stream, put together from its events.
    """

    message: Message
    stop: StopReason
    stop_raw: str | None
    stop_sequence: str | None = None
    usage: Usage
    model: str
    request_id: str | None = None
    raw: JsonObject = Field(default_factory=dict[str, Json])

    @property
    def text(self) -> str:
        """The answer's words."""
        return self.message.text


class TextDelta(Value):
    """Words as they arrive."""

    type: Literal["text_delta"] = "text_delta"
    text: str


class ReasoningDelta(Value):
    """Thoughts as they arrive."""

    type: Literal["reasoning_delta"] = "reasoning_delta"
    text: str


class ToolCallDelta(Value):
    """A piece of a tool call as it arrives.

    Args:
        place: which call of the reply it belongs to, from 0.
        call_id, name: with the first piece of a call, empty afterwards.
        arguments: more of the arguments' text.
    """

    type: Literal["tool_call_delta"] = "tool_call_delta"
    place: int
    call_id: str = ""
    name: str = ""
    arguments: str = ""


class ReplyEnd(Value):
    """The stream came to its end; the whole reply, the same as without a stream."""

    type: Literal["reply_end"] = "reply_end"
    reply: ModelReply


StreamEvent = TextDelta | ReasoningDelta | ToolCallDelta | ReplyEnd
