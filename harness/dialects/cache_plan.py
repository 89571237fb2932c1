"""Where cache points stand in a request, decided once for every wire that takes Anthropic's: how many, which, how long.

Amazon and OpenRouter pass them on, so their rules are Anthropic's too. How a place is marked is each dialect's own.

Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching
"""

from collections.abc import Collection, Mapping

from harness.models.messages import CachePoint, ModelRequest

MOST_POINTS = 4  # more are refused

# A place in the order in which the wire reads: the tools are (0, 0), system text of message n is (1, n), any other
# message n is (2, n).
Place = tuple[int, int]
TOOLS: Place = (0, 0)


def system_place(message: int) -> Place:
    """The place after the system text of this message of the request."""
    return (1, message)


def turn_place(message: int) -> Place:
    """The place after this message of the request."""
    return (2, message)


def planned_points(request: ModelRequest, places: Collection[Place]) -> Mapping[Place, str]:
    """After which places a point stands, and how long it is kept ("5m" or "1h").

    Without points in the request there is one after the tools, the system text and the last turn. Points at one place
    are one, kept as long as the longest; a place that is not there has none. Of more than four the last four stay,
    because each holds all that stands before it. One that is kept for an hour makes those before it last as long, as
    the wire demands.

    Args:
        places: where this wire and model take a point in this request.
    """
    keeps: dict[Place, str] = {}
    for point in _default_points(request) if request.cache_points is None else request.cache_points:
        place = _place_of(point, places)
        if place is not None:
            keeps[place] = "1h" if keeps.get(place) == "1h" else point.keep
    longer = False
    planned: dict[Place, str] = {}
    for place in sorted(keeps, reverse=True)[:MOST_POINTS]:
        longer = longer or keeps[place] == "1h"
        planned[place] = "1h" if longer else "5m"
    return planned


def _default_points(request: ModelRequest) -> tuple[CachePoint, ...]:
    ends = (CachePoint(after="tools"), CachePoint(after="system"))
    last = max((at for at, message in enumerate(request.messages) if message.role != "system"), default=None)
    return ends if last is None else (*ends, CachePoint(after=last))


def _place_of(point: CachePoint, places: Collection[Place]) -> Place | None:
    if point.after == "tools":
        found = TOOLS
    elif point.after == "system":
        found = max((place for place in places if place[0] == 1), default=TOOLS)
        return found if found[0] == 1 else None
    else:
        found = system_place(point.after)
        found = found if found in places else turn_place(point.after)
    return found if found in places else None
