"""The neutral conversation: what a role is asked and what it answers, whatever the vendor.

Dialects turn these into a vendor's wire and back. Nothing here knows a vendor.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.json_values import Json, JsonObject
from harness.models.usage import Usage


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TextPart(_Value):
    """Words."""

    type: Literal["text"] = "text"
    text: str


class ReasoningPart(_Value):
    """What a model thought before it answered; `opaque` belongs to its origin and crosses no border."""

    type: Literal["reasoning"] = "reasoning"
    text: str
    opaque: JsonObject | None = None
    origin: str | None = None


class ToolCallPart(_Value):
    """A model asks for a tool; `arguments` is the original JSON text, parsed on demand."""

    type: Literal["tool_call"] = "tool_call"
    call_id: str
    name: str
    arguments: str


class ToolResultPart(_Value):
    """What a tool answered."""

    type: Literal["tool_result"] = "tool_result"
    call_id: str
    text: str
    failed: bool = False


class RefusalPart(_Value):
    """The model declined, in words."""

    type: Literal["refusal"] = "refusal"
    text: str


Part = Annotated[TextPart | ReasoningPart | ToolCallPart | ToolResultPart | RefusalPart, Field(discriminator="type")]


class Message(_Value):
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


class Tool(_Value):
    """A tool a model may ask for; `parameters` is a JSON Schema of an object."""

    name: str
    description: str
    parameters: JsonObject


class OutputSchema(_Value):
    """The shape an answer must have, as JSON Schema."""

    name: str
    json_schema: JsonObject


class ModelRequest(_Value):
    """What is asked of a role.

    `max_output_tokens` is always set: without it no upper bound can be held.
    """

    messages: tuple[Message, ...]
    max_output_tokens: int = Field(gt=0)
    output_schema: OutputSchema | None = None
    tools: tuple[Tool, ...] = ()
    temperature: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()


class StopReason(StrEnum):
    """Why a model stopped, vendor-free; the raw word stays beside it."""

    STOP = "stop"
    LENGTH = "length"
    TOOL = "tool"
    REFUSAL = "refusal"
    FILTER = "filter"
    CONTEXT = "context"
    BROKEN = "broken"
    UNKNOWN = "unknown"


class ModelReply(_Value):
    """What a model answered.

    `model` is the name the provider reported; `raw` the reply's JSON as it came, nothing lost.
    """

    message: Message
    stop: StopReason
    stop_raw: str | None
    usage: Usage
    model: str
    request_id: str | None = None
    raw: JsonObject = Field(default_factory=dict[str, Json])

    @property
    def text(self) -> str:
        """The answer's words."""
        return self.message.text


class TextDelta(_Value):
    """Words as they arrive."""

    type: Literal["text_delta"] = "text_delta"
    text: str


class ReasoningDelta(_Value):
    """Thoughts as they arrive."""

    type: Literal["reasoning_delta"] = "reasoning_delta"
    text: str


class ReplyEnd(_Value):
    """The stream came to its end; the whole reply, the same as without a stream."""

    type: Literal["reply_end"] = "reply_end"
    reply: ModelReply


StreamEvent = TextDelta | ReasoningDelta | ReplyEnd
