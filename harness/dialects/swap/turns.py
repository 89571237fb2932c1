"""A conversation while it crosses a border: turns that are moved, merged and split, and the list of what was done.

The steps of a swap are in `origins`, `media`, `calls`, `pairs`, `call_ids` and `roles`. Each takes turns
and returns turns, names in `Border.changes` whatever it did, and gives back the same turn where it did nothing. Every
call passes through here, so parts are told apart by their `type`: `isinstance` of pydantic classes costs three times
as much.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from harness.dialects.dialect import WireTarget
from harness.dialects.swap.report import SwapChange, SwapReport
from harness.dialects.wire_rules import WireRules
from harness.models.messages import (
    CitationPart,
    Message,
    OtherPart,
    Part,
    ReasoningPart,
    RefusalPart,
    ServerToolPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

Thoughts = Literal["dropped", "text"]
VendorPart = TextPart | ReasoningPart | ToolCallPart | CitationPart | RefusalPart | ServerToolPart | OtherPart


@dataclass(frozen=True, slots=True)
class Turn:
    """A message that remembers where it stood.

    Args:
        places: the places in the request of what it holds; none where a step made it up.
    """

    role: Literal["system", "user", "assistant", "tool"]
    parts: tuple[Part, ...]
    places: tuple[int, ...]

    @property
    def place(self) -> int:
        """Where it began in the request."""
        return self.places[0] if self.places else 0

    @property
    def results(self) -> tuple[ToolResultPart, ...]:
        """The tool results it holds."""
        return tuple(part for part in self.parts if part.type == "tool_result")

    @property
    def calls(self) -> tuple[ToolCallPart, ...]:
        """The tool calls it holds."""
        return tuple(part for part in self.parts if part.type == "tool_call")

    def with_parts(self, parts: Iterable[Part]) -> "Turn":
        """The same turn with other parts; itself if they are the same ones."""
        new = tuple(parts)
        return self if new == self.parts else Turn(self.role, new, self.places)

    def message(self, messages: Sequence[Message]) -> Message:
        """As a message; the request's own where it is unchanged."""
        if self.places:
            was = messages[self.place]
            if was.role == self.role and was.parts is self.parts:
                return was
        return Message(role=self.role, parts=self.parts)


class Changes:
    """What was done so far, counted by message."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, str, str], int] = {}

    def add(self, message: int, what: str, became: str, count: int = 1) -> None:
        """Name one change; see `SwapChange`."""
        key = (message, what, became)
        self._counts[key] = self._counts.get(key, 0) + count

    def report(self) -> SwapReport:
        """All of them, in the order of the conversation."""
        if not self._counts:
            return SwapReport()
        ordered = sorted(self._counts.items(), key=lambda item: item[0][0])
        return SwapReport(tuple(SwapChange(*key, count) for key, count in ordered))


@dataclass(frozen=True, slots=True)
class Border:
    """Where a conversation goes, what is accepted there, and what that changed.

    Args:
        thoughts: what becomes of another model's thoughts.
    """

    target: WireTarget
    rules: WireRules
    thoughts: Thoughts = "dropped"
    changes: Changes = field(default_factory=Changes)

    def owns(self, part: VendorPart) -> bool:
        """Whether the part came from exactly the target."""
        return part.origin is not None and part.origin == self.target.origin

    def replays(self, part: Part) -> bool:
        """Whether the part goes back as the target's own block, byte for byte, so that nothing in it may change."""
        return isinstance(part, VendorPart) and part.opaque is not None and self.owns(part)


def each_part(turn: Turn, rewrite: Callable[[Part], Iterable[Part]]) -> Turn:
    """The turn with each of its parts rewritten to some or none."""
    return turn.with_parts(new for part in turn.parts for new in rewrite(part))
