"""What is seen of a run's events: lines for people on stderr, JSON for programs on stdout."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import get_args

import pytest

from harness.cli.output import Output
from harness.cli.progress import RunProgress
from harness.workflow import events
from harness.workflow.events import (
    CallAnswered,
    ChildRunStarted,
    FallbackTaken,
    ItemFinished,
    ItemSkipped,
    NodeFinished,
    NodeRetried,
    NodeStarted,
    PlanMade,
    PlanStepFinished,
    QuestionAsked,
    ResultReused,
    StreamedEvent,
    ToolAnswered,
    ToolCalled,
    Words,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOSTILE = "\x1b[2J\u202eevil\U000e0041\rrun x completed\n\x9b31m"


def heard(*given, as_json=False, **named):
    out, err = io.StringIO(), io.StringIO()
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        RunProgress(Output(as_json=as_json), moving=False, **named) as progress,
    ):
        for event in given:
            progress.hear(event)
    return out.getvalue(), err.getvalue(), progress


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (NodeRetried("n", 1, 2.0, "busy"), "n: try 1 failed, the next one in 2.0 s: busy"),
        (ItemSkipped("n", 3, "ToolFailed", "gone"), "n: item 3 failed for good and is skipped: gone"),
        (FallbackTaken("n", "ToolFailed", "gone"), "n: failed for good, its fallback answers: gone"),
        (ResultReused("n", "r1"), "n: the result is that of run r1"),
        (QuestionAsked("n", "q1", "answer", "d", None), "n: a person is wanted: question q1"),
        (PlanMade("n", 1, (("a", "reader", ()), ("b", "writer", ("a",)))), "n: plan 1: a by reader; b by writer after a"),
        (PlanStepFinished("n", "a", 1.0, "gone"), "n: step a failed: gone"),
        (ToolAnswered("n", "n/tool#1", "look_up", 1.0, None, "tool 'look_up' failed: gone", False), "n: tool 'look_up' failed: gone"),
        (ChildRunStarted("n", "r2", "audit"), "n: audit runs as run r2"),
    ],
)  # fmt: skip
def test_what_a_person_should_know_of_is_a_line_on_stderr(event, words):
    out, err, _ = heard(event)
    assert (out, err) == ("", f"{words}\n")
    assert heard(event, quiet=True)[:2] == ("", "")


def test_what_goes_well_is_on_the_moving_line_alone():
    _, err, progress = heard(
        NodeStarted("read", 3),
        ItemFinished("read", 1, 3),
        ToolCalled("read", "read[0]/tool#1", "fetch", "d", effect=False),
        CallAnswered("read", "m", 10, 5, Decimal("0.01"), replayed=False),
        CallAnswered("read", "m", 10, 5, Decimal("0.01"), replayed=True),
    )
    assert err == ""
    assert progress.line().startswith("read 1/3 (fetch)  1 call, 15 tokens, $0.01  ")
    progress.hear(ToolAnswered("read", "read[0]/tool#1", "fetch", 0.1, 5, None, replayed=False))
    assert progress.line().startswith("read 1/3  1 call")
    progress.hear(NodeFinished("read", 1.0))
    assert progress.line().startswith("between nodes")


def test_words_come_as_they_are_said_and_whose_they_are_is_told_once():
    said = [Words("a", "one "), Words("a", "two"), Words("b", "three"), NodeRetried("b", 1, 1.0, "cut")]
    out, err, _ = heard(*said, Words("b", "again"), stream=True)
    assert out == ""
    assert err == "a:\none two\nb:\nthree\nb: try 1 failed, the next one in 1.0 s: cut\nb:\nagain\n"


def test_every_kind_of_event_is_one_line_of_json():
    samples = {str: "x", int: 1, float: 1.0, bool: True, Decimal: Decimal(1), datetime: NOW}
    for kind in get_args(StreamedEvent):
        values = [samples.get(_plain(field.type), ()) for field in fields(kind)]
        out, err, _ = heard(kind(*values), as_json=True)
        (line,) = out.splitlines()
        assert json.loads(line)["event"].replace("_", "") == kind.__name__.lower()
        assert err == ""


def _plain(annotation):
    return next((each for each in get_args(annotation) if each is not type(None)), annotation)


@pytest.mark.parametrize("as_json", [True, False])
def test_nothing_hostile_in_any_event_reaches_the_terminal_raw(as_json):
    for kind in get_args(StreamedEvent):
        values = [HOSTILE if _plain(field.type) is str else None for field in fields(kind)]
        values = [
            _some(field.type) if value is None else value for field, value in zip(fields(kind), values, strict=True)
        ]
        out, err, _ = heard(kind(*values), as_json=as_json, stream=True)
        for character in "\x1b\u202e\U000e0041\x9b\r":
            assert character not in out + err
        if not isinstance(kind(*values), Words) and not as_json:
            assert len((err or "").splitlines()) <= 1


def _some(annotation):
    return {int: 1, float: 1.0, bool: False, Decimal: Decimal(1), datetime: NOW}.get(_plain(annotation), ())


def test_every_event_of_the_module_is_in_the_union():
    made = {each for each in vars(events).values() if isinstance(each, type) and each.__module__ == events.__name__}
    assert made == set(get_args(StreamedEvent))
