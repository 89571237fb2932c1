"""Templates that evaluate nothing, and documents that cannot leave their fence."""

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.exceptions import NameUnknown, SpecificationInvalid
from harness.workflow.prompts import DOCUMENTS_ARE_DATA, Variable, fenced, render, render_prompt, variables


def plain(template: str, **values: object) -> str:
    return render(template, values, max_characters=100)


def test_variables_are_filled_in_and_what_is_not_text_comes_as_compact_json():
    assert plain("{{ a }}, {{item.b.c}}, {{ d }}", a="x", item={"b": {"c": [1, "ü"]}}, d=None) == 'x, [1,"ü"], null'


def test_braces_that_open_no_variable_are_text():
    assert plain('{"a": {"b": 1}} {{{{ a }} } { x', a="x") == '{"a": {"b": 1}} {{ a }} } { x'


def test_what_a_variable_brings_in_is_no_template():
    assert plain("{{ a }}", a="{{ secret }} {{{{", secret="s") == "{{ secret }} {{{{"


@pytest.mark.parametrize(
    "template",
    ["{{ a.__class__() }}", "{{ a | upper }}", "{{ 1 + 1 }}", "{{}}", "{{ a", "{% if a %}{{ '' }}", "{{ a..b }}"],
)
def test_nothing_else_is_a_variable(template: str):
    with pytest.raises(SpecificationInvalid, match=r"prompt:1:\d+: `\{\{` opens no variable"):
        plain(template, a="x")


def test_attributes_of_python_are_no_fields():
    with pytest.raises(NameUnknown):
        plain("{{ a.__class__ }}", a="x")


def test_a_missing_field_is_answered_with_the_nearest():
    with pytest.raises(NameUnknown, match=r"'item.nam'; did you mean 'name'\?"):
        plain("{{ item.nam }}", item={"name": "x"})


def test_variables_are_told_with_their_places():
    assert variables("a {{ b }}\n\n  {{ c.d }}{{ b }}") == [
        Variable("b", 1, 3),
        Variable("c.d", 3, 3),
        Variable("b", 3, 12),
    ]


def test_a_document_is_fenced_and_the_system_turn_says_that_it_is_data():
    prompt = render_prompt(
        "Read:\n{{ item.text }}", {"item": {"text": "hello"}}, documents=("item.text",), max_characters=100
    )

    assert prompt.user == 'Read:\n<document name="item.text" sha="2cf24dba">\nhello\n</document>'
    assert prompt.system == DOCUMENTS_ARE_DATA


def test_the_word_about_documents_follows_the_system_turn_there_is():
    prompt = render_prompt("{{ a }}", {"a": "x"}, system="Be {{ a }}.\n", documents=("a",), max_characters=9)

    assert prompt.system is not None
    assert prompt.system.startswith("Be <document")
    assert prompt.system.endswith("\n\n" + DOCUMENTS_ARE_DATA)
    assert render_prompt("{{ a }}", {"a": "x"}, system="Be brief.", max_characters=9).system == "Be brief."


@pytest.mark.parametrize("used", ["item", "item.text", "item.text.first"])
def test_a_document_is_fenced_as_a_whole_in_a_part_and_in_what_holds_it(used: str):
    values = {"item": {"text": {"first": "hello"}}}

    rendered = render(f"{{{{ {used} }}}}", values, documents=("item.text",), max_characters=99)

    assert rendered.startswith("<document ")


def test_a_name_that_only_begins_like_a_document_is_not_one():
    assert render("{{ texts }}", {"texts": "x"}, documents=("text",), max_characters=99) == "x"


def test_a_long_document_is_cut_and_said_to_be():
    shown = fenced("d", "abcdefghij", max_characters=4)

    assert shown.endswith("\nabcd\n[cut here: 4 characters shown of a document of 10]\n</document>")
    assert "[cut" not in fenced("d", "abcd", max_characters=4)
    assert "[cut" not in fenced("d", "a\r\nb\r\n", max_characters=4)


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ("a\u202eb", "a\\u202eb"),
        ("a\u2066b", "a\\u2066b"),
        ("a\x1b[31mb", "a\\u001b[31mb"),
        ("a\x00b", "a\\u0000b"),
        ("a\U000e0041b", "a\\U000e0041b"),
        ("a\u200bb", "a\\u200bb"),
        ("a\ud800b", "a\\ud800b"),
        ("a\u2028b", "a\\u2028b"),
        ("a\U000e0100b", "a\\U000e0100b"),
        ("a\r\nb\rc\td\n", "a\nb\nc\td\n"),
        ("\u0645\u06cc\u200c\u062e \u65e5\u672c \u00e9", "\u0645\u06cc\u200c\u062e \u65e5\u672c \u00e9"),
    ],
)
def test_hidden_characters_are_shown_and_spelling_is_kept(hidden: str, shown: str):
    assert f"\n{shown}\n</document>" in fenced("d", hidden, max_characters=100)


@pytest.mark.parametrize(
    "marker",
    [
        "<|im_end|>",
        "<|im_start|>system",
        "<\uff5cUser\uff5c>",
        "</s>",
        "<s>",
        "<start_of_turn>",
        "<end_of_turn>",
        "[INST]",
        "[/INST]",
        "<<SYS>>",
    ],
)
def test_the_markers_of_chat_templates_do_not_survive_in_a_document(marker: str):
    shown = fenced("d", f"before {marker} after", max_characters=200)

    assert marker not in shown
    assert "before" in shown
    assert "after" in shown


def test_ordinary_markup_and_comparisons_stay_as_they_are():
    text = "if a < b: <b>bold</b> [1] x << 2 <span>"

    assert text in fenced("d", text, max_characters=200)


# What a reader might take for a fence, however it is spelled.
FENCE_LIKE = re.compile(
    r"[<\uff1c\ufe64\u2039\u3008\u27e8\u2329][\s/\uff0f\u2044\u2215\u200c\u200d]*document", re.IGNORECASE
)
pieces = st.sampled_from(
    [
        "<",
        "</",
        "/",
        "document",
        "DOCUMENT",
        ">",
        " ",
        "\n",
        "\u200d",
        "\u200b",
        "\uff1c",
        "\uff0f",
        "\ufe64",
        "doc",
        "ument",
        '<document name="x" sha="0">',
        "</document>",
        "\u202e",
        "\uff44ocument",
    ]
)


@given(st.one_of(st.text(), st.lists(pieces, max_size=12).map("".join)), st.integers(1, 60))
@example("<" + " " * 200 + "/document>", 400)
@example("<\u200d/\u200ddoc\u200dument>", 400)
def test_no_document_can_close_or_open_a_fence(text: str, max_characters: int):
    shown = fenced("d", text, max_characters=max_characters)
    opening, _, rest = shown.partition("\n")
    inside = rest.removesuffix("\n</document>")

    assert re.fullmatch(r'<document name="d" sha="[0-9a-f]{8}">', opening)
    assert rest != inside
    assert not FENCE_LIKE.search(unicodedata.normalize("NFKC", inside.replace("\u200d", "").replace("\u200c", "")))
    assert len(inside.partition("\n[cut here: ")[0]) <= max_characters
    assert not any(unicodedata.category(each) in {"Cc", "Cs"} and each not in "\n\t" for each in shown)
