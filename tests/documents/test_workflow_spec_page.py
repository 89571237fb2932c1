"""The blocks of the page on workflow files are workflows without a mistake."""

import re
from pathlib import Path

import pytest

from harness.workflow.checking.checks import check
from harness.workflow.checking.registry import Registry
from harness.workflow.loading import load_workflow
from harness.workflow.spec import WorkflowSpec

PAGE = (Path(__file__).parents[2] / "docs" / "workflow_spec.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
PROMPTS = {
    "prompts/sort.md": "Is this urgent?\n\n{{ letter.text }}\n",
    "prompts/answer.md": "Answer this.\n\n{{ letter.text }}\n",
    "prompts/write.md": "Write something good.\n",
}
REGISTERED = {"pick_urgent", "judge", "list_files", "weigh", "find"}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.partition("\n")[0])
def test_a_block_of_the_page_is_a_workflow_without_a_mistake(block, tmp_path):
    (tmp_path / "prompts").mkdir()
    for name, text in PROMPTS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    path = tmp_path / "workflow.yaml"
    path.write_text(block, encoding="utf-8")
    assert check(load_workflow(path), Registry.of_names(REGISTERED), lambda _workflow, _node, _role: True) == []


def test_every_key_of_a_workflow_and_its_nodes_is_on_the_page():
    schema = WorkflowSpec.model_json_schema()
    keys = set(schema["properties"])
    for name in (
        "ModelNode",
        "ToolNode",
        "CodeNode",
        "RememberNode",
        "StateKeySpec",
        "RetrySpec",
        "LimitsSpec",
        "Edge",
    ):
        keys |= set(schema["$defs"][name]["properties"])
    missing = {key for key in keys if not re.search(rf"\b{key}\b", PAGE)}
    assert not missing


def test_every_kind_of_node_has_a_block():
    definitions = WorkflowSpec.model_json_schema()["$defs"]
    kinds = {each["properties"]["kind"]["const"] for name, each in definitions.items() if name.endswith("Node")}
    assert kinds == set(re.findall(r"kind: (\w+),? ", "".join(BLOCKS).replace("\n", " "))) - {"answered_letter"}
