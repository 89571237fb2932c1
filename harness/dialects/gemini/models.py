"""What differs between generations of Gemini models, by the beginning of their names, and what an endpoint may add.

A generation is data here and never a branch elsewhere. A model whose name says no generation is one that does not think.

Sources: https://ai.google.dev/gemini-api/docs/thinking and https://ai.google.dev/gemini-api/docs/thought-signatures
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.dialects.quirks import Quirks
from harness.models.catalogue import Model

Effort = Literal["none", "minimal", "low", "medium", "high"]

# From Gemini 3 on, effort is a level, calls need signatures, and a function's response may hold pictures.
_FIRST_WITH_LEVELS = 3
# The longest beginning that fits counts. A model that cannot stop thinking gets its least level for "none".
_LEVELS: Mapping[str, tuple[Effort, ...]] = {
    "gemini-": ("low", "medium", "high"),
    "gemini-3-pro": ("low", "high"),
    "gemini-3-flash": ("minimal", "low", "medium", "high"),
    "gemini-3.1-flash": ("minimal", "low", "medium", "high"),
    "gemini-3.5-flash": ("minimal", "low", "medium", "high"),
    "gemini-3.6-flash": ("minimal", "low", "medium", "high"),
}
# Least and most tokens of thought, and whether 0 turns them off.
_BUDGETS: Mapping[str, tuple[int, int, bool]] = {
    "gemini-2.5": (0, 24_576, True),
    "gemini-2.5-pro": (128, 32_768, False),
    "gemini-2.5-flash-lite": (512, 24_576, True),
}
_ANY_BUDGET = (0, 32_768, True)
_EFFORTS: tuple[Effort, ...] = ("none", "minimal", "low", "medium", "high")


@dataclass(frozen=True, slots=True)
class GeminiModel:
    """One model's generation in what the wire needs to know.

    Args:
        thinking: how thinking is asked for: `level`, `budget` in tokens, or `none` where the field is refused.
        levels: the efforts there are, the least first.
        budget: least and most tokens of thought, and whether 0 turns them off.
        signatures: a call of the current turn without a thought signature is refused.
        schema_beside_tools: an output schema may be asked for together with tools.
        results_with_files: a function's response may carry pictures and documents itself.
    """

    thinking: Literal["level", "budget", "none"]
    levels: tuple[Effort, ...]
    budget: tuple[int, int, bool]
    signatures: bool
    schema_beside_tools: bool
    results_with_files: bool

    def nearest_level(self, effort: Effort) -> Effort:
        """The level that is nearest to an effort; of two the smaller one."""
        asked = _EFFORTS.index(effort)
        return min(self.levels, key=lambda level: abs(_EFFORTS.index(level) - asked))

    def allowed_budget(self, tokens: int) -> int:
        """The number of tokens nearest to the one asked for that the model takes; 0 turns thinking off if that can be."""
        least, most, can_be_off = self.budget
        return 0 if tokens == 0 and can_be_off else min(max(tokens, least), most)


class GeminiQuirks(Quirks):
    """What an endpoint's `quirks` may say in this dialect.

    Attributes:
        served_by: the Gemini API (key in a header) or Vertex AI (a Google token, or a key in the same header).
        thought_signatures: whether calls need a thought signature; `auto` goes by the model's name.
        thinking: how thinking is asked for; `auto` goes by the model's name.
        call_ids: whether calls and their results carry ids; off for versions of Vertex that refuse the field.
        file_urls: whether pictures and documents may be addresses that Google fetches.
    """

    dialect = "gemini"

    served_by: Literal["gemini", "vertex"] = "gemini"
    thought_signatures: Literal["auto", "required", "optional"] = "auto"
    thinking: Literal["auto", "level", "budget", "none"] = "auto"
    call_ids: bool = True
    file_urls: bool = True


def gemini_model(model: Model, quirks: GeminiQuirks) -> GeminiModel:
    """What is known of a model by its wire name, with what the endpoint's quirks say instead."""
    name = model.wire_name.rpartition("/")[2]
    found = re.match(r"gemini-(\d+)(?:\.(\d+))?", name)
    major, minor = (int(found[1]), int(found[2] or 0)) if found else (0, 0)
    new = major >= _FIRST_WITH_LEVELS
    by_name = "level" if new else "budget" if (major, minor) >= (2, 5) else "none"
    return GeminiModel(
        thinking=by_name if quirks.thinking == "auto" else quirks.thinking,
        levels=_LEVELS[_longest(name, _LEVELS) or "gemini-"],
        budget=_BUDGETS.get(_longest(name, _BUDGETS), _ANY_BUDGET),
        signatures=new if quirks.thought_signatures == "auto" else quirks.thought_signatures == "required",
        schema_beside_tools=new,
        results_with_files=new,
    )


def _longest(name: str, table: Mapping[str, object]) -> str:
    return max((start for start in table if name.startswith(start)), key=len, default="")
