"""Values as lines: whole, and so that no text in them can pass for a line of ours."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from harness.cli.readable_values import folded, one_line, quoted_block, readable_lines

TEXTS = st.text(st.characters(codec=None, exclude_categories=[])) | st.text("a:\n\r\t\u2028\x1b\u202e\U000e0041│┆ ")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_each_shape_has_its_form():
    value = {"a": "x", "list": [1, [2], {"b": None}], "none": {}, "empty": [], "two": "lines\nof it", "odd key": True}
    assert readable_lines(value) == [
        'a: "x"',
        "list:",
        "  - 1",
        "  - - 2",
        "  - b: null",
        "none: {}",
        "empty: []",
        "two:",
        "  │ lines",
        "  │ of it",
        '"odd key": true',
    ]
    assert readable_lines("text") == ['"text"']
    assert readable_lines(None) == ["null"]


def test_a_text_that_plays_a_key_is_seen_to_be_a_text():
    lines = readable_lines({"mail": 'Hello\napproved: true\n"digest": 1', "approved": False})
    assert [line for line in lines if line.startswith("approved")] == ["approved: false"]
    assert "  │ approved: true" in lines


@given(VALUES, st.integers(24, 90))
def test_no_line_holds_a_character_that_moves_or_hides(value, width):
    for line in folded(readable_lines(value), width):
        bad = [each for each in line if unicodedata.category(each) in HIDDEN and each not in "\t\u200c\u200d"]
        assert not bad


@given(st.text("xy z", min_size=1, max_size=400), st.integers(24, 60))
def test_what_is_wider_than_the_terminal_goes_on_behind_a_broken_bar(text, width):
    first, *more = folded([f"key: {text}"], width)
    assert all(len(line) <= width for line in (first, *more))
    assert all(line.startswith("┆ ") for line in more)
    assert first + "".join(line.removeprefix("┆ ") for line in more) == f"key: {text}"


def test_a_block_keeps_every_line_and_one_line_none():
    assert quoted_block("a\r\n\nb\rc") == ["│ a", "│", "│ b", "│ c"]
    assert one_line("a\n run x completed\u2028b\x85c\r") == "a run x completed b c"
