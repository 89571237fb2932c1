"""How a model behind Converse is asked to think: `additionalModelRequestFields`, in each family's own words."""

from harness.dialects.bedrock_converse.models import ModelTraits
from harness.json_values import JsonObject
from harness.models.messages import ModelRequest, Thinking

_LEAST_BUDGET = 1024  # Claude refuses less
_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384}
_EFFORT_UP_TO = (("low", 2048), ("medium", 8192))


def thinking_fields(request: ModelRequest, traits: ModelTraits) -> JsonObject:
    """The fields that ask for the request's thinking; empty where none is asked for or the model has no word for it.

    A Claude that must call a tool is not asked to think: it refuses both together.
    """
    thinking = request.thinking
    if thinking is None or (traits.claude and forces_tool(request)):
        return {}
    effort = _effort(thinking)
    if traits.thinking == "claude_budget":
        return _claude_budget(thinking, request.max_output_tokens)
    if traits.thinking == "claude_adaptive":
        return _claude_adaptive(effort, traits)
    if traits.thinking == "nova":
        return {"reasoningConfig": _nova(effort)}
    return {} if traits.thinking == "none" or effort == "none" else {traits.thinking: effort}


def thinks(fields: JsonObject) -> bool:
    """Whether these fields turn Claude's thinking on."""
    thinking = fields.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") != "disabled"


def forces_tool(request: ModelRequest) -> bool:
    """Whether the request wants a tool to be called."""
    return request.tool_choice is not None and request.tool_choice.mode in ("required", "tool")


def _claude_budget(thinking: Thinking, max_output_tokens: int) -> JsonObject:
    """A budget below the output limit, which Claude wants; half of that where only an effort was asked for."""
    if thinking.effort == "none":
        return {"thinking": {"type": "disabled"}}
    if max_output_tokens <= _LEAST_BUDGET:
        return {}
    if thinking.budget_tokens is not None:
        budget = min(thinking.budget_tokens, max_output_tokens - 1)
    else:
        budget = min(_BUDGETS[thinking.effort or "medium"], max_output_tokens // 2)
    return {"thinking": {"type": "enabled", "budget_tokens": max(budget, _LEAST_BUDGET)}}


def _claude_adaptive(effort: str, traits: ModelTraits) -> JsonObject:
    if effort == "none" and traits.thinks_always:
        return {"output_config": {"effort": "low"}}
    if effort == "none":
        return {"thinking": {"type": "disabled"}}
    return {"thinking": {"type": "adaptive"}, "output_config": {"effort": effort}}


def _nova(effort: str) -> JsonObject:
    """Nova takes no output limit beside a high effort; the limit is what the money was held for, so it stays."""
    if effort == "none":
        return {"type": "disabled"}
    return {"type": "enabled", "maxReasoningEffort": "medium" if effort == "high" else effort}


def _effort(thinking: Thinking) -> str:
    if thinking.effort is not None:
        return "low" if thinking.effort == "minimal" else thinking.effort
    budget = thinking.budget_tokens or 0
    return next((effort for effort, most in _EFFORT_UP_TO if budget <= most), "high")
