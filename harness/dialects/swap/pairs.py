"""Each tool call and its result, one right after the other."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.dialects.swap.turns import Border, Turn
from harness.models.messages import Part, TextPart, ToolCallPart, ToolResultPart

UNANSWERED = "The tool was not run: there is no result."

Spot = tuple[int, int]
"""Where a part stands: the place of its turn in the list, and its own in that turn."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A call and what answers it, each with its spot; None where nothing does."""

    call: ToolCallPart
    at: Spot
    result: ToolResultPart | None
    answered_at: Spot | None


def results_by_themselves(turn: Turn, border: Border) -> list[Turn]:
    """The turn with its results where a wire has them: before a user's words, in a tool's turn with nothing else."""
    results = turn.results
    others = tuple(part for part in turn.parts if part.type != "tool_result")
    if not results and (turn.role != "tool" or not others):
        return [turn]
    if not others and turn.role in {"user", "tool"}:
        return [turn]
    if turn.role == "user":
        if turn.parts[: len(results)] != results:
            border.changes.add(turn.place, "tool_result", "moved", len(results))
        return [turn.with_parts((*results, *others))]
    if turn.role == "tool":
        border.changes.add(turn.place, "tool_turn_part", "moved", len(others))
        split = [Turn("tool", results, turn.places), Turn("user", others, turn.places)]
    else:
        border.changes.add(turn.place, "tool_result", "moved", len(results))
        split = [turn.with_parts(others), Turn("tool", results, turn.places)]
    return [each for each in split if each.parts]


def paired(turns: list[Turn], border: Border) -> list[Turn]:
    """Every call with its result, every result with its call.

    A result without a call becomes a user's words. A call without a result gets one that says so.
    """
    while True:  # what is moved away may leave two turns of one reply side by side
        found = _paired_once(_calls_joined(turns, border), border)
        if found is turns:
            return turns
        turns = found


def pairs_of(turns: Sequence[Turn]) -> tuple[list[Pair], set[Spot]]:
    """Each call with its result, and where results stand that answer nothing.

    Ids may come again, as servers that count from zero do: a result answers the latest turn that still waits for its
    id, and in it the first call.
    """
    calls: dict[Spot, ToolCallPart] = {}
    answers: dict[Spot, tuple[ToolResultPart, Spot]] = {}
    lonely: set[Spot] = set()
    waiting: dict[str, list[Spot]] = {}
    for at, turn in enumerate(turns):
        for place, part in enumerate(turn.parts):
            if part.type == "tool_call":
                calls[at, place] = part
                waiting.setdefault(part.call_id, []).append((at, place))
            elif part.type == "tool_result":
                spots = waiting.get(part.call_id)
                if not spots:
                    lonely.add((at, place))
                    continue
                spot = next(each for each in spots if each[0] == spots[-1][0])
                spots.remove(spot)
                answers[spot] = (part, (at, place))
    return [Pair(call, spot, *answers.get(spot, (None, None))) for spot, call in calls.items()], lonely


def _calls_joined(turns: list[Turn], border: Border) -> list[Turn]:
    """Turns of one reply as one: calls of a turn that another assistant turn follows could not be answered in time."""
    if not any(_splits_a_reply(turns, at) for at in range(len(turns) - 1)):
        return turns
    out: list[Turn] = []
    for turn in turns:
        if out and out[-1].role == turn.role == "assistant" and out[-1].calls:
            border.changes.add(turn.place, "turn", "merged")
            out[-1] = Turn("assistant", (*out[-1].parts, *turn.parts), (*out[-1].places, *turn.places))
        else:
            out.append(turn)
    return out


def _splits_a_reply(turns: Sequence[Turn], at: int) -> bool:
    return turns[at].role == turns[at + 1].role == "assistant" and bool(turns[at].calls)


def _paired_once(turns: list[Turn], border: Border) -> list[Turn]:
    pairs, lonely = pairs_of(turns)
    if not pairs and not lonely:
        return turns
    wrong = [of_turn for of_turn in _by_turn(pairs) if not _in_place(turns, of_turn, border)]
    return _rebuilt(turns, wrong, lonely, border) if wrong or lonely else turns


def _by_turn(pairs: Iterable[Pair]) -> list[list[Pair]]:
    grouped: dict[int, list[Pair]] = {}
    for pair in pairs:
        grouped.setdefault(pair.at[0], []).append(pair)
    return list(grouped.values())


def _in_place(turns: Sequence[Turn], pairs: Sequence[Pair], border: Border) -> bool:
    """Whether the results of one turn's calls are what follows it, in the calls' order, and none is missing."""
    if not border.rules.unanswered_calls and any(pair.result is None for pair in pairs):
        return False
    expected = [pair.answered_at for pair in pairs if pair.answered_at is not None]
    return _following(turns, pairs[0].at[0]) == expected


def _following(turns: Sequence[Turn], at: int) -> list[Spot]:
    """Where the results stand that come right after a turn."""
    found: list[Spot] = []
    for place in range(at + 1, len(turns)):
        parts = turns[place].parts
        results = sum(part.type == "tool_result" for part in parts)  # they lead their turn
        found += [(place, number) for number in range(results)]
        if not results or results < len(parts):
            break
    return found


def _rebuilt(turns: Sequence[Turn], wrong: Sequence[Sequence[Pair]], lonely: set[Spot], border: Border) -> list[Turn]:
    taken = {pair.answered_at for pairs in wrong for pair in pairs if pair.answered_at is not None}
    answers = {pairs[0].at[0]: _answers(turns, pairs, border) for pairs in wrong}
    out: list[Turn] = []
    for at, turn in enumerate(turns):
        out.append(_without(turn, at, taken, lonely, border))
        if at in answers:
            out.append(answers[at])
    return [turn for turn in out if turn.parts]


def _without(turn: Turn, at: int, taken: set[Spot], lonely: set[Spot], border: Border) -> Turn:
    """The turn without the results that stand elsewhere now, and with lonely ones in words."""
    if not turn.results:
        return turn
    parts: list[Part] = []
    for place, part in enumerate(turn.parts):
        if (at, place) in lonely and isinstance(part, ToolResultPart):
            border.changes.add(turn.place, "tool_result", "text")
            parts += _in_words(part)
        elif (at, place) not in taken:
            parts.append(part)
    rest = turn.with_parts(parts)
    return rest if rest is turn or rest.results else Turn("user", rest.parts, rest.places)


def _in_words(part: ToolResultPart) -> list[Part]:
    said = "failed tool" if part.failed else "tool"
    return [TextPart(text=f"[result of a {said}]\n{part.text}"), *(part.attachments or ())]


def _answers(turns: Sequence[Turn], pairs: Sequence[Pair], border: Border) -> Turn:
    """The results of one turn's calls as one turn of their own."""
    place = turns[pairs[0].at[0]].place
    spots = [pair.answered_at for pair in pairs if pair.answered_at is not None]
    if [spot for spot in _following(turns, pairs[0].at[0]) if spot in spots] != spots:
        border.changes.add(place, "tool_result", "moved", len(spots))
    results: list[Part] = []
    for pair in pairs:
        if pair.result is not None:
            results.append(pair.result)
        elif not border.rules.unanswered_calls:
            border.changes.add(place, "tool_result", "added")
            custom = pair.call.custom
            results.append(ToolResultPart(call_id=pair.call.call_id, text=UNANSWERED, failed=True, custom=custom))
    places = dict.fromkeys(each for spot in spots for each in turns[spot[0]].places)
    return Turn("tool", tuple(results), tuple(places))
