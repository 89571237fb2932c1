"""How much a Claude model is told to think.

Older models are told a budget, newer ones an effort; either can be asked for and the other is worked out. The budget
is part of `max_tokens`, so an effort becomes a share of it.

Source: https://platform.claude.com/docs/en/build-with-claude/thinking
"""

from dataclasses import dataclass
from typing import Literal

from harness.dialects.anthropic_messages.quirks import AnthropicQuirks
from harness.dialects.efforts import effort_of_budget
from harness.json_values import JsonObject
from harness.models.messages import ModelRequest, Thinking

LEAST_BUDGET = 1024
# Of the output limit, by effort.
_SHARES: dict[str, float] = {"minimal": 0.1, "low": 0.2, "medium": 0.5, "high": 0.8}

WireEffort = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class WireThinking:
    """What goes into the body: `thinking` and `output_config.effort`; None leaves either out."""

    config: JsonObject | None = None
    effort: WireEffort | None = None

    @property
    def on(self) -> bool:
        """Whether the model was asked to think."""
        return self.config is not None and self.config["type"] in ("enabled", "adaptive")


def wire_thinking(request: ModelRequest, wire_name: str, quirks: AnthropicQuirks, *, tool_forced: bool) -> WireThinking:
    """Thinking as this model takes it.

    A forced tool and thinking exclude each other; the tool is what somebody relies on, so thinking is left out. It is
    left out too where the output limit has no room for the least budget there is.
    """
    thinking = request.thinking
    if thinking is None or tool_forced:
        return WireThinking()
    if thinking.effort == "none":
        return _no_thinking(wire_name, quirks)
    if quirks.lists("adaptive_thinking", wire_name):
        return WireThinking(_shown({"type": "adaptive"}, quirks), _effort(thinking, request.max_output_tokens))
    budget = _budget(thinking, request.max_output_tokens)
    if budget is None:
        return WireThinking()
    return WireThinking(_shown({"type": "enabled", "budget_tokens": budget}, quirks))


def _no_thinking(wire_name: str, quirks: AnthropicQuirks) -> WireThinking:
    if quirks.lists("thinking_always", wire_name):
        return WireThinking(effort="low")
    between = quirks.lists("thinking_between_tools", wire_name)
    return WireThinking({"type": "between_tools" if between else "disabled"})


def _shown(config: JsonObject, quirks: AnthropicQuirks) -> JsonObject:
    return config if quirks.thinking_display is None else {**config, "display": quirks.thinking_display}


def _effort(thinking: Thinking, limit: int) -> WireEffort:
    if thinking.budget_tokens is None:
        return "low" if thinking.effort in ("minimal", "low") else "medium" if thinking.effort == "medium" else "high"
    return effort_of_budget(thinking.budget_tokens, limit)


def _budget(thinking: Thinking, limit: int) -> int | None:
    """At least the vendor's least and below the output limit; None where that leaves no number."""
    if limit <= LEAST_BUDGET:
        return None
    asked = thinking.budget_tokens or int(limit * _SHARES[thinking.effort or "high"])
    return min(max(asked, LEAST_BUDGET), limit - 1)
