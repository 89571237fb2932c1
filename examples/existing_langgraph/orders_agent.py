"""An agent as somebody wrote it for LangGraph, before there was a harness: it takes any chat model and knows no budget."""
# `create_react_agent` has moved to another package since, as much code has not; its types are half known.
# pyright: reportDeprecated=false, reportUnknownVariableType=false

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.tools import tool
from langgraph.prebuilt import create_react_agent

ORDERS = {"17": {"item": "lamp", "state": "sent"}, "18": {"item": "chair", "state": "lost"}}


@tool
def find_order(number: str) -> dict[str, str]:
    """Find an order by its number."""
    return ORDERS.get(number, {"state": "unknown"})


@tool
def refund(number: str) -> str:
    """Pay an order back."""
    return f"order {number} was paid back"


def build_agent(model: BaseChatModel) -> Any:
    """The agent on a model."""
    return create_react_agent(
        model,
        [find_order, refund],
        prompt="You answer customers of a furniture shop. Pay back only orders that are lost.",
    )
