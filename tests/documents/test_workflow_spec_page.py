"""The blocks of the page on workflow files are workflows without a mistake."""

import re
from pathlib import Path

import pytest

from harness.tools.declarations import ToolDeclaration
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
    "prompts/ask.md": "Is this order in order?\n",
    "prompts/ticket.md": "Answer this ticket.\n\n{{ ticket }}\n",
    "prompts/plan.md": "{{ request }}\n",
    "prompts/read.md": "{{ question }}\n\n{{ passages }}\n",
    "prompts/page.md": "Sum this up.\n\n{{ page.text }}\n",
    "prompts/publish.md": "May this be published?\n",
}
TOOLS = ("list_files", "search_manual", "clock", "put_page")
REGISTRY = Registry(
    code=frozenset({"pick_urgent", "judge", "weigh", "find", "rate", "accept"}),
    tools={name: ToolDeclaration(name) for name in TOOLS},
    workflows=frozenset({"triage"}),
)
# What a page's workflow runs as a step.
OTHERS = {"triage": BLOCKS[0]}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.partition("\n")[0])
def test_a_block_of_the_page_is_a_workflow_without_a_mistake(block, tmp_path):
    (tmp_path / "prompts").mkdir()
    for name, text in PROMPTS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    for name, text in {"workflow": block, **OTHERS}.items():
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    others = {name: tmp_path / f"{name}.yaml" for name in OTHERS}
    loaded = load_workflow(tmp_path / "workflow.yaml", others)
    assert check(loaded, REGISTRY, lambda _workflow, _node, _role: True) == []


def test_every_key_of_a_workflow_and_its_nodes_is_on_the_page():
    schema = WorkflowSpec.model_json_schema()
    keys = {key for each in (schema, *schema["$defs"].values()) for key in each.get("properties", {})}
    missing = {key for key in keys if not re.search(rf"\b{key}\b", PAGE)}
    assert not missing


def test_every_kind_of_node_has_a_block():
    definitions = WorkflowSpec.model_json_schema()["$defs"]
    kinds = {each["properties"]["kind"]["const"] for name, each in definitions.items() if name.endswith("Node")}
    shown = set(re.findall(r"\bkind: (\w+)", "".join(BLOCKS)))
    assert kinds <= shown
