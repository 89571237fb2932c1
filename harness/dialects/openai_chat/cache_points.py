"""Cache points on chat completions: Anthropic's `cache_control` on a part of the content, as OpenRouter passes it on.

The wire has no place for one after the tools: they stand before the system text, and the point after that holds both.

Source: https://openrouter.ai/docs/features/prompt-caching
"""

from collections.abc import Mapping, Sequence

from harness.json_values import Json, JsonObject
from harness.models.messages import CachePoint, ModelRequest

MOST_CACHE_POINTS = 4  # Anthropic refuses more


def mark_cache_points(turns: Sequence[Sequence[JsonObject]], request: ModelRequest) -> None:
    """Put the request's cache points on its turns.

    Args:
        turns: for each message of the request, the turns it became.
    """
    for place, keep in _places(request).items():
        if turns[place]:
            _mark(turns[place][-1], keep)


def _places(request: ModelRequest) -> Mapping[int, str]:
    """After which messages a point stands, and how long it is kept; of too many the last."""
    points = request.cache_points
    if points is None:
        points = (CachePoint(after="system"), CachePoint(after=len(request.messages) - 1))
    system = _last_system(request)
    places = {system if point.after == "system" else point.after: point.keep for point in points}
    known = sorted(place for place in places if isinstance(place, int) and 0 <= place < len(request.messages))
    return {place: places[place] for place in known[-MOST_CACHE_POINTS:]}


def _last_system(request: ModelRequest) -> int:
    """The last of the system turns that the request begins with; -1 where it begins with none."""
    spoken = (place for place, message in enumerate(request.messages) if message.role != "system")
    return next(spoken, len(request.messages)) - 1


def _mark(turn: JsonObject, keep: str) -> None:
    content = turn.get("content")
    parts: list[Json] = [{"type": "text", "text": content}] if isinstance(content, str) else []
    parts = [*content] if isinstance(content, list) else parts
    last = parts[-1] if parts else None
    # An empty text with a point is refused.
    if isinstance(last, dict) and last.get("text") != "":
        control: JsonObject = {"type": "ephemeral"} if keep == "5m" else {"type": "ephemeral", "ttl": keep}
        turn["content"] = [*parts[:-1], {**last, "cache_control": control}]
