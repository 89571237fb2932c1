"""Cache points on chat completions: Anthropic's `cache_control` on a part of the content, as OpenRouter passes it on.

Where they stand is decided in `cache_plan`.

The wire has no place for one after the tools: they stand before the system text, and the point after that holds both.

Source: https://openrouter.ai/docs/features/prompt-caching
"""

from collections.abc import Sequence

from harness.dialects.cache_plan import Place, planned_points, system_place, turn_place
from harness.json_values import Json, JsonObject
from harness.models.messages import ModelRequest


def mark_cache_points(turns: Sequence[Sequence[JsonObject]], request: ModelRequest) -> None:
    """Put the request's cache points on its turns.

    Args:
        turns: for each message of the request, the turns it became.
    """
    # Only the system turns that the request begins with are read before all others.
    leading = next((at for at, message in enumerate(request.messages) if message.role != "system"), len(turns))
    marked: dict[Place, JsonObject] = {
        system_place(at) if at < leading else turn_place(at): turn[-1]
        for at, turn in enumerate(turns)
        if turn and _markable(turn[-1]) is not None
    }
    for place, keep in planned_points(request, marked).items():
        _mark(marked[place], keep)


def _markable(turn: JsonObject) -> list[Json] | None:
    """The turn's content as a list whose last part can be marked; an empty text with a point is refused."""
    content = turn.get("content")
    parts: list[Json] = [{"type": "text", "text": content}] if isinstance(content, str) else []
    parts = [*content] if isinstance(content, list) else parts
    last = parts[-1] if parts else None
    return parts if isinstance(last, dict) and last.get("text") != "" else None


def _mark(turn: JsonObject, keep: str) -> None:
    parts = _markable(turn) or []
    last = parts[-1] if parts else None
    if isinstance(last, dict):
        control: JsonObject = {"type": "ephemeral"} if keep == "5m" else {"type": "ephemeral", "ttl": keep}
        turn["content"] = [*parts[:-1], {**last, "cache_control": control}]
