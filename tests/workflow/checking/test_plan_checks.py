"""What a check finds in a plan node."""

import pytest

from harness.tools.declarations import ToolDeclaration
from harness.workflow.checking.checks import check
from harness.workflow.checking.registry import Registry
from harness.workflow.loading import load_workflow

WORKFLOW = """\
workflow: w
inputs: [request, letter]
state:
  request: {type: string}
  letter: {type: string}
  brief: {}
  steps: {type: object}
  count: {type: integer}
nodes:
  plan:
    kind: plan
    role: planner
    prompt: plan.md
    documents: [letter]
    passes: [letter]
    output: brief
    results: steps
    workers:
      read:
        description: Reads.
        role: reader
        prompt: read.md
        system: sys.md
        inputs: {text: {type: string}, level: {enum: [short, long], default: short}}
        documents: [text]
      look: {description: Looks., tool: look, inputs: {path: {format: path}}}
      ask: {description: Asks., workflow: other, inputs: {q: {type: string}}, outputs: [answer]}
start: plan
"""
FILES = {"plan.md": "{{ request }}\n{{ letter }}\n", "read.md": "Read {{ text }}\n", "sys.md": "Be {{ level }}.\n"}
REGISTRY = Registry(
    tools={"look": ToolDeclaration("look", parameters=frozenset({"path"}))}, workflows=frozenset({"other"})
)


@pytest.fixture
def found(tmp_path):
    def find(old="", new="", *, bound=("planner", "reader"), **files):
        named = {f"{name}.md": text for name, text in files.items()}
        for name, text in (FILES | named).items():
            (tmp_path / name).write_text(text)
        assert old in WORKFLOW
        (tmp_path / "w.yaml").write_text(WORKFLOW.replace(old, new, 1))
        lines = check(load_workflow(tmp_path / "w.yaml"), REGISTRY, lambda _workflow, _node, role: role in bound)
        return [line.removeprefix(f"{tmp_path}/") for line in lines]

    return find


def test_what_makes_sense_passes(found):
    assert found() == []


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ("tool: look,", "tool: lokk,", "workers.look.tool", "no tool 'lokk'; did you mean 'look'?"),
        ("workflow: other", "workflow: othr", "workers.ask.workflow", "did you mean 'other'?"),
        ("{path: {format: path}}", "{paht: {format: path}}", "workers.look.inputs.paht", "did you mean 'path'?"),
        ("passes: [letter]", "passes: [leter]", "passes[0]", "did you mean 'letter'?"),
        ("passes: [letter]", "passes: [item]", "passes[0]", "none without `for_each`"),
        ("results: steps", "results: brief", "results", "is the `output` too"),
        ("results: steps", "results: count", "results", "integer"),
        ("{text: {type: string}", "{text: {type: strng}", "inputs.text.type", "strng"),
        ("default: short", "default: middle", "inputs.level.default", "does not fit"),
        ("documents: [text]", "documents: [txt]", "workers.read.documents[0]", "did you mean 'text'?"),
        ("documents: [text]", "output: {type: objekt}", "workers.read.output.type", "objekt"),
        ("documents: [text]", "outputs: [answer]", "workers.read.outputs", "remove it"),
        ("tool: look,", "tool: look, outputs: [answer],", "workers.look.outputs", "remove it"),
        ("tool: look,", "tool: look, documents: [path],", "workers.look.documents", "only a worker with a `role`"),
        ("{text: {type: string},", "{text: {type: string}, more: {},", "inputs.more", "the prompt does not use 'more'"),
        ("documents: [letter]", "documents: [lettre]", "documents[0]", "does not use"),
    ],
)
def test_each_mistake_is_named_at_its_key(found, old, new, key, words):
    lines = found(old, new)
    assert any(f"nodes.plan.{key}: " in line or f".{key}: " in line for line in lines if words in line), lines


def test_roles_of_planner_and_workers_are_bound(found):
    lines = found(bound=("planner",))
    assert len(lines) == 1
    assert "workers.read.role: no binding fills the role 'reader'" in lines[0]
    assert "nodes.plan.role: no binding fills the role 'planner'" in found(bound=("reader",))[0]


@pytest.mark.parametrize(
    ("file", "text", "line"),
    [
        ("read", "Read {{ text }}\nand {{ txt }}\n", "read.md:2:5: txt: no input 'txt'; did you mean 'text'?"),
        ("read", "Read {{ text.title }}\n", "read.md:1:6: text.title: string has no field 'title'"),
        ("read", "Read {{ text }} {{ request }}\n", "read.md:1:17: request: no input 'request'; there is level, text"),
        (
            "sys",
            "Be {{ level }}. {{ text }}\n",
            "sys.md:1:17: text: is text of a plan, and may not speak in the system",
        ),
        ("plan", "{{ request }} {{ lettr }} {{ letter }}\n", "plan.md:1:15: lettr: no state key 'lettr'"),
        ("read", "Read {{ text }} {{\n", "read.md:1:17: `{{` opens no variable"),
    ],
)
def test_a_variable_that_is_missing_is_named_with_its_file_and_line(found, file, text, line):
    lines = found(**{file: text})
    assert len(lines) == 1
    assert lines[0].startswith(line)
