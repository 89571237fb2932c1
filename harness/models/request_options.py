"""What can be asked of a model beside the conversation: tools, shape, thinking, cache points."""

from typing import Literal, Self

from pydantic import Field, model_validator

from harness.json_values import JsonObject
from harness.models.message_parts import Value


class Tool(Value):
    """A tool a model may ask for; `parameters` is a JSON Schema of an object."""

    name: str
    description: str
    parameters: JsonObject


class ToolChoice(Value):
    """Whether a tool must be asked for.

    Args:
        mode: `auto` leaves it to the model, `none` forbids it, `required` wants one, `tool` wants the one named.
        parallel: whether several may be asked for at once; None leaves the vendor's default.
    """

    mode: Literal["auto", "none", "required", "tool"] = "auto"
    name: str | None = None
    parallel: bool | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        if (self.mode == "tool") != (self.name is not None):
            raise ValueError("a tool is named with mode `tool` and with no other")
        return self


class OutputSchema(Value):
    """The shape an answer must have, as JSON Schema."""

    name: str
    json_schema: JsonObject


class Thinking(Value):
    """How much a model may think before it answers; one of both says it, a dialect converts the other.

    Args:
        budget_tokens: at most so many tokens of thought; they are part of `max_output_tokens`.
        effort: the vendors' word for about how much; `none` turns thinking off.
    """

    budget_tokens: int | None = Field(default=None, gt=0)
    effort: Literal["none", "minimal", "low", "medium", "high"] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.budget_tokens is None) == (self.effort is None):
            raise ValueError("thinking is asked for by budget_tokens or by effort, exactly one of them")
        return self


class CachePoint(Value):
    """Up to here the vendor shall keep what it read, so that the same beginning is cheaper next time.

    Args:
        after: the system text, the tools, or the message at this place of the request.
        keep: how long.
    """

    after: Literal["system", "tools"] | int
    keep: Literal["5m", "1h"] = "5m"
