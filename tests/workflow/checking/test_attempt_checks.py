"""What a check finds in retries, fallbacks, caches, skipped items and maps; a map's problems stand within the map."""

import pytest

from harness.tools.declarations import ToolDeclaration
from harness.tools.tool import Approval
from harness.workflow.checking.checks import check
from harness.workflow.checking.registry import Registry
from harness.workflow.loading import load_workflow

WORKFLOW = """\
workflow: w
state:
  many: {{type: array}}
  list: {{type: array}}
  text: {{type: string}}
  free: {{}}
  failed: {{type: array}}
nodes:
  n:
    {node}
start: n
"""
REGISTRY = Registry(
    code=frozenset({"c"}),
    tools={
        "look": ToolDeclaration("look"),
        "send": ToolDeclaration("send", effect=True),
        "asked": ToolDeclaration("asked", approval=Approval.ALWAYS),
    },
    servers={"mail": ToolDeclaration("mail", effect=True), "wiki": ToolDeclaration("wiki")},
    workflows=frozenset({"w2"}),
)
MODEL = "kind: model\n    role: r\n    prompt: p.md"
CODE = "kind: code\n    code: c"
AGENT = "kind: agent\n    role: r\n    prompt: p.md\n    output: free\n    tools: "
PLAN = "kind: plan\n    role: r\n    prompt: p.md\n    output: free\n    cache: {seconds: 60}\n    workers: "
RECALL = "kind: recall\n    query: text\n    output: list"
INNER = "kind: map\n    over: many\n    node: {kind: code, code: c, output: list"


@pytest.fixture
def found(tmp_path):
    def find(kind, *lines):
        (tmp_path / "p.md").write_text("x")
        node = "\n    ".join([kind, *lines])
        (tmp_path / "w.yaml").write_text(WORKFLOW.format(node=node))
        loaded = load_workflow(tmp_path / "w.yaml")
        lines = check(loaded, REGISTRY, lambda _workflow, _node, role: role == "r")
        return [line.removeprefix(f"{tmp_path}/w.yaml:") for line in lines]

    return find


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        (MODEL, ["output: text", "retry: {on: [RateLimited, ProviderError, NodeTimedOut, HarnessError]}"]),
        (CODE, ["retry: {on: [TimeoutError, MyOwnError, Exception]}"]),
        (MODEL, ["output: text", "fallback: {role: r}"]),
        (MODEL, ["output: text", "fallback: {value: null}"]),
        (MODEL, ["output: list", "for_each: many", "fallback: {value: nothing}"]),
        (CODE, ["output: [text, free]", "fallback: {value: {text: a, free: 1}}"]),
        (CODE, ["cache: {seconds: 60}"]),
        ("kind: tool\n    tool: look", ["cache: {seconds: 60}"]),
        (AGENT + "[look, wiki.read, asked]", ["fallback: {value: null}"]),
        (AGENT + "[look, asked]", ["fallback: {role: r}"]),
        (AGENT + "[send]", ["fallback: {value: null}"]),
        (PLAN + "{a: {description: x, tool: look}}", []),
        (RECALL, ["cache: {seconds: 60}"]),
        (RECALL, ["cache: {seconds: 60, scope: team}", "scope: {level: team}"]),
        (RECALL, ["cache: {seconds: 60, scope: team}", "scope: {level: organisation}"]),
        (CODE, ["output: list", "for_each: many", "on_item_error: skip", "errors: failed"]),
        ("kind: map\n    over: many\n    on_item_error: skip\n    errors: failed", ["node: {kind: code, code: c, output: list}"]),
    ],
)  # fmt: skip
def test_what_makes_sense_passes(found, kind, lines):
    assert found(kind, *lines) == []


@pytest.mark.parametrize(
    ("kind", "lines", "expected"),
    [
        (MODEL, ["output: text", "retry: {on: [RateLimted]}"], "14:18: nodes.n.retry.on[0]: no error 'RateLimted'; did you mean 'RateLimited'?"),
        (MODEL, ["output: text", "retry: {on: [ValueError]}"], "nodes.n.retry.on[0]: no error 'ValueError'"),
        ("kind: tool\n    tool: look", ["retry: {on: [ValueError]}"], "; what a tool raises comes as ToolFailed"),
        (CODE, ["retry: {on: [shop.errors.Closed]}"], "'shop.errors.Closed' is no name of a class: write it without its module"),
        (CODE, ["retry: {on: [WaitsForPerson]}"], "'WaitsForPerson' is never tried again: remove it"),
        (CODE, ["retry: {on: [LimitOfRunReached]}"], "'LimitOfRunReached' is never tried again: remove it"),
        (AGENT + "[look, send]", ["fallback: {role: r}"], "15:16: nodes.n.fallback.role: would begin anew and make the effect of 'send' once more: give a `value`"),
        (AGENT + "[mail.send]", ["fallback: {role: r}"], "nodes.n.fallback.role: would begin anew and make the effect of 'mail.send' once more"),
        (AGENT + "[look, wiki.read]", ["fallback: {role: r}"], "nodes.n.fallback.role: would begin anew, and what 'wiki.read' of an MCP server changes is not known"),
        (CODE, ["fallback: {role: r}"], "12:16: nodes.n.fallback.role: a code node asks no other role: give a `value`"),
        (MODEL, ["output: text", "fallback: {role: other}"], "nodes.n.fallback.role: no binding fills the role 'other'"),
        (CODE, ["output: text", "fallback: {value: 3}"], "nodes.n.fallback.value: is what answers instead (integer), but the state key 'text' is string"),
        (CODE, ["output: [text, free]", "fallback: {value: {text: a}}"], "a mapping that has free too"),
        (CODE, ["output: [text, free]", "fallback: {value: null}"], "a mapping that has text, free too"),
        ("kind: remember\n    from: text", ["cache: {seconds: 60}"], "12:5: nodes.n.cache: what is remembered must be written each time: remove it"),
        ("kind: tool\n    tool: send", ["cache: {seconds: 60}"], "nodes.n.cache: 'send' has an effect"),
        (AGENT + "[look, send]", ["cache: {seconds: 60}"], "nodes.n.cache: the effect of 'send' must be made each time"),
        (AGENT + "[mail.send]", ["cache: {seconds: 60}"], "nodes.n.cache: the effect of 'mail' must be made each time"),
        ("kind: tool\n    tool: asked", ["cache: {seconds: 60}"], "nodes.n.cache: a person sees each call of 'asked': remove it"),
        (AGENT + "[look, asked]", ["cache: {seconds: 60}"], "nodes.n.cache: a person sees each call of 'asked': remove it"),
        (PLAN + "{a: {description: x, tool: send}}", [], "nodes.n.cache: the effect of 'send' must be made each time"),
        (PLAN + "{a: {description: x, tool: asked}}", [], "nodes.n.cache: a person sees each call of 'asked'"),
        (PLAN + "{a: {description: x, tool: look}}", ["approval: true"], "nodes.n.cache: a person sees each plan before it runs"),
        (RECALL, ["cache: {seconds: 60, scope: team}"], "nodes.n.cache: what is recalled is seen by the person, and would be kept for the team: narrow its `scope`"),
        (RECALL, ["cache: {seconds: 60, scope: organisation}", "scope: {level: team}"], "seen by the team, and would be kept for the organisation"),
        (CODE, ["on_item_error: skip"], "12:5: nodes.n.on_item_error: there are no items without `for_each`"),
        (CODE, ["output: list", "for_each: many", "errors: failed"], "14:5: nodes.n.errors: lists the items that are skipped, and none is"),
        (CODE, ["output: list", "for_each: many", "on_item_error: skip", "errors: nothing"], "15:5: nodes.n.errors: no state key 'nothing'"),
        (CODE, ["output: list", "for_each: many", "on_item_error: skip", "errors: text"], "15:5: nodes.n.errors: the skipped items are a list (array), but the state key 'text' is string"),
        (CODE, ["output: list", "for_each: many", "on_item_error: skip", "errors: list"], "nodes.n.errors: 'list' is the node's `output` too"),
    ],
)  # fmt: skip
def test_what_makes_none_is_told_with_its_place(found, kind, lines, expected):
    (problem,) = found(kind, *lines)
    assert expected in problem


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("kind: map\n    over: text\n    node: {kind: code, code: c}", "11:5: nodes.n.over: goes through an array, but 'text' is string"),
        ("kind: map\n    over: none\n    node: {kind: code, code: c}", "11:5: nodes.n.over: no state key 'none'"),
        ("kind: map\n    over: many\n    item: text\n    node: {kind: code, code: c}", "12:5: nodes.n.item: the item 'text' would hide"),
        ("kind: map\n    over: many\n    errors: failed\n    node: {kind: code, code: c}", "12:5: nodes.n.errors: lists the items"),
        (INNER + ", item: each}", "12:47: nodes.n.node.item: `item` is the map's to say: write it beside `over`"),
        (INNER + ", for_each: list}", "nodes.n.node.for_each: `for_each` is the map's to say"),
        (INNER + ", when: free}", "nodes.n.node.when: `when` is the map's to say"),
        (INNER + ", retry: {on: ['No!']}}", "12:60: nodes.n.node.retry.on[0]: 'No!' is no name of a class"),
        (INNER + ", fallback: {role: r}}", "12:58: nodes.n.node.fallback.role: a code node asks no other role"),
        (INNER + ", arguments: {a: {from: each.x}}}", "nodes.n.node.arguments.a.from: no state key 'each'"),
        ("kind: map\n    over: many\n    node: {kind: code, code: c, output: text}", "12:33: nodes.n.node.output: `for_each` makes it a list"),
        ("kind: map\n    over: many\n    node: {kind: code, code: d}", "12:24: nodes.n.node.code: no code 'd'"),
        ("kind: map\n    over: many\n    node: {kind: model, role: s, prompt: p.md, output: list}", "12:25: nodes.n.node.role: no binding fills"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_map_is_told_within_it(found, kind, expected):
    (problem,) = found(kind)
    assert expected in problem


STEP = "workflow: step\nstate: {x: {}}\nnodes: {a: {kind: code, code: c}}\nstart: a\n"


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ("{kind: workflow, workflow: step, cache: {seconds: 60}}", "nodes.n.cache: the steps of another workflow must be made each time"),
        (
            "{kind: plan, role: r, prompt: p.md, output: x, cache: {seconds: 60}, workers: {a: {description: x, workflow: step}}}",
            "nodes.n.cache: the steps of the workflow 'step' must be made each time",
        ),
    ],
)  # fmt: skip
def test_the_steps_of_other_workflows_are_never_taken_from_a_cache(tmp_path, node, words):
    (tmp_path / "p.md").write_text("x")
    (tmp_path / "step.yaml").write_text(STEP)
    (tmp_path / "w.yaml").write_text(f"workflow: w\nstate: {{x: {{}}}}\nnodes:\n  n: {node}\nstart: n\n")
    loaded = load_workflow(tmp_path / "w.yaml", {"step": tmp_path / "step.yaml"})
    registry = Registry(code=frozenset({"c"}), workflows=frozenset({"step"}))
    (problem,) = check(loaded, registry, lambda *_: True)
    assert words in problem
