"""Up to where Anthropic shall keep what it read: `cache_control` on blocks of a request. Where, is in `cache_plan`.

Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching
"""

from collections.abc import Mapping, Sequence

from harness.dialects.anthropic_messages.blocks import Turn
from harness.dialects.cache_plan import TOOLS, Place, planned_points, system_place, turn_place
from harness.json_values import JsonObject
from harness.models.messages import ModelRequest

_KINDS = frozenset({"text", "image", "document", "tool_use", "tool_result"})


def mark_cache_points(
    request: ModelRequest, tools: Sequence[JsonObject], system: Mapping[int, JsonObject], turns: Mapping[int, Turn]
) -> None:
    """Mark the blocks that the request's points name, or the default ones: tools, system, the last turn.

    Thoughts, blank texts and a vendor's own blocks are never marked: the point moves to the last block before them in
    its turn, and is left out where there is none.

    Args:
        system: the system's blocks by the place of their turn in the request.
        turns: the other turns by place.
    """
    blocks: dict[Place, JsonObject] = {TOOLS: tools[-1]} if tools else {}
    blocks |= {system_place(at): block for at, block in system.items()}
    for at, turn in turns.items():
        last = next((block for block in reversed(turn.own) if block["type"] in _KINDS), None)
        if last is not None:
            blocks[turn_place(at)] = last
    for place, keep in planned_points(request, blocks).items():
        blocks[place]["cache_control"] = {"type": "ephemeral", "ttl": "1h"} if keep == "1h" else {"type": "ephemeral"}
