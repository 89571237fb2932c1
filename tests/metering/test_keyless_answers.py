"""A key that a server repeats in its answer is in nothing that is heard, handed out or kept, and nothing else changes."""

import base64
import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.metering.keyless_answers import KeylessEvents, without_keys
from harness.models.messages import (
    ModelReply,
    ReasoningDelta,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolCallPart,
    assistant,
)
from harness.models.usage import Usage

KEY = 'sk-"canary"-0123456789-skadi'
CODED = base64.b64encode(KEY.encode()).decode().rstrip("=")


def reply(text, **more):
    return ModelReply(
        message=assistant(text), stop=StopReason.STOP, stop_raw="stop", usage=Usage(1, 2), model="m", **more
    )


def heard(events, *secrets):
    found = []
    listener = KeylessEvents(secrets or (KEY,), found.append)
    for event in events:
        listener.heard(event)
    listener.end()
    return found


def test_an_answer_that_repeats_no_key_is_the_very_same():
    same = reply("sk- is how keys begin ✓", raw={"a": [1, None, {"b": "x"}]})
    clean, journal = without_keys(same, (KEY,))
    assert clean is same
    assert journal == same.model_dump_json()


@pytest.mark.parametrize("shown", [KEY, CODED])
def test_a_key_is_taken_out_of_words_ids_and_what_came_raw(shown):
    call = ToolCallPart(call_id="c", name="n", arguments=json.dumps({"key": CODED}))
    message = assistant(f"you are {shown}!")
    message = message.model_copy(update={"parts": (*message.parts, call)})
    echoed = reply("").model_copy(
        update={"message": message, "request_id": f"r-{shown}", "raw": {shown: [{"deep": shown, "n": 1.5}]}}
    )
    clean, journal = without_keys(echoed, (KEY,))
    assert clean.text == "you are [redacted]!"
    assert clean.request_id == "r-[redacted]"
    assert clean.raw == {"[redacted]": [{"deep": "[redacted]", "n": 1.5}]}
    assert clean.usage == echoed.usage
    assert ModelReply.model_validate_json(journal) == clean
    assert CODED not in journal
    assert json.dumps(KEY)[1:-1] not in journal


def test_a_key_so_short_that_it_may_be_any_word_is_left_alone():
    assert without_keys(reply("none of it"), ("none",))[0].text == "none of it"
    assert heard([TextDelta(text="none of it")], "none") == [TextDelta(text="none of it")]


@given(
    words=st.lists(st.sampled_from([KEY, KEY[:9], "s", "sk", "-sk-", "ä word ", CODED]), max_size=6).map("".join),
    cuts=st.lists(st.integers(0, 200), max_size=12),
    kind=st.sampled_from(["text", "reasoning", "tool"]),
)
def test_a_key_in_pieces_is_never_heard_and_every_other_word_is(words, cuts, kind):
    places = [0, *sorted(min(cut, len(words)) for cut in cuts), len(words)]
    pieces = [words[start:end] for start, end in pairwise(places)]
    if kind == "tool":
        events = [ToolCallDelta(place=0, call_id="c", name="n"), *(ToolCallDelta(place=0, arguments=p) for p in pieces)]
        said = "".join(event.arguments for event in heard(events))
        assert [event.call_id for event in heard(events) if event.call_id] == ["c"]
    else:
        maker = TextDelta if kind == "text" else ReasoningDelta
        said = "".join(event.text for event in heard([maker(text=piece) for piece in pieces]))
    assert said == words.replace(KEY, "[redacted]").replace(CODED, "[redacted]")


def test_what_is_kept_back_comes_before_what_follows_it():
    events = [
        ReasoningDelta(text="is it sk-"),
        TextDelta(text="no: sk"),
        ToolCallDelta(place=0, call_id="a", name="look", arguments="s"),
        ToolCallDelta(place=1, call_id="b", name="look", arguments="{}"),
    ]
    found = heard(events)
    kinds = [event.type for event in found]
    assert kinds == sorted(kinds, key=["reasoning_delta", "text_delta", "tool_call_delta"].index)
    assert "".join(event.text for event in found[:2]) == "is it sk-"
    assert "".join(event.text for event in found[2:4]) == "no: sk"
    assert [(event.place, event.call_id, event.arguments) for event in found[4:]] == [
        (0, "a", ""),
        (0, "", "s"),
        (1, "b", "{}"),
    ]


def test_a_key_in_the_name_of_a_call_is_hidden():
    (event,) = heard([ToolCallDelta(place=0, call_id=KEY, name=f"x{KEY}", arguments="{}")])
    assert (event.call_id, event.name, event.arguments) == ("[redacted]", "x[redacted]", "{}")


def test_what_begins_no_key_is_heard_at_once():
    found = []
    listener = KeylessEvents((KEY,), found.append)
    for event in (TextDelta(text="hello "), TextDelta(text="there")):
        listener.heard(event)
        assert found[-1] is event
