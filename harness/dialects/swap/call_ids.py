"""Ids of calls as the target's wire takes them: the same id always the same, each once in a conversation."""

from collections.abc import Sequence

from harness.dialects.call_ids import made_call_id, mapped_call_id
from harness.dialects.swap.pairs import Pair, Spot, pairs_of
from harness.dialects.swap.turns import Border, Turn
from harness.models.messages import Part, ToolCallPart


def with_fitting_ids(turns: list[Turn], border: Border) -> list[Turn]:
    """The turns with ids that the wire takes; a result has its call's id, and is of its call's kind."""
    pairs, _ = pairs_of(turns)
    # What goes back byte for byte keeps its id, so the others make way.
    used = {pair.call.call_id for pair in pairs if border.replays(pair.call)}
    new: dict[Spot, Part] = {}
    for pair in pairs:
        call_id = pair.call.call_id if border.replays(pair.call) else _free_id(pair.call, used, border)
        used.add(call_id)
        if call_id != pair.call.call_id:
            border.changes.add(turns[pair.at[0]].place, "tool_call_id", "mapped")
            new[pair.at] = pair.call.model_copy(update={"call_id": call_id})
        new |= _result_as(pair, call_id, turns, border)
    if not new:
        return turns
    return [
        turn.with_parts(new.get((at, place), part) for place, part in enumerate(turn.parts))
        for at, turn in enumerate(turns)
    ]


def _free_id(call: ToolCallPart, used: set[str], border: Border) -> str:
    call_id = mapped_call_id(call.call_id, border.rules.call_ids) if call.call_id else made_call_id("", call.name, "")
    again = 0
    while call_id in used:
        again += 1
        call_id = made_call_id(f"{call.call_id}/{again}", call.name, "")
    return call_id


def _result_as(pair: Pair, call_id: str, turns: Sequence[Turn], border: Border) -> dict[Spot, Part]:
    """The result under its call's new id and of its call's kind; empty where both are right."""
    if pair.result is None or pair.answered_at is None:
        return {}
    update: dict[str, object] = {}
    if pair.result.call_id != call_id:
        update["call_id"] = call_id
    if bool(pair.result.custom) != bool(pair.call.custom):
        update["custom"] = pair.call.custom
        border.changes.add(turns[pair.answered_at[0]].place, "custom_result", "mapped")
    return {pair.answered_at: pair.result.model_copy(update=update)} if update else {}
