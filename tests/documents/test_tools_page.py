"""The page on tools: its files are a project without a mistake, its commands print what it says."""

import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness.project import ProjectFile, load_project
from tests.documents.console_blocks import commands_of, run_page

PAGE = Path(__file__).parents[2] / "docs" / "tools.md"
TEXT = PAGE.read_text(encoding="utf-8")
FILES = re.findall(r"^```(?:yaml|python)\n# (\S+)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
PROJECTS = [text for name, text in FILES if name == "harness.yaml"]
# Of the same names, but said elsewhere: `workflow_spec.md` and the example projects.
ELSEWHERE = {"settings", "bindings", "prices", "ontology", "code"}


def test_every_block_of_the_page_is_a_file():
    assert len(FILES) == len(re.findall(r"^```(?:yaml|python)$", TEXT, re.MULTILINE)) == 6


@pytest.mark.parametrize("text", PROJECTS)
def test_a_block_of_harness_yaml_is_one_without_a_mistake(text, tmp_path):
    (tmp_path / "harness.yaml").write_text(f"# harness.yaml\n{text}", encoding="utf-8")
    assert load_project(tmp_path / "harness.yaml").file.tools.keys() or text.startswith("mcp_servers")


def test_every_key_that_can_be_said_of_tools_is_in_a_block_or_in_the_table():
    schema = ProjectFile.model_json_schema()
    about_tools = {name: each for name, each in schema["$defs"].items() if name != "SettingsBlock"}
    keys = {key for each in about_tools.values() for key in each.get("properties", {})} | schema["properties"].keys()
    assert not {key for key in keys - ELSEWHERE if not re.search(rf"\b{key}\b", TEXT)}


@pytest.mark.slow
@pytest.mark.skipif(find_spec("mcp") is None, reason="the extra mcp is not installed")
def test_its_commands_print_what_it_says(tmp_path):
    for name, text in reversed(FILES):  # the first harness.yaml of the page is that of the project
        (tmp_path / name).write_text(f"# {name}\n{text}", encoding="utf-8")
    problems = run_page(PAGE, tmp_path, Path(sys.executable).parent)
    assert commands_of(PAGE)
    assert not problems, "\n\n".join(problems)
