"""Whose turn it is: system text where the wire wants it, speakers that alternate, no turn without words."""

from itertools import pairwise

from harness.dialects.swap.turns import Border, Turn, each_part
from harness.models.messages import Part, ReasoningPart, RefusalPart, TextPart, Thinking

OPENING = "Begin."
GOING_ON = "Continue."


def without_blanks(turns: list[Turn], border: Border) -> list[Turn]:
    """The turns without empty texts, where the wire refuses these, and without turns that hold nothing.

    A last turn of the user's keeps a word, so that the model still has something to answer.
    """
    out: list[Turn] = []
    for at, turn in enumerate(turns):
        kept = turn if border.rules.empty_text else each_part(turn, lambda part, at=turn.place: _told(part, at, border))
        if kept.parts:
            out.append(kept)
        elif at == len(turns) - 1 and turn.role in {"user", "tool"}:
            border.changes.add(turn.place, "empty_turn", "filled")
            out.append(Turn("user", (TextPart(text=GOING_ON),), turn.places))
        else:
            border.changes.add(turn.place, "empty_turn", "omitted")
    return out


def _told(part: Part, place: int, border: Border) -> tuple[Part, ...]:
    if not isinstance(part, (TextPart, RefusalPart)) or part.text.strip() or border.replays(part):
        return (part,)
    border.changes.add(place, "blank_text", "omitted")
    return ()


def system_in_place(turns: list[Turn], border: Border) -> list[Turn]:
    """The system's words before all others, in their order, where the wire takes them nowhere else."""
    leading = next((at for at, turn in enumerate(turns) if turn.role != "system"), len(turns))
    late = [turn for turn in turns[leading:] if turn.role == "system"]
    if border.rules.system == "anywhere" or not late:
        return turns
    for turn in late:
        border.changes.add(turn.place, "system", "moved")
    return [*turns[:leading], *late, *(turn for turn in turns[leading:] if turn.role != "system")]


def alternating(turns: list[Turn], border: Border) -> list[Turn]:
    """Neighbours of one speaker as one turn; a tool's result is the user's."""
    if not border.rules.alternates or not any(_one_speaker(*both) for both in pairwise(turns)):
        return turns
    out: list[Turn] = []
    for turn in turns:
        if out and _one_speaker(out[-1], turn):
            border.changes.add(turn.place, "turn", "merged")
            role = turn.role if turn.role == out[-1].role else "user"
            out[-1] = Turn(role, (*out[-1].parts, *turn.parts), (*out[-1].places, *turn.places))
        else:
            out.append(turn)
    return out


def _one_speaker(one: Turn, other: Turn) -> bool:
    return _speaker(one) == _speaker(other) != "system"


def _speaker(turn: Turn) -> str:
    return "user" if turn.role == "tool" else turn.role


def opened_by_user(turns: list[Turn], border: Border) -> list[Turn]:
    """The conversation with a user's word before a model's, where the wire wants the user to begin."""
    if not border.rules.user_first:
        return turns
    first = next((at for at, turn in enumerate(turns) if turn.role != "system"), len(turns))
    if first < len(turns) and turns[first].role != "assistant":
        return turns
    border.changes.add(turns[first].place if first < len(turns) else 0, "user_turn", "added")
    return [*turns[:first], Turn("user", (TextPart(text=OPENING),), ()), *turns[first:]]


def thinking_allowed(turns: list[Turn], thinking: Thinking | None, border: Border) -> Thinking | None:
    """How much may be thought; nothing in a tool loop that was begun without the target's own thoughts.

    Source: Anthropic refuses a last assistant turn with a tool's call that does not begin with a thinking block.
    """
    asked = thinking is not None and thinking.effort != "none"
    if not asked or not border.rules.thinking_bound:
        return thinking
    last = next((turn for turn in reversed(turns) if turn.role == "assistant"), None)
    if last is None or not last.calls or _begins_with_own_thoughts(last, border):
        return thinking
    border.changes.add(last.place, "thinking", "turned_off")
    return Thinking(effort="none")


def _begins_with_own_thoughts(turn: Turn, border: Border) -> bool:
    return isinstance(turn.parts[0], ReasoningPart) and border.replays(turn.parts[0])
