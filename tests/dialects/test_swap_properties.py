"""What holds of every swap, whatever the history and the wire."""

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.dialects.swap.swap import swapped
from harness.dialects.wire_rules import WireRules
from harness.models.messages import (
    CitationPart,
    ImagePart,
    OtherPart,
    ReasoningPart,
    RefusalPart,
    ServerToolPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from tests.dialects.swap_histories import HERE, media_of, own, parts_of, requests, rule_sets, targets, violations

ways = st.sampled_from(["dropped", "text"])
many = settings(deadline=None, max_examples=100)  # the machine may be busy


@many
@given(requests, targets, rule_sets, ways)
def test_what_is_swapped_keeps_the_rules(request, target, rules, thoughts):
    asked, _ = swapped(request, target, rules, thoughts=thoughts)
    assert violations(asked, rules, target) == []


@many
@given(requests, targets, rule_sets, ways)
def test_swapping_twice_is_swapping_once(request, target, rules, thoughts):
    asked, _ = swapped(request, target, rules, thoughts=thoughts)
    again, report = swapped(asked, target, rules, thoughts=thoughts)
    assert report.changes == ()
    assert again is asked


@many
@given(requests, targets, rule_sets)
def test_an_empty_report_means_the_same_request_and_a_change_is_always_reported(request, target, rules):
    asked, report = swapped(request, target, rules)
    assert (asked is request) == (not report.changes)
    assert (asked == request) == (not report.changes)


@many
@given(requests, targets, rule_sets)
def test_the_target_s_own_blocks_go_back_untouched_and_in_order(request, target, rules):
    asked, _ = swapped(request, target, rules)
    spoken = [m for m in request.messages if m.role == "assistant"]
    before = [part for message in spoken for part in message.parts if own(part)]
    after = [part for m in asked.messages if m.role == "assistant" for part in m.parts if own(part)]
    assert after == before


@many
@given(requests, targets, rule_sets)
def test_what_is_gone_is_named(request, target, rules):
    asked, report = swapped(request, target, rules)
    for kind, name in ((ReasoningPart, "reasoning"), (CitationPart, "citation"), (OtherPart, "other")):
        gone = sum(change.count for change in report.losses if change.what == name)
        assert len(parts_of(request, kind)) == len(parts_of(asked, kind)) + gone
    left_out = sum(c.count for c in report.changes if c.what in ("image", "document") and c.became != "narrowed")
    assert len(media_of(request)) == len(media_of(asked)) + left_out


@many
@given(requests, targets, rule_sets)
def test_nothing_that_was_said_is_lost(request, target, rules):
    asked, _ = swapped(request, target, rules)
    said = [part.text for part in parts_of(asked, TextPart | RefusalPart | ServerToolPart | ToolResultPart)]
    shown = "\n".join([*said, *(part.arguments for part in parts_of(asked, ToolCallPart))])
    for part in parts_of(request, TextPart | RefusalPart | ServerToolPart | ToolResultPart):
        assert part.text.strip() in shown
    for part in parts_of(request, ToolCallPart):
        assert part.arguments.replace('"', '\\"') in shown or part.arguments in shown


@many
@given(requests, targets)
def test_a_wire_without_rules_changes_nothing_of_words_and_roles(request, target):
    free = WireRules(
        image_types=frozenset({"image/png"}),
        attachments=True,
        custom_calls=True,
        unanswered_calls=True,
        assistant_media=True,
    )
    asked, _ = swapped(request, target, free)
    said = [part.text for part in parts_of(request, TextPart)]
    kept = [part.text for part in parts_of(asked, TextPart)]
    assert [text for text in said if text in kept] == said
    assert len(parts_of(asked, ImagePart)) <= len(media_of(request))


@many
@given(requests, targets, rule_sets)
def test_a_report_is_said_in_one_line_and_in_json(request, target, rules):
    _, report = swapped(request, target, rules)
    said = report.to_json()
    assert said["summary"] == report.summary()
    assert "\n" not in report.summary()
    assert sum(change["count"] for change in said["changes"]) == sum(change.count for change in report.changes)
    assert [change.message for change in report.changes] == sorted(change.message for change in report.changes)
    assert HERE.dialect not in report.summary()
