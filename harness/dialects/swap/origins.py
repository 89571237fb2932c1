"""Parts that another vendor, model or account made: their opaque blocks stay behind, their words go on."""

from harness.dialects.swap.turns import Border, Turn, VendorPart
from harness.models.messages import (
    CitationPart,
    OtherPart,
    Part,
    ReasoningPart,
    RefusalPart,
    ServerToolPart,
    TextPart,
    ToolCallPart,
)


def without_foreign(turn: Turn, border: Border) -> Turn:
    """The turn with nothing opaque of another origin.

    Words, calls and refusals keep what they say and lose their block. A server tool becomes its text. Citations and
    unknown blocks, which only their vendor can read, are dropped.
    """
    kept: list[Part] = []
    for part in turn.parts:
        kept += _across(part, turn.place, kept, border)
    return turn.with_parts(kept)


def _across(part: Part, place: int, before: list[Part], border: Border) -> tuple[Part, ...]:
    if not isinstance(part, VendorPart) or border.owns(part):
        return (part,)
    match part:
        case ReasoningPart():
            return _thoughts(part, place, border)
        case TextPart() | ToolCallPart() | RefusalPart():
            return (_without_block(part, place, border),)
        case ServerToolPart():
            border.changes.add(place, "server_tool", "text")
            return (TextPart(text=part.text if part.text.strip() else f"[{part.name}]"),)
        case CitationPart() | OtherPart():
            if _of_own_text(part, before, border):
                return (part,)
            border.changes.add(place, part.type, "dropped")
            return ()


def _without_block(part: TextPart | ToolCallPart | RefusalPart, place: int, border: Border) -> Part:
    if part.opaque is None:
        return part
    border.changes.add(place, "vendor_block", "plain")
    return part.model_copy(update={"opaque": None, "origin": None})


def _of_own_text(part: CitationPart | OtherPart, before: list[Part], border: Border) -> bool:
    """Whether it is a citation that the block of the text before it already holds."""
    if not isinstance(part, CitationPart) or part.opaque is not None or part.origin is not None:
        return False
    supported = next((each for each in reversed(before) if not isinstance(each, CitationPart)), None)
    return isinstance(supported, TextPart) and border.replays(supported)


def _thoughts(part: ReasoningPart, place: int, border: Border) -> tuple[Part, ...]:
    # Thoughts are input like any other text and are billed as it, while the answer that they led to stands beside
    # them; the vendors themselves leave those of earlier turns out. So they are dropped unless asked for.
    if border.rules.plain_reasoning and part.opaque is None and part.origin is None:
        return (part,)
    if border.thoughts == "text" and part.text.strip():
        border.changes.add(place, "reasoning", "text")
        return (TextPart(text=f"<thinking>\n{part.text}\n</thinking>"),)
    border.changes.add(place, "reasoning", "dropped")
    return ()
