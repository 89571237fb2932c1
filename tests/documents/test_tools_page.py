"""The blocks of the page on tools are projects without a mistake; `test_pages.py` runs its commands."""

import re
from pathlib import Path

import pytest

from harness.project import ProjectFile, load_project

TEXT = (Path(__file__).parents[2] / "docs" / "tools.md").read_text(encoding="utf-8")
PROJECTS = re.findall(r"^```yaml\n(# harness\.yaml.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
# Said elsewhere: in `workflow_spec.md`, in the tutorial and in the example projects.
ELSEWHERE = {"settings", "bindings", "prices", "ontology", "code", "chat_models"}


@pytest.mark.parametrize("text", PROJECTS)
def test_a_block_of_harness_yaml_is_one_without_a_mistake(text, tmp_path):
    (tmp_path / "harness.yaml").write_text(text, encoding="utf-8")
    file = load_project(tmp_path / "harness.yaml").file
    assert file.tools or file.mcp_servers


def test_the_page_shows_a_project_and_each_form_by_itself():
    assert len(PROJECTS) == 3


def test_every_key_that_can_be_said_of_tools_is_on_the_page():
    schema = ProjectFile.model_json_schema()
    about_tools = [each for name, each in schema["$defs"].items() if name != "SettingsBlock"]
    keys = {key for each in about_tools for key in each.get("properties", {})} | schema["properties"].keys()
    assert not {key for key in keys - ELSEWHERE if not re.search(rf"\b{key}\b", TEXT)}
