"""What a run searches: read within bounds, settled before any model is asked."""

from dataclasses import replace
from pathlib import Path

import pytest

from examples.research_brief.documents import MAX_FILE_BYTES
from examples.research_brief.library import LibraryMissing, gather, library_of
from examples.research_brief.search import search_documents


def sources(context):
    return [each.source for each in library_of(context).documents()]


def test_the_docs_above_the_project_and_the_packages_are_searched(gathered, install, context):
    install("painted", "The gate was painted.")
    assert gathered().documents == 2
    assert sources(context) == ["docs/gate.md", "package:painted"]


def test_another_folder_is_named_from_the_working_folder(gathered, context):
    notes = context.working_folder / "notes"
    notes.mkdir(parents=True)
    (notes / "own.txt").write_text("Words of my own.")
    gathered("notes")
    assert sources(context) == ["notes/own.txt"]


def test_a_folder_without_texts_is_an_error_with_a_remedy(gathered, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(LibraryMissing, match=r"--input folder"):
        gathered(str(tmp_path / "empty"))


def test_a_run_that_has_settled_nothing_searches_nothing(context):
    with pytest.raises(LibraryMissing, match="gather"):
        search_documents("gate", context)


def test_each_run_keeps_its_own_library(gathered, context, tmp_path, site):
    other = replace(context, run_id="run2")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.md").write_text("Elsewhere.")
    gathered()
    gather(str(tmp_path / "elsewhere"), str(site), other)
    assert sources(context) == ["docs/gate.md"]
    assert sources(other) == ["elsewhere/a.md"]


def test_links_that_lead_out_pipes_binaries_and_hidden_files_are_left_out(gathered, context, docs, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    (docs / "link.txt").symlink_to(tmp_path / "secret.txt")
    (docs / "round.md").symlink_to(docs / "round.md")
    (docs / "picture.md").write_bytes(b"\x89PNG\0\0")
    (docs / ".hidden.md").write_text("hidden")
    (docs / "program.py").write_text("print()")
    (docs / "more").symlink_to(tmp_path)
    gathered()
    assert sources(context) == ["docs/gate.md"]


def test_a_huge_file_is_read_to_its_bound(gathered, context, docs):
    (docs / "huge.md").write_bytes(b"a " * MAX_FILE_BYTES)
    gathered()
    assert len(library_of(context).text_of("docs/huge.md")) < MAX_FILE_BYTES


def test_hidden_characters_are_shown_in_texts_and_names(gathered, context, docs, install):
    (docs / "a\u202eb.md").write_text("x\u202ey \x1b[2J", encoding="utf-8")
    install("evil", "z\u2066z")
    gathered()
    told = " ".join(f"{each.source} {each.text}" for each in library_of(context).documents())
    assert not {"\u202e", "\u2066", "\x1b"} & set(told)
    assert r"docs/a\u202eb.md x\u202ey" in told


def test_a_changed_file_is_read_again(gathered, context, docs):
    gathered()
    assert search_documents("bridge", context) == ()
    (docs / "gate.md").write_text("There is a bridge now, and it is a long one.")
    assert [each.source for each in search_documents("bridge", context)] == ["docs/gate.md"]


def test_of_two_packages_under_one_name_the_first_counts(gathered, context, install, site):
    install("twice", "first")
    (site / "twice-2.0.dist-info").mkdir()
    (site / "twice-2.0.dist-info" / "METADATA").write_text("Name: twice\n\nsecond")
    gathered()
    assert library_of(context).text_of("package:twice") == "first"


def test_the_real_docs_and_packages_can_be_searched(context):
    examples = Path(__file__).parents[3] / "examples" / "research_brief"
    here = replace(context, project_folder=examples)
    assert gather(None, None, here).documents > 50
    found = search_documents("process dies resume", here, 6)
    assert "docs/tutorial.md" in {each.source for each in found}
