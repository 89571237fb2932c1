"""What a check finds in branches, and in the node that runs when a run has failed."""

import pytest

from harness.tools.declarations import ToolDeclaration
from harness.tools.tool import Approval
from harness.workflow.checking.checks import check
from harness.workflow.checking.registry import Registry
from harness.workflow.graph import Graph
from harness.workflow.loading import load_workflow

BRANCH = """\
workflow: w
state: {{score: {{type: number}}}}
nodes:
  a: {{kind: code, code: c}}
  choose:
    kind: branch
    cases: {cases}
  b: {{kind: code, code: c}}
  d: {{kind: code, code: c}}
start: a
edges:
  - {{from: a, to: choose}}
{edges}"""
RIGHT = "[{when: score > 3, to: b}, {to: d}]"

ON_ERROR = """\
workflow: w
state: {state}
nodes:
  a: {{kind: code, code: c}}
  tell: {tell}
start: {start}
edges:
  - {{from: a, to: {to}}}
on_error: {on_error}
"""
DEFAULT = {"state": "{error: {type: object}}", "tell": "{kind: code, code: c}", "start": "a", "to": "end", "on_error": "tell"}  # fmt: skip


@pytest.fixture
def found(tmp_path):
    def find(text):
        (tmp_path / "w.yaml").write_text(text)
        (tmp_path / "p.md").write_text("x")
        lines = check(load_workflow(tmp_path / "w.yaml"), Registry.of_names({"c"}), lambda *_: True)
        return [line.removeprefix(f"{tmp_path}/w.yaml:") for line in lines]

    return find


@pytest.mark.parametrize("cases", [RIGHT, "[{when: score > 3, to: b}, {when: score > 2, to: d}, {to: end}]"])
def test_a_branch_leads_to_its_cases(found, cases):
    assert found(BRANCH.format(cases=cases, edges="")) == []


@pytest.mark.parametrize(
    ("cases", "edges", "expected"),
    [
        (
            "[{when: score > 3, to: bb}, {to: d}]",
            "  - {from: d, to: b}\n",
            ["7:31: nodes.choose.cases[0].to: no node 'bb'; did you mean 'b'?"],
        ),
        (
            "[{to: b}, {to: d}]",
            "  - {from: b, to: d}\n",
            ["7:22: nodes.choose.cases[1]: never taken: cases[0] always holds and is taken first"],
        ),
        (
            "[{when: score > 3, to: b}, {when: score < 3, to: d}]",
            "",
            [
                "7:5: nodes.choose.cases: where none holds the branch would end unseen: add a last case without `when`, or `{to: end}`"
            ],
        ),
        (
            RIGHT,
            "  - {from: choose, to: b, when: score == 1}\n",
            ["13:6: edges[1].from: 'choose' is a branch and leads where its `cases` say: add a case"],
        ),
        (
            "[{when: score > 3, to: a}, {to: b}]",
            "  - {from: b, to: d}\n",
            ["4:3: nodes.a: the loop a -> choose -> a has no bound: set `max_visits` on one of its nodes"],
        ),
    ],
)
def test_what_is_wrong_with_a_branch_is_told_at_its_case(found, cases, edges, expected):
    assert found(BRANCH.format(cases=cases, edges=edges)) == expected


def test_a_branch_within_a_fan_out_may_not_lead_past_the_meeting(found):
    text = BRANCH.format(cases="[{when: score > 3, to: b}, {to: end}]", edges="  - {from: d, to: b}\n")
    (problem,) = found(text.replace("start: a", "start: [a, d]"))
    assert problem.startswith("5:3: nodes.choose: branches that meet at 'b' must all come there: 'choose' may take")


def test_no_edge_leads_to_what_runs_when_a_run_has_failed(found):
    assert found(ON_ERROR.format(**DEFAULT)) == []
    assert found(ON_ERROR.format(**DEFAULT | {"state": "{error: {}}"})) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"on_error": "tel"}, ["5:3: nodes.tell: no edge leads here", "9:1: on_error: no node 'tel'; did you mean 'tell'?"]),
        ({"start": "[a, tell]"}, ["6:12: start[1]: 'tell' is `on_error`: it runs when the run has failed and nowhere else"]),
        ({"to": "tell"}, ["8:5: edges[0]: 'tell' is `on_error`: it runs when the run has failed and nowhere else; remove"]),
        ({"state": "{}"}, ["9:1: on_error: finds what happened in the state key `error`: add `error: {type: object}`"]),
        ({"state": "{error: {type: string}}"}, ["2:17: state.error.type: holds what happened"]),
        ({"tell": "{kind: human, question: p.md, output: error}"}, ["9:1: on_error: 'tell' waits for a person"]),
        ({"tell": "{kind: branch, cases: [{to: end}]}"}, ["9:1: on_error: 'tell' is a branch and does nothing"]),
        (
            {"tell": "{kind: branch, cases: [{to: tell}], max_visits: 2}"},
            ["5:33: nodes.tell.cases[0].to: 'tell' is `on_error`", "9:1: on_error: 'tell' is a branch"],
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_node_of_a_failed_run_is_told_where_it_stands(found, changed, expected):
    lines = found(ON_ERROR.format(**DEFAULT | changed))
    assert len(lines) == len(expected), lines
    assert all(line.startswith(start) for line, start in zip(lines, expected, strict=True)), lines


STEP = "workflow: step\nstate: {{x: {{}}}}\nnodes: {{a: {node}}}\nstart: a\n"
PLAN = "{kind: plan, role: r, prompt: p.md, output: error, workers: {a: {description: x, %s}}%s}"
ASKS = "{kind: tool, tool: asked}"


@pytest.fixture
def of_failed_run(tmp_path):
    """The problems of a workflow whose node for a failed run is this one; `step` is one of another workflow."""

    def find(tell, step="{kind: code, code: c}"):
        (tmp_path / "p.md").write_text("x")
        (tmp_path / "w.yaml").write_text(ON_ERROR.format(**DEFAULT | {"tell": tell}))
        (tmp_path / "step.yaml").write_text(STEP.format(node=step))
        loaded = load_workflow(tmp_path / "w.yaml", {"step": tmp_path / "step.yaml"})
        tools = {"asked": ToolDeclaration("asked", approval=Approval.ALWAYS), "look": ToolDeclaration("look")}
        registry = Registry(code=frozenset({"c"}), tools=tools, workflows=frozenset({"step"}))
        return [line.removeprefix(f"{tmp_path}/w.yaml:") for line in check(loaded, registry, lambda *_: True)]

    return find


@pytest.mark.parametrize(
    ("tell", "step", "words"),
    [
        (ASKS, "{kind: code, code: c}", "waits for a person, who approves each call of 'asked'"),
        ("{kind: agent, role: r, prompt: p.md, output: error, schema: {type: object}, tools: [look, asked]}", ASKS, "who approves each call of 'asked'"),
        (PLAN % ("tool: look", ", approval: true"), ASKS, "waits for a person, who approves its plan"),
        (PLAN % ("tool: asked", ""), ASKS, "who approves each call of 'asked'"),
        (PLAN % ("workflow: step", ""), ASKS, "runs the workflow 'step', whose 'a' waits for a person, who approves each call"),
        ("{kind: workflow, workflow: step}", ASKS, "runs the workflow 'step', whose 'a' waits for a person, who"),
        ("{kind: workflow, workflow: step}", "{kind: human, question: p.md, output: x}", "whose 'a' waits for a person"),
    ],
)  # fmt: skip
def test_a_run_that_failed_waits_for_nobody(of_failed_run, tell, step, words):
    (problem,) = of_failed_run(tell, step)
    assert problem.startswith("9:1: on_error: 'tell' ")
    assert words in problem
    assert problem.endswith("and a run that failed cannot: name another node")


@pytest.mark.parametrize(
    "tell",
    [
        "{kind: tool, tool: look}",
        "{kind: agent, role: r, prompt: p.md, output: error, schema: {type: object}, tools: [look]}",
        PLAN % ("workflow: step", ""),
        "{kind: workflow, workflow: step}",
    ],
)
def test_what_needs_nobody_may_run_when_a_run_has_failed(of_failed_run, tell):
    assert of_failed_run(tell) == []


CHAIN = "workflow: w\nstart: n0\nnodes:\n{nodes}edges:\n{edges}"


def test_a_chain_of_three_thousand_nodes_is_checked_without_going_through_it_for_each(found):
    """Counted, not timed: a quadratic check asks for the next nodes millions of times."""
    asked = 0
    successors = Graph.successors

    def counted(self, node):
        nonlocal asked
        asked += 1
        return successors(self, node)

    nodes = "".join(f"  n{place}: {{kind: code, code: c}}\n" for place in range(3000))
    edges = "".join(f"  - {{from: n{place}, to: n{place + 1}}}\n" for place in range(2999))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Graph, "successors", counted)
        assert found(CHAIN.format(nodes=nodes, edges=edges)) == []
    assert asked < 100_000
