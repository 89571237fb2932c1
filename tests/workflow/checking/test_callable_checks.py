"""What must hold of tool and code nodes before anything runs."""

import pytest

from harness.tools.declarations import ToolDeclaration
from harness.workflow.checking.checks import check
from harness.workflow.checking.registry import Registry
from harness.workflow.loading import load_workflow

REGISTRY = Registry(
    code=frozenset({"tidy"}),
    tools={
        "look": ToolDeclaration("look", parameters=frozenset({"id", "how"}), required=frozenset({"id"})),
        "send": ToolDeclaration("send", effect=True),
        "any": ToolDeclaration("any"),
    },
    servers={"mail": ToolDeclaration("mail", effect=True), "files": ToolDeclaration("files")},
)


@pytest.fixture
def found(tmp_path):
    """The problems of a workflow of one node, without the file's name."""

    def problems(node):
        path = tmp_path / "workflow.yaml"
        path.write_text(f"workflow: w\nstate: {{x: {{}}}}\nnodes:\n  n: {node}\nstart: n\n")
        return [line.removeprefix(f"{path}:") for line in check(load_workflow(path), REGISTRY, lambda *_: True)]

    return problems


@pytest.mark.parametrize(
    "node",
    [
        "{kind: tool, tool: look, arguments: {id: {from: x}, how: fast}, cache: {seconds: 60}}",
        "{kind: tool, tool: send, arguments: {whatever: 1}}",
        "{kind: tool, tool: any, cache: {seconds: 60}}",
        "{kind: tool, tool: mail.send, arguments: {to: x}}",
        "{kind: tool, tool: files.read, cache: {seconds: 60}}",
        "{kind: code, code: tidy}",
    ],
)
def test_what_is_right_has_no_problem(found, node):
    assert found(node) == []


@pytest.mark.parametrize(
    ("node", "problem"),
    [
        (
            "{kind: tool, tool: lok}",
            "4:19: nodes.n.tool: no tool 'lok'; did you mean 'look'? (tools and code are regis",
        ),
        ("{kind: tool, tool: post.send}", "4:19: nodes.n.tool: no tool 'post.send'"),
        (
            "{kind: tool, tool: tidy}",
            "4:19: nodes.n.tool: 'tidy' is registered under `code` in harness.yaml: register it under `tools`",
        ),
        (
            "{kind: code, code: send}",
            "4:19: nodes.n.code: 'send' is registered under `tools` in harness.yaml: register it under `code`",
        ),
        (
            "{kind: tool, tool: look, arguments: {id: 1, hw: 2}}",
            "4:50: nodes.n.arguments.hw: no argument 'hw'; did you mean 'how'? (of the tool 'look')",
        ),
        (
            "{kind: tool, tool: look, arguments: {how: fast}}",
            "4:31: nodes.n.arguments: the tool 'look' needs 'id' too: add it under `arguments`",
        ),
        (
            "{kind: tool, tool: look}",
            "4:3: nodes.n.arguments: the tool 'look' needs 'id' too: add it under `arguments`",
        ),
        (
            "{kind: tool, tool: send, cache: {seconds: 60}}",
            "4:31: nodes.n.cache: 'send' has an effect, and a result from the cache would stand for one that was not",
        ),
        ("{kind: tool, tool: mail.send, cache: {seconds: 60}}", "4:36: nodes.n.cache: 'mail.send' has an effect"),
        ("{kind: tool, tool: any, arguments: {a: {from: y}}}", "4:46: nodes.n.arguments.a.from: "),
        ("{kind: tool, tool: any, arguments: {a: {from: 1}}}", "4:46: nodes.n.arguments.a.from: names a state key"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_mends_it(found, node, problem):
    (line,) = found(node)

    assert line.startswith(problem)
