import json

import pytest

from harness.dialects.known_dialects import DIALECTS
from harness.dialects.swap.pairs import UNANSWERED
from harness.dialects.swap.swap import SwapChange, swapped
from harness.dialects.wire_rules import WireRules
from harness.exceptions import RequestRefused
from harness.models.catalogue import Capability, DialectName, Endpoint, Model
from harness.models.messages import (
    CachePoint,
    CitationPart,
    DocumentPart,
    ImagePart,
    Message,
    ModelRequest,
    OtherPart,
    ReasoningPart,
    RefusalPart,
    ServerToolPart,
    TextPart,
    Thinking,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
    assistant,
    system,
    user,
)
from tests.dialects.swap_histories import ELSEWHERE, HERE, target_with

FREE = WireRules(attachments=True, custom_calls=True)
CLAUDE_LIKE = WireRules(
    call_ids=r"[a-zA-Z0-9_-]+",
    tool_names=r"[a-zA-Z0-9_-]{1,64}",
    system="apart",
    alternates=True,
    user_first=True,
    empty_text=False,
    image_types=frozenset({"image/png"}),
    document_types=frozenset({"application/pdf", "text/plain"}),
    attachments=True,
    arguments="object",
    thinking_bound=True,
)
NINE = WireRules(call_ids=r"[A-Za-z0-9]{9}")
ABROAD = {"opaque": {"signature": "sealed"}, "origin": ELSEWHERE[0]}
OURS = {"opaque": {"signature": "ours"}, "origin": HERE}


def asking(*messages, **more):
    return ModelRequest(messages=messages, max_output_tokens=50, **more)


def said(*parts):
    return Message(role="assistant", parts=parts)


def answered(*parts, role="tool"):
    return Message(role=role, parts=parts)


def call(call_id="call_1", name="look", arguments='{"a": 1}', **more):
    return ToolCallPart(call_id=call_id, name=name, arguments=arguments, **more)


def result(call_id="call_1", text="7", **more):
    return ToolResultPart(call_id=call_id, text=text, **more)


def across(request, rules=FREE, target=None, **more):
    asked, report = swapped(request, target or target_with(), rules, **more)
    return [(message.role, list(message.parts)) for message in asked.messages], report


def named(report):
    return [(change.message, change.what, change.became, change.count) for change in report.changes]


def test_a_conversation_of_the_target_s_own_goes_as_it_is():
    request = asking(
        system("s"),
        user("x"),
        said(ReasoningPart(text="hm", **OURS), TextPart(text="so", **OURS), call(**OURS)),
        answered(result()),
    )
    for rules in (FREE, CLAUDE_LIKE, NINE):
        asked, report = swapped(request, target_with(), rules)
        assert asked is request
        assert report.changes == ()
        assert report.summary() == "nothing changed"


def test_what_another_made_keeps_its_words_and_loses_its_block():
    parts = (
        ReasoningPart(text="hm", **ABROAD),
        TextPart(text="so", **ABROAD),
        CitationPart(source="book", **ABROAD),
        RefusalPart(text="no", **ABROAD),
        ServerToolPart(name="web_search", text="found it", **ABROAD),
        ServerToolPart(name="web_search", text=" ", **ABROAD),
        OtherPart(kind="strange", **ABROAD),
        call(**ABROAD),
    )
    turns, report = across(asking(user("x"), said(*parts), answered(result())))
    assert turns[1][1] == [
        TextPart(text="so"),
        RefusalPart(text="no"),
        TextPart(text="found it"),
        TextPart(text="[web_search]"),
        call(),
    ]
    assert named(report) == [
        (1, "reasoning", "dropped", 1),
        (1, "vendor_block", "plain", 3),
        (1, "citation", "dropped", 1),
        (1, "server_tool", "text", 2),
        (1, "other", "dropped", 1),
    ]
    assert [change.what for change in report.losses] == ["reasoning", "citation", "other"]


@pytest.mark.parametrize("origin", ELSEWHERE, ids=["another wire", "another model", "another key"])
def test_only_an_equal_stamp_takes_a_block_back(origin):
    part = TextPart(text="so", opaque={"signature": "sealed"}, origin=origin)
    turns, _ = across(asking(user("x"), said(part)))
    assert turns[1][1] == [TextPart(text="so")]


def test_thoughts_can_go_on_as_text():
    thoughts = (ReasoningPart(text="hm", **ABROAD), ReasoningPart(text="", **ABROAD), TextPart(text="so"))
    turns, report = across(asking(user("x"), said(*thoughts)), thoughts="text")
    assert turns[1][1] == [TextPart(text="<thinking>\nhm\n</thinking>"), TextPart(text="so")]
    assert report.summary() == "dropped: 1 reasoning; text: 1 reasoning"


def test_thoughts_without_a_stamp_go_where_a_wire_has_a_plain_field_for_them():
    request = asking(user("x"), said(ReasoningPart(text="hm"), TextPart(text="so")))
    assert swapped(request, target_with(), WireRules(plain_reasoning=True))[0] is request
    turns, report = across(request)
    assert turns[1][1] == [TextPart(text="so")]
    assert report.losses == (SwapChange(1, "reasoning", "dropped"),)


def test_citations_inside_the_target_s_own_text_are_no_loss():
    cited = said(TextPart(text="so", **OURS), CitationPart(source="book"), CitationPart(source="film"))
    request = asking(user("x"), cited)
    assert swapped(request, target_with(), CLAUDE_LIKE)[0] is request


def test_a_call_and_its_result_get_the_same_id_each_time():
    request = asking(
        user("x"), said(call("toolu_01-x"), call("abcdefghi")), answered(result("toolu_01-x"), result("abcdefghi"))
    )
    turns, report = across(request, NINE)
    asked, given = turns[1][1], turns[2][1]
    assert [part.call_id for part in asked] == [part.call_id for part in given]
    assert asked[1].call_id == "abcdefghi"
    assert len(asked[0].call_id) == 9
    assert asked[0].call_id.isalnum()
    assert across(request, NINE)[0] == turns
    assert named(report) == [(1, "tool_call_id", "mapped", 1)]


def test_ids_that_come_again_are_told_apart():
    loop = (said(call("call_0"), call("call_0")), answered(result("call_0", "a"), result("call_0", "b")))
    turns, _ = across(asking(user("x"), *loop, *loop))
    ids = [part.call_id for at in (1, 3) for part in turns[at][1]]
    assert len(set(ids)) == 4
    assert ids == [part.call_id for at in (2, 4) for part in turns[at][1]]
    assert ids[0] == "call_0"
    assert [part.text for part in turns[4][1]] == ["a", "b"]


def test_what_goes_back_byte_for_byte_keeps_its_id():
    loops = (
        said(call("same")),
        answered(result("same", "a")),
        said(call("same", **OURS)),
        answered(result("same", "b")),
    )
    turns, _ = across(asking(user("x"), *loops))
    assert turns[3][1] == [call("same", **OURS)]
    assert turns[4][1] == [result("same", "b")]
    assert turns[1][1][0].call_id == turns[2][1][0].call_id != "same"


def test_the_name_of_a_tool_that_was_called_elsewhere_is_fitted():
    request = asking(user("x"), said(call(name="mcp.tool/größe")), answered(result()))
    turns, report = across(request, CLAUDE_LIKE)
    assert turns[1][1][0].name == "mcp_tool_gr__e"
    assert named(report) == [(1, "tool_name", "mapped", 1)]


@pytest.mark.parametrize("name", ["größe!", "a b", "", "x" * 65])
def test_a_declared_tool_with_a_name_that_does_not_fit_is_refused_before_anything_is_sent(name):
    request = asking(user("x"), tools=(Tool(name=name, description="", parameters={}),))
    with pytest.raises(RequestRefused, match="rename the tool"):
        swapped(request, target_with(), CLAUDE_LIKE)
    assert swapped(request, target_with(), FREE)[0] is request


def test_a_custom_call_becomes_an_object_where_there_are_none():
    request = asking(user("x"), said(call(arguments='say "hi"', custom=True)), answered(result(custom=True)))
    assert swapped(request, target_with(), FREE)[0] is request
    turns, report = across(request, CLAUDE_LIKE)
    assert turns[1][1][0].custom is None
    assert json.loads(turns[1][1][0].arguments) == {"input": 'say "hi"'}
    assert turns[2][1] == [result()]
    assert named(report) == [(1, "custom_call", "wrapped", 1), (2, "custom_result", "mapped", 1)]


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [("", {}), (" ", {}), ("[1]", {"input": [1]}), ('{"a": ', {"input": '{"a": '}), ('{"a":  1}', {"a": 1})],
)
def test_arguments_are_an_object_where_the_wire_takes_no_other(arguments, sent):
    request = asking(user("x"), said(call(arguments=arguments)), answered(result()))
    turns, report = across(request, CLAUDE_LIKE)
    assert json.loads(turns[1][1][0].arguments) == sent
    assert bool(report.changes) == (turns[1][1][0].arguments != arguments)
    assert swapped(request, target_with(), FREE)[0] is request


def test_a_result_without_its_call_is_told_in_words():
    turns, report = across(asking(user("x"), answered(result("gone", "7")), answered(result("too", "8", failed=True))))
    assert turns[1:] == [
        ("user", [TextPart(text="[result of a tool]\n7")]),
        ("user", [TextPart(text="[result of a failed tool]\n8")]),
    ]
    assert [change.became for change in report.changes] == ["text", "text"]


def test_a_call_without_its_result_gets_one_that_says_so():
    request = asking(user("x"), said(call("a"), call("b")), answered(result("b")), user("go on"))
    turns, report = across(request)
    assert turns[2] == ("tool", [result("a", UNANSWERED, failed=True), result("b")])
    assert named(report) == [(1, "tool_result", "added", 1)]
    assert swapped(request, target_with(), WireRules(unanswered_calls=True))[0] is request


def test_results_stand_right_after_their_calls_in_their_order():
    late = answered(result("b", "2"), result("a", "1"))
    turns, report = across(asking(user("x"), said(call("a"), call("b")), user("wait"), late, user("so?")))
    assert [role for role, _ in turns] == ["user", "assistant", "tool", "user", "user"]
    assert turns[2][1] == [result("a", "1"), result("b", "2")]
    assert turns[3][1] == [TextPart(text="wait")]
    assert named(report) == [(1, "tool_result", "moved", 2)]


def test_results_lead_the_user_s_words():
    mixed = answered(TextPart(text="and?"), result(), role="user")
    turns, _ = across(asking(user("x"), said(call()), mixed))
    assert turns[2] == ("user", [result(), TextPart(text="and?")])


def test_a_tool_s_turn_holds_results_alone():
    turns, _ = across(asking(user("x"), said(call()), answered(result(), TextPart(text="and?"))))
    assert turns[2:] == [("tool", [result()]), ("user", [TextPart(text="and?")])]


def test_a_reply_that_came_in_pieces_is_one_turn_before_its_results():
    pieces = (said(call("a")), said(call("b")))
    turns, report = across(asking(user("x"), *pieces, answered(result("a"), result("b"))))
    assert turns[1] == ("assistant", [call("a"), call("b")])
    assert named(report) == [(2, "turn", "merged", 1)]


def test_a_result_inside_a_model_s_turn_stands_after_it():
    turns, _ = across(asking(user("x"), said(call(), result(), TextPart(text="so"))))
    assert turns[1:] == [("assistant", [call(), TextPart(text="so")]), ("tool", [result()])]


def test_neighbours_of_one_speaker_are_one_turn_where_speakers_alternate():
    request = asking(
        user("a"), user("b"), said(call("a"), call("b")), answered(result("a")), answered(result("b")), user("c")
    )
    turns, report = across(request, WireRules(alternates=True))
    assert turns == [
        ("user", [TextPart(text="a"), TextPart(text="b")]),
        ("assistant", [call("a"), call("b")]),
        ("user", [result("a"), result("b"), TextPart(text="c")]),
    ]
    assert report.summary() == "merged: 3 turn"
    assert swapped(request, target_with(), FREE)[0] is request


def test_the_user_begins_where_the_wire_wants_it():
    request = asking(system("s"), assistant("hello"), user("x"))
    turns, report = across(request, WireRules(user_first=True))
    assert turns[:3] == [
        ("system", [TextPart(text="s")]),
        ("user", [TextPart(text="Begin.")]),
        ("assistant", [TextPart(text="hello")]),
    ]
    assert named(report) == [(1, "user_turn", "added", 1)]


@pytest.mark.parametrize("place", ["first", "apart"])
def test_the_system_s_words_move_to_the_front_in_their_order(place):
    request = asking(system("a"), user("x"), system("b"), assistant("y"), system("c"))
    turns, report = across(request, WireRules(system=place))
    assert "".join(parts[0].text for _, parts in turns) == "abcxy"
    assert named(report) == [(2, "system", "moved", 1), (4, "system", "moved", 1)]
    assert swapped(request, target_with(), FREE)[0] is request


def test_blank_texts_and_empty_turns_go_and_a_last_word_stays():
    request = asking(user("x"), said(TextPart(text="\n"), TextPart(text="y")), user(" "), assistant(""), user(""))
    turns, report = across(request, CLAUDE_LIKE)
    assert turns == [
        ("user", [TextPart(text="x")]),
        ("assistant", [TextPart(text="y")]),
        ("user", [TextPart(text="Continue.")]),
    ]
    assert [change.became for change in report.changes] == ["omitted"] * 5 + ["omitted", "filled"]
    assert report.losses == ()


def test_a_blank_text_that_carries_the_target_s_own_block_stays():
    request = asking(user("x"), said(TextPart(text="", **OURS)))
    assert swapped(request, target_with(), CLAUDE_LIKE)[0] is request


PICTURE = ImagePart(media_type="image/png", data="aGk=")
LINK = ImagePart(url="https://example.org/a.png")


def test_pictures_go_as_the_wire_takes_them():
    request = asking(Message(role="user", parts=(TextPart(text="x"), PICTURE, LINK)))
    turns, report = across(request, CLAUDE_LIKE)
    assert turns[0][1][1:] == [PICTURE, TextPart(text="[image left out: https://example.org/a.png]")]
    assert report.losses == (SwapChange(0, "image", "dropped"),)
    assert (
        swapped(request, target_with(), WireRules(image_types=frozenset({"image/png"}), image_urls=True))[0] is request
    )


def test_a_model_without_eyes_is_told_that_something_was_left_out():
    request = asking(Message(role="user", parts=(PICTURE, DocumentPart(media_type="application/pdf", data="aGk="))))
    assert swapped(request, target_with(), CLAUDE_LIKE)[0] is request
    assert swapped(request, target_with(Capability.IMAGES, Capability.DOCUMENTS), CLAUDE_LIKE)[0] is request
    turns, _ = across(request, CLAUDE_LIKE, target_with(Capability.TOOLS))
    assert [part.text for part in turns[0][1]] == [
        "[image left out: image/png]",
        "[document left out: application/pdf]",
    ]


def test_a_data_address_is_the_picture_itself():
    request = asking(Message(role="user", parts=(ImagePart(url="data:image/png;base64,aGk="),)))
    assert across(request, CLAUDE_LIKE)[0] == [("user", [PICTURE])]


@pytest.mark.parametrize(
    "document",
    [
        DocumentPart(text="the words", title="Plan"),
        DocumentPart(media_type="text/csv", data="dGhlIHdvcmRz", title="Plan"),
    ],
)
def test_a_document_s_words_are_told_where_the_wire_has_no_documents(document):
    turns, report = across(asking(Message(role="user", parts=(document,))))
    assert turns == [("user", [TextPart(text="[document: Plan]\nthe words")])]
    assert report.losses == ()


def test_a_document_with_blank_words_is_its_bytes_or_nothing():
    parts = (DocumentPart(text=" ", media_type="application/pdf", data="aGk="), DocumentPart(text="", title="Plan"))
    turns, _ = across(asking(Message(role="user", parts=parts)), CLAUDE_LIKE)
    kept = DocumentPart(media_type="application/pdf", data="aGk=")
    assert turns == [("user", [kept, TextPart(text="[document left out: Plan]")])]


def test_an_address_that_only_its_provider_can_fetch_goes_nowhere_else():
    request = asking(Message(role="user", parts=(ImagePart(url="s3://bucket/a.png"),)))
    assert across(request, WireRules(image_urls=True))[1].losses
    rules = WireRules(image_urls=True, own_schemes=frozenset({"s3"}))
    assert swapped(request, target_with(), rules)[0] is request


def test_attachments_follow_the_results_where_a_result_takes_none():
    rules = WireRules(image_types=frozenset({"image/png"}))
    given = (answered(result("a", attachments=(PICTURE, LINK))), answered(result("b")))
    turns, report = across(asking(user("x"), said(call("a"), call("b")), *given, user("so?")), rules)
    assert turns[2:] == [
        ("tool", [result("a", "7\n[image left out: https://example.org/a.png]")]),
        ("tool", [result("b")]),
        ("user", [TextPart(text="[attached to the result of call a]"), PICTURE]),
        ("user", [TextPart(text="so?")]),
    ]
    assert named(report) == [(2, "image", "dropped", 1), (2, "attachment", "moved", 1)]


def test_a_model_s_own_picture_is_left_out_where_its_turn_holds_none():
    request = asking(user("x"), said(PICTURE))
    assert across(request, CLAUDE_LIKE)[0][1] == ("assistant", [TextPart(text="[image left out: image/png]")])
    rules = WireRules(image_types=frozenset({"image/png"}), assistant_media=True)
    assert swapped(request, target_with(), rules)[0] is request


THINKING = Thinking(budget_tokens=2000)


def loop(*parts, thinking=THINKING):
    return asking(user("x"), said(*parts, call()), answered(result()), thinking=thinking)


def test_no_thinking_in_a_loop_that_another_model_began():
    asked, report = swapped(loop(ReasoningPart(text="hm", **ABROAD)), target_with(), CLAUDE_LIKE)
    assert asked.thinking == Thinking(effort="none")
    assert named(report) == [(1, "reasoning", "dropped", 1), (1, "thinking", "turned_off", 1)]
    done = asking(*loop().messages, assistant("7"), user("and?"), thinking=Thinking(effort="high"))
    assert swapped(done, target_with(), CLAUDE_LIKE)[0] is done
    assert swapped(loop(thinking=None), target_with(), CLAUDE_LIKE)[0].thinking is None


def test_a_loop_that_the_target_began_goes_on_thinking():
    request = loop(ReasoningPart(text="hm", **OURS))
    assert swapped(request, target_with(), CLAUDE_LIKE)[0] is request


def test_cache_points_stay_after_the_same_words():
    points = tuple(CachePoint(after=after) for after in ("tools", 0, 1, 3, 4, 99))
    request = asking(assistant(""), user("a"), user("b"), system("s"), assistant("c"), cache_points=points)
    asked, _ = swapped(request, target_with(), CLAUDE_LIKE)
    assert [message.text for message in asked.messages] == ["s", "ab", "c"]
    assert [point.after for point in asked.cache_points] == ["tools", 1, 0, 2]


def test_what_is_asked_beside_the_conversation_stays():
    tool = Tool(name="look", description="d", parameters={"type": "object"})
    choice = ToolChoice(mode="tool", name="look")
    request = asking(user("x"), said(call(**ABROAD)), answered(result()), tools=(tool,), tool_choice=choice, seed=3)
    asked, report = swapped(request, target_with(), CLAUDE_LIKE)
    assert report.changes
    assert asked.model_copy(update={"messages": request.messages}) == request


def test_the_report_is_one_line_and_plain_json():
    request = asking(user("x"), said(ReasoningPart(text="a", **ABROAD), call("i.d", **ABROAD)), answered(result("i.d")))
    report = swapped(request, target_with(), CLAUDE_LIKE)[1]
    assert report.summary() == "dropped: 1 reasoning; plain: 1 vendor block; mapped: 1 tool call id"
    assert json.loads(json.dumps(report.to_json())) == {
        "summary": report.summary(),
        "lost": 1,
        "changes": [
            {"message": 1, "what": "reasoning", "became": "dropped", "count": 1},
            {"message": 1, "what": "vendor_block", "became": "plain", "count": 1},
            {"message": 1, "what": "tool_call_id", "became": "mapped", "count": 1},
        ],
    }


def test_a_service_tier_of_another_vendor_is_left_out_and_told():
    request = asking(user("x"), service_tier="standard_only")
    asked, report = swapped(request, target_with(), WireRules(service_tiers=frozenset({"flex"})))
    assert asked.service_tier is None
    assert report.losses == (SwapChange(0, "service_tier", "dropped"),)
    for rules in (FREE, WireRules(service_tiers=frozenset({"standard_only"}))):
        assert swapped(request, target_with(), rules)[0] is request


@pytest.mark.parametrize(
    ("dialect", "known"),
    [
        ("openai_responses", "priority"),
        ("anthropic_messages", "standard_only"),
        ("gemini", "standard"),
        ("bedrock_converse", "reserved"),
    ],
)
def test_every_vendor_s_words_for_a_service_tier_are_its_own(dialect, known):
    model = Model(endpoint="there", wire_name="wire", context_tokens=9)
    endpoint = Endpoint(base_url="http://127.0.0.1:9", dialect=dialect)
    tiers = DIALECTS[DialectName(dialect)].rules(model, endpoint).service_tiers
    assert known in tiers
    assert "on_demand" not in tiers


def test_a_model_that_always_thinks_is_not_said_to_have_stopped():
    endpoint = Endpoint(base_url="http://127.0.0.1:9", dialect="anthropic_messages")
    history = (user("x"), said(call()), answered(result()))
    for wire_name, stopped in (("claude-sonnet-4-5", True), ("claude-opus-5-5", False)):
        model = Model(endpoint="there", wire_name=wire_name, context_tokens=9)
        rules = DIALECTS[DialectName.ANTHROPIC_MESSAGES].rules(model, endpoint)
        asked, report = swapped(asking(*history, thinking=Thinking(effort="low")), target_with(), rules)
        assert ("turned_off" in [change.became for change in report.changes]) is stopped
        assert (asked.thinking == Thinking(effort="none")) is stopped


def test_an_address_of_unknown_kind_is_told_in_words_where_the_wire_wants_a_type():
    rules = WireRules(image_urls=True, document_urls=True, typed_urls=True)
    pictures = (
        ImagePart(url="https://h/a"),
        ImagePart(url="https://h/a.png"),
        ImagePart(url="https://h/b", media_type="image/png"),
    )
    request = asking(Message(role="user", parts=pictures))
    asked, report = swapped(request, target_with(), rules)
    assert [part.type for part in asked.messages[0].parts] == ["text", "image", "image"]
    assert report.losses == (SwapChange(0, "image", "dropped"),)
    assert swapped(request, target_with(), WireRules(image_urls=True))[0] is request
