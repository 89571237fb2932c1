"""Which effort a budget of thought is about, for wires that take words alone.

OpenRouter takes efforts for shares of the output limit: high 80 %, medium 50 %, low 20 %. A budget is called by the
word whose share is nearest; `minimal` is a word that most models refuse.

Source: https://openrouter.ai/docs/use-cases/reasoning-tokens
"""

from typing import Literal

_MOST_LOW, _MOST_MEDIUM = 0.35, 0.65


def effort_of_budget(budget_tokens: int, output_limit: int) -> Literal["low", "medium", "high"]:
    """The word for a budget that is part of this output limit."""
    share = budget_tokens / output_limit
    return "low" if share <= _MOST_LOW else "medium" if share <= _MOST_MEDIUM else "high"
