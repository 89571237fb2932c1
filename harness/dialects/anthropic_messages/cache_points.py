"""Up to where Anthropic shall keep what it read: `cache_control` on blocks of a request.

Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching
"""

from collections.abc import Mapping, Sequence

from harness.dialects.anthropic_messages.blocks import Turn
from harness.json_values import JsonObject
from harness.models.messages import CachePoint, ModelRequest

_MOST_POINTS = 4
_KINDS = frozenset({"text", "image", "document", "tool_use", "tool_result"})


def mark_cache_points(
    request: ModelRequest, tools: Sequence[JsonObject], system: Mapping[int, JsonObject], turns: Mapping[int, Turn]
) -> None:
    """Mark the blocks that the request's points name, or the default ones: tools, system, the last turn.

    Thoughts, blank texts and a vendor's own blocks are never marked: the point moves to the last block before them in
    its turn, and is left out where there is none. Of more than four points the last four stay, because each holds all
    that stands before it. A point kept for an hour makes those before it last as long, as the wire demands.

    Args:
        system: the system's blocks by the place of their turn in the request.
        turns: the other turns by place.
    """
    points = _default_points(turns) if request.cache_points is None else request.cache_points
    keeps: dict[int, tuple[JsonObject, str]] = {}
    for point in sorted(points, key=_wire_order):
        block = _block_of(point, tools, system, turns)
        if block is not None:
            known = keeps.pop(id(block), None)
            keeps[id(block)] = (block, "1h" if known is not None and known[1] == "1h" else point.keep)
    longer = False
    for block, keep in list(reversed(keeps.values()))[:_MOST_POINTS]:
        longer = longer or keep == "1h"
        block["cache_control"] = {"type": "ephemeral", "ttl": "1h"} if longer else {"type": "ephemeral"}


def _default_points(turns: Mapping[int, Turn]) -> tuple[CachePoint, ...]:
    ends = (CachePoint(after="tools"), CachePoint(after="system"))
    return (*ends, CachePoint(after=max(turns))) if turns else ends


def _wire_order(point: CachePoint) -> tuple[int, int]:
    """The wire reads tools first, then the system, then the turns."""
    if isinstance(point.after, int):
        return (2, point.after)
    return (0 if point.after == "tools" else 1, 0)


def _block_of(
    point: CachePoint, tools: Sequence[JsonObject], system: Mapping[int, JsonObject], turns: Mapping[int, Turn]
) -> JsonObject | None:
    if point.after == "tools":
        return tools[-1] if tools else None
    if point.after == "system":
        return system[max(system)] if system else None
    if point.after in system:
        return system[point.after]
    turn = turns.get(point.after)
    return next((block for block in reversed(turn.own) if block["type"] in _KINDS), None) if turn else None
