"""The file that a person approved: whole, once under a key, and nobody else's markup."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.research_brief.brief_file import write_brief
from examples.research_brief.citations import CheckedBrief
from examples.research_brief.markdown_text import markdown_line

HOSTILE = "[x](http://evil) ![y](https://evil/z) <b>www.evil.org</b> a@evil.org \x1b[2J\u202e `c` # h"


def a_brief(text="It opens at nine.", refused="It is free."):
    return CheckedBrief.model_validate(
        {
            "topic": "The gate",
            "paragraphs": [{"text": text, "citations": [1]}],
            "citations": [{"number": 1, "source": "docs/gate.md", "quote": "The gate opens at nine"}],
            "refused": [{"text": refused, "reasons": ["its quote does not stand in 'docs/gate.md'"]}],
        }
    )


@pytest.fixture
def folder(context):
    return context.working_folder / "research-brief"


def test_paragraphs_sources_refusals_and_what_it_cost(context, folder):
    place = write_brief(a_brief(), "key1", context)
    assert (place.written, place.paragraphs, place.refused) == (True, 1, 1)
    text = (folder / "brief.md").read_text(encoding="utf-8")
    assert text.startswith("# The gate\n\nIt opens at nine. [1]\n")
    assert "1. docs/gate.md: \u201cThe gate opens at nine\u201d" in text
    assert "- It is free. (its quote does not stand in 'docs/gate.md')" in text
    assert text.endswith("Run `run1`: 6 calls, 6101 input and 773 output tokens, $0.0204435.\n")
    told = json.loads((folder / "brief.json").read_text())
    assert told["key"] == "key1"
    assert told["costs"]["usd"] == 0.0204435
    assert told["brief"] == a_brief().model_dump(mode="json")


def test_the_same_key_again_changes_nothing_and_another_one_writes(context, folder, ledger):
    write_brief(a_brief(), "key1", context)
    first = (folder / "brief.md").stat().st_ino
    write_brief(a_brief("Something else."), "key1", context)
    assert (folder / "brief.md").stat().st_ino == first
    assert ledger.asked == 1
    write_brief(a_brief("Something else."), "key2", context)
    assert "Something else." in (folder / "brief.md").read_text()


def test_a_half_written_brief_is_written_whole_under_its_key(context, folder):
    write_brief(a_brief(), "key1", context)
    (folder / "brief.md").write_text("torn")
    (folder / "brief.json").write_text("{")
    write_brief(a_brief(), "key1", context)
    assert (folder / "brief.md").read_text().startswith("# The gate")


def test_a_link_in_the_place_of_the_file_is_replaced_not_followed(context, folder, tmp_path):
    folder.mkdir(parents=True)
    (tmp_path / "precious").write_text("kept")
    (folder / "brief.md").symlink_to(tmp_path / "precious")
    write_brief(a_brief(), "key1", context)
    assert (tmp_path / "precious").read_text() == "kept"
    assert sorted(path.name for path in folder.iterdir()) == ["brief.json", "brief.md"]


def test_words_of_models_are_no_links_no_markup_and_hide_nothing(context, folder):
    write_brief(a_brief(HOSTILE, HOSTILE), "key1", context)
    text = (folder / "brief.md").read_text(encoding="utf-8")
    assert not {"\x1b", "\u202e"} & set(text)
    for live in ("http://", "https://", "www.evil", "a@evil"):
        assert live not in text
    for mark in ("[x", "](", "!", "<b", "`c", "# h"):
        assert text.count(mark) == text.count(f"\\{mark}"), mark


@given(st.text(max_size=80))
def test_a_line_stays_one_line_and_shows_everything(text):
    line = markdown_line(text)
    assert "\n" not in line
    assert not {unicodedata.category(character) for character in line} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize(("text", "line"), [("- a", "\\- a"), ("1. a", "1\\. a"), ("+", "\\+"), ("a - b", "a - b")])
def test_a_line_begins_no_list(text, line):
    assert markdown_line(text) == line
