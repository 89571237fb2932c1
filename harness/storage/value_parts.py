"""Long lists and mappings cut into parts that stay the same while they grow at their end.

A list that every step appends to would otherwise be stored whole at every step: 200 steps of 1 kB would cost 20 MB, and
twice the steps four times that. Cut, a step costs its own items, the last part that is not full, and now and then a part
made of smaller ones. What a value means, and where its parts are kept, is left to others.
"""

from collections.abc import Sequence

WHOLE_UP_TO = 4_096  # characters of JSON; what is shorter is one value

# Characters at which a part is full, the largest first. The more there are, the fewer parts a long list has and the
# more often an item is written again: once for each size.
_FULL = (524_288, 32_768, 2_048)


def parts_of(items: Sequence[str], *, brackets: str) -> list[str]:
    """JSON values of some items each, together all of them; with more items at the end, they begin alike.

    Args:
        items: the JSON of each item, or of each pair of a mapping.
        brackets: "[]" or "{}".
    """
    parts: list[str] = []
    rest = items
    for full in _FULL:
        cut, rest = _filled(rest, full)
        parts += cut
    if rest:
        parts.append(",".join(rest))
    return [brackets[0] + part + brackets[1] for part in parts]


def joined(parts: Sequence[str]) -> str:
    """The value of all items."""
    return parts[0][0] + ",".join(part[1:-1] for part in parts) + parts[0][-1]


def _filled(items: Sequence[str], full: int) -> tuple[list[str], Sequence[str]]:
    """As many full parts as there are, and the items left over."""
    parts: list[str] = []
    start = size = 0
    for place, item in enumerate(items):
        size += len(item) + 1
        if size >= full:
            parts.append(",".join(items[start : place + 1]))
            start, size = place + 1, 0
    return parts, items[start:]
