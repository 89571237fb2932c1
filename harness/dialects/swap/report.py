"""What a conversation lost or gained on its way to another model, for people and as JSON."""

from collections import Counter
from dataclasses import dataclass

from harness.json_values import JsonObject


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

    def to_json(self) -> JsonObject:
        """As plain JSON."""
        return {"message": self.message, "what": self.what, "became": self.became, "count": self.count}


@dataclass(frozen=True, slots=True)
class SwapReport:
    """What was changed, in the order of the conversation; empty where it went as it was."""

    changes: tuple[SwapChange, ...] = ()

    @property
    def losses(self) -> tuple[SwapChange, ...]:
        """What the target is not shown at all."""
        return tuple(change for change in self.changes if change.became == "dropped")

    def summary(self) -> str:
        """One line for people, such as "dropped: 2 reasoning, 1 citation; mapped: 3 tool call id"."""
        totals = Counter[tuple[str, str]]()
        for change in self.changes:
            totals[change.became, change.what] += change.count
        grouped: dict[str, list[str]] = {}
        for (became, what), count in totals.items():
            grouped.setdefault(became, []).append(f"{count} {what.replace('_', ' ')}")
        # What is gone comes first.
        order = sorted(grouped, key=lambda became: became != "dropped")
        return "; ".join(f"{became}: {', '.join(grouped[became])}" for became in order) or "nothing changed"

    def to_json(self) -> JsonObject:
        """As plain JSON."""
        lost = sum(change.count for change in self.losses)
        return {"summary": self.summary(), "lost": lost, "changes": [change.to_json() for change in self.changes]}
