"""What the pages say was run, and printed what they say."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.documents.console_blocks import commands_of, matches, run_page

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "docs/tutorial.md", "examples/model_per_node/README.md"]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_commands_of_a_page_print_what_it_says(page, tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns(".harness", "__pycache__"))
    problems = run_page(ROOT / page, tmp_path, Path(sys.executable).parent)
    assert commands_of(ROOT / page)
    assert not problems, "\n\n".join(problems)


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
