"""Whether a model goes round in circles: it asks for the same calls again, though their results do not change.

A tool that is asked again because its result changes, such as the state of an order, is no circle.
"""

from collections.abc import Sequence
from enum import Enum, auto

from harness.workflow.nodes.agent.transcript import AskedCall, ToolTurn, Turn

# So often the same calls came to the same before the model is told.
_SAME_BEFORE = 3

ASKED_BEFORE = (
    "not called: this was asked before, with the same result. Use that result, ask for something else, or answer"
)


class Repetition(Enum):
    """What to make of a wish for tools."""

    NONE = auto()
    TELL = auto()  # call nothing, and tell the model
    STOP = auto()  # it was told, and asks for the same again


def repetition(turns: Sequence[Turn], calls: Sequence[AskedCall]) -> Repetition:
    """What to make of these calls after these turns."""
    meaning = _meaning(calls)
    before = [turn for turn in turns[-_SAME_BEFORE:] if isinstance(turn, ToolTurn) and _meaning(turn.calls) == meaning]
    if before and before[-1] is turns[-1] and before[-1].repeated:
        return Repetition.STOP
    if len(before) == _SAME_BEFORE and all(turn.results == before[0].results for turn in before):
        return Repetition.TELL
    return Repetition.NONE


def _meaning(calls: Sequence[AskedCall]) -> list[tuple[str, str]]:
    return [call.meaning for call in calls]
