"""Carries a conversation across a border: what one model was told and said, as another's wire accepts it.

Opaque parts go back to their own origin alone; calls keep their results; everything that cannot be carried is named in
the `SwapReport`, never silently gone. What a wire accepts is data (`WireRules`): no step knows a vendor.
"""

from harness.dialects.dialect import WireTarget
from harness.dialects.swap.call_ids import with_fitting_ids
from harness.dialects.swap.calls import checked_tools, fitted_calls
from harness.dialects.swap.media import attachments_apart, shown_media
from harness.dialects.swap.origins import without_foreign
from harness.dialects.swap.pairs import paired, results_by_themselves
from harness.dialects.swap.report import SwapChange, SwapReport
from harness.dialects.swap.roles import (
    alternating,
    opened_by_user,
    system_in_place,
    thinking_allowed,
    without_blanks,
)
from harness.dialects.swap.turns import Border, Thoughts, Turn
from harness.dialects.wire_rules import WireRules
from harness.models.messages import CachePoint, ModelRequest

__all__ = ["SwapChange", "SwapReport", "swapped"]


def swapped(
    request: ModelRequest, target: WireTarget, rules: WireRules, *, thoughts: Thoughts = "dropped"
) -> tuple[ModelRequest, SwapReport]:
    """The request as the target's wire accepts it, and what that changed.

    The same request and an empty report where nothing need be changed; swapping twice is swapping once.

    Args:
        thoughts: whether another model's thoughts are dropped, or told as text; as text they cost input tokens.

    Raises:
        RequestRefused: the wire does not take a declared tool's name.
    """
    border = Border(target, rules, thoughts)
    checked_tools(request, border)
    turns = [Turn(message.role, message.parts, (at,)) for at, message in enumerate(request.messages)]
    turns = _parts_fitted(turns, border)
    turns = without_blanks(turns, border)
    turns = system_in_place(turns, border)
    turns = with_fitting_ids(paired(turns, border), border)
    turns = attachments_apart(turns, border)
    turns = alternating(turns, border)
    turns = opened_by_user(turns, border)
    thinking = thinking_allowed(turns, request.thinking, border)
    service_tier = _known_tier(request, border)
    report = border.changes.report()
    if not report.changes:
        return request, report
    update = {
        "messages": tuple(turn.message(request.messages) for turn in turns),
        "thinking": thinking,
        "cache_points": _cache_points(request, turns),
        "service_tier": service_tier,
    }
    return request.model_copy(update=update), report


def _parts_fitted(turns: list[Turn], border: Border) -> list[Turn]:
    """Each turn for itself: what it holds as the wire can write it."""
    out: list[Turn] = []
    for turn in turns:
        plain = shown_media(without_foreign(turn, border), border)
        out += results_by_themselves(fitted_calls(plain, border), border)
    return out


def _known_tier(request: ModelRequest, border: Border) -> str | None:
    """How the call is to be served, if the wire knows the word: one of another vendor's is refused."""
    known, asked = border.rules.service_tiers, request.service_tier
    if asked is None or known is None or asked in known:
        return asked
    border.changes.add(0, "service_tier", "dropped")
    return None


def _cache_points(request: ModelRequest, turns: list[Turn]) -> tuple[CachePoint, ...] | None:
    """The points after the same words, wherever these stand now; a point before all words is gone."""
    if request.cache_points is None:
        return None
    stands = {place: at for at, turn in enumerate(turns) for place in turn.places}
    points: list[CachePoint] = []
    for point in request.cache_points:
        if isinstance(point.after, str):
            points.append(point)
            continue
        last = min(point.after, len(request.messages))
        kept = next((stands[place] for place in range(last, -1, -1) if place in stands), None)
        if kept is not None:
            points.append(point.model_copy(update={"after": kept}))
    return tuple(dict.fromkeys(points))
