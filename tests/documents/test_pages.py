"""What the pages say was run, and printed what they say."""

import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.documents.console_blocks import commands_of, files_of, matches, run_page

ROOT = Path(__file__).parents[2]
PAGES = [
    "README.md",
    "docs/tutorial.md",
    "docs/python.md",
    pytest.param(
        "docs/tools.md",
        marks=pytest.mark.skipif(find_spec("mcp") is None, reason="the extra mcp is not installed"),
    ),
    "examples/model_per_node/README.md",
]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_works_and_prints_what_it_says(page, tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns(".harness", "__pycache__"))
    problems = run_page(ROOT / page, tmp_path, Path(sys.executable).parent)
    assert commands_of(ROOT / page)
    assert not problems, "\n\n".join(problems)


def test_files_and_commands_are_done_in_the_order_of_the_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ mkdir a\n$ cd a\n```\n```yaml\n# x.yaml\nkey: 1\n```\n"
        "```yaml\n# x.yaml of another kind\nkey: 2\n```\n```console\n$ cat x.yaml\n# x.yaml\nkey: 1\n```\n"
    )
    assert [step.text for step in files_of(page)] == ["# x.yaml\nkey: 1\n"]
    assert run_page(page, tmp_path, tmp_path) == []
    assert (tmp_path / "a" / "x.yaml").is_file()


def test_a_run_is_the_one_whose_id_was_printed_last(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ echo run 1m86d0m7y95fsfz0 from run 1m86q0xvtrjvgd55\n...\n$ echo a RUN\na 1m86q0xvtrjvgd55\n```\n"
    )
    assert run_page(page, tmp_path, tmp_path) == []


def test_an_ellipsis_stands_for_any_lines_and_for_any_words():
    assert matches("a\n...\nz", "a\nb\nc\nz\n")
    assert matches("a\n...\nz", "a\nz\n")
    assert matches("spent ..., left 2", "spent $1.00, left 2\n")
    assert not matches("a\nz", "a\nb\nz\n")
    assert not matches("a", "b\n")


def test_every_link_to_a_file_leads_somewhere():
    pages = [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("*/README.md"),
        *ROOT.glob("examples/*/README.md"),
    ]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert not broken
