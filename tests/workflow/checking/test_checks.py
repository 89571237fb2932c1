"""What a check finds in a workflow, each problem by file, line, column and key, without importing anything."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.exceptions import SpecificationInvalid
from harness.workflow.checking.checks import check, require_valid
from harness.workflow.checking.registry import Registry
from harness.workflow.loading import LoadedWorkflow, load_workflow

WORKFLOW = """\
workflow: audit
state:
  packages: {type: array}
  found: {type: array}
  summary: {type: string}
  done: {type: boolean}
inputs: [packages]
nodes:
  inventory:
    kind: tool
    tool: list_packages
    arguments: {of: {from: packages}, kind: {from: here, to: there}}
    output: packages
  classify:
    kind: model
    role: classifier
    for_each: packages
    item: package
    task: {kind: package, key: name}
    prompt: classify.md
    system: system.md
    examples: examples.yaml
    schema: schema.json
    documents: [package.text]
    output: found
  report:
    kind: code
    code: write_report
    arguments: {found: {from: found}}
    output: summary
start: inventory
edges:
  - {from: inventory, to: classify}
  - {from: classify, to: report}
  - {from: report, to: end}
"""

FILES = {
    "classify.md": "Name the licence of {{ package.name }}.\n{{ package.text }}\n",
    "system.md": "You name licences.\n",
    "examples.yaml": '- user: "MIT License"\n  assistant: \'{"spdx": "MIT"}\'\n',
    "schema.json": '{\n\t"type": "object",\n\t"properties": {"spdx": {"enum": ["MIT", "BSD"]}}\n}\n',
}
REGISTERED = frozenset({"list_packages", "write_report"})


class Checked:
    """Writes a workflow to a folder and says what a check finds, without the folder's name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, text: str, files: Mapping[str, str]) -> LoadedWorkflow:
        for name, content in files.items():
            (self.folder / name).write_text(content)
        (self.folder / "w.yaml").write_text(text)
        return load_workflow(self.folder / "w.yaml")

    def __call__(self, *changes: tuple[str, str], unbound: str = "", **files: str) -> list[str]:
        text = WORKFLOW
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        names = {name.replace("_", "."): content for name, content in files.items()}
        loaded = self.load(text, FILES | names)
        found = check(
            loaded,
            Registry.of_names(REGISTERED),
            lambda workflow, node, role: (workflow, node, role) != ("audit", unbound, "classifier"),
        )
        return [line.removeprefix(f"{self.folder}/") for line in found]


@pytest.fixture
def checked(tmp_path: Path) -> Checked:
    return Checked(tmp_path)


def graph(checked: Checked, nodes: str, edges: str, *, state: str = "k: {}", start: str = "a") -> list[str]:
    """Problems of a graph of code nodes, written `name: options`."""
    lines = "\n".join(
        f"  {line.partition(':')[0]}: {{kind: code, code: write_report{line.partition(':')[2]}}}"
        for line in nodes.split()
    )
    text = f"workflow: w\nstate: {{{state}}}\nstart: {start}\nnodes:\n{lines}\nedges:\n"
    for line in edges.split():
        source, _, target = line.partition(">")
        when = ", when: {key: k, equals: 1}" if target.endswith("?") else ""
        text += f"  - {{from: {source}, to: {target.removesuffix('?')}{when}}}\n"
    text = text if edges else text.replace("edges:\n", "")
    return [
        line.removeprefix(f"{checked.folder}/")
        for line in check(checked.load(text, {}), Registry.of_names(REGISTERED), lambda *_: True)
    ]


def test_a_workflow_that_is_right_has_no_problem(checked: Checked):
    assert checked() == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("to: classify}", "to: clasify}", "w.yaml:33:23: edges[0].to[0]: no node 'clasify'; did you mean 'classify'?"),
        ("from: report,", "from: reprot,", "w.yaml:35:6: edges[2].from: no node 'reprot'; did you mean 'report'?"),
        ("start: inventory", "start: [inventory, here]", "w.yaml:31:20: start[1]: no node 'here'; there is"),
        ("start: inventory", "start: end", "w.yaml:31:1: start[0]: 'end' is where a run ends"),
        ("tool: list_packages", "tool: list_package", "no tool 'list_package'; did you mean 'list_packages'?"),
        ("code: write_report", "code: nothing", "w.yaml:28:5: nodes.report.code: no code 'nothing'"),
        (
            "for_each: packages",
            "for_each: package",
            "nodes.classify.for_each: no state key 'package'; did you mean 'packages'?",
        ),
        ("for_each: packages", "for_each: summary", "goes through an array, but 'summary' is string"),
        ("item: package", "item: found", "the item 'found' would hide the state key"),
        ("inputs: [packages]", "inputs: [pakages]", "w.yaml:7:10: inputs[0]: no state key 'pakages'"),
        ("inputs: [packages]", "inputs: [packages, packages]", "w.yaml:7:20: inputs[1]: 'packages' stands twice"),
        ("inputs: [packages]", "outcome: finished", "w.yaml:7:1: outcome: no state key 'finished'"),
        (
            "inputs: [packages]",
            "outcome: dun.approved",
            "w.yaml:7:1: outcome: no state key 'dun'; did you mean 'done'?",
        ),
        ("inputs: [packages]", "outcome: done.approved", "outcome: 'done' is boolean and has no field 'approved'"),
        ("output: summary", "output: sumary", "nodes.report.output: no state key 'sumary'"),
        (
            "output: found",
            "output: summary",
            "`for_each` makes it a list (array), but the state key 'summary' is string",
        ),
        (
            "{found: {from: found}}",
            "{found: {from: fond}}",
            "w.yaml:29:25: nodes.report.arguments.found.from: no state key 'fond'",
        ),
        (
            "{found: {from: found}}",
            "{found: {from: 3}}",
            "nodes.report.arguments.found.from: names a state key or a field",
        ),
        ("{found: {from: found}}", "{found: {from: summary.x}}", "'summary' is string and has no field 'x'"),
        (
            "{found: {from: found}}",
            "{found: {from: item.x}}",
            "'item' is an item, and there is none without `for_each`",
        ),
        (
            "    output: summary",
            "    when: dne\n    output: summary",
            "w.yaml:30:5: nodes.report.when: column 1: no state key 'dne'; did you mean 'done'?",
        ),
        (
            "    output: summary",
            "    task: {kind: t, key: k}\n    output: summary",
            "nodes.report.task: names a field of the item",
        ),
        (
            "to: report}",
            "to: report, when: {key: don, equals: true}}",
            "w.yaml:34:41: edges[1].when.key: no state key 'don'",
        ),
        (
            "to: report}",
            "to: report, when: {key: done, equals: maybe}}",
            "never holds: 'done' is boolean, this value is string",
        ),
        (
            "{type: string}",
            "{type: string, reducer: add}",
            "state.summary.reducer: 'add' joins integer or number, but 'summary' is string",
        ),
        ("{type: string}", "{type: string, reducer: append}", "'append' joins array, but"),
        ("{type: string}", "{type: string, reducer: merge}", "'merge' joins object, but"),
        ("{type: boolean}", "{type: boolean, default: 1}", "state.done.default: is integer, but 'done' is boolean"),
        (
            "documents: [package.text]",
            "documents: [package.txt]",
            "w.yaml:24:17: nodes.classify.documents[0]: the prompt does not use 'package.txt'",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_mends_it(checked: Checked, old: str, new: str, expected: str):
    found = checked((old, new))

    assert any(expected in line for line in found), found
    assert any(line.startswith("w.yaml:") for line in found)


def test_problems_come_in_the_order_of_the_file_and_then_of_the_files_it_names(checked: Checked):
    found = checked(
        ("inputs: [packages]", "inputs: [nothing]"),
        ("to: classify}", "to: nowhere}"),
        ("for_each: packages", "for_each: what"),
        classify_md="{{ whom }}{{ package.text }}",
    )
    places = [(line.split(":")[0], int(line.split(":")[1])) for line in found]

    assert places == [*sorted(place for place in places if place[0] == "w.yaml"), ("classify.md", 1)]
    assert len(places) == len(set(found)) >= 5


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (
            "{{ package.text }}\n {{ pakage.name }}",
            "classify.md:2:2: pakage.name: no state key 'pakage'; did you mean 'package'?",
        ),
        ("{{ package.text }} {{ summary.x }}", "classify.md:1:20: summary.x: 'summary' is string and has no field 'x'"),
        ("{{ package.text }} {{ a b }}", "classify.md:1:20: `{{` opens no variable"),
    ],
)
def test_a_prompts_unknown_variables_are_named_by_its_own_file(checked: Checked, prompt: str, expected: str):
    (problem,) = checked(classify_md=prompt)

    assert problem.startswith(expected)


def test_a_document_may_not_speak_in_the_system_turn(checked: Checked):
    (problem,) = checked(system_md="Know:\n{{ package }}")

    assert problem.startswith("system.md:2:1: package: is a document, and may not speak in the system turn")


def test_a_role_without_a_binding_is_named(checked: Checked):
    assert checked(unbound="classify") == [
        "w.yaml:16:5: nodes.classify.role: no binding fills the role 'classifier': `harness bind classifier MODEL`"
    ]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"schema_json": '{\n  "type": "objet"\n}'}, "schema.json:2:3: type: 'objet' is not valid"),
        ({"schema_json": "[1]"}, "schema.json:1:1: a JSON Schema for answers is a mapping"),
        ({"schema_json": "{"}, "schema.json:"),
        ({"examples_yaml": "- user: a\n"}, "examples.yaml:1:3: [0].assistant: is missing: add it"),
        ({"examples_yaml": "user: a\nassistant: b\n"}, "examples.yaml:1:1: "),
        (
            {"examples_yaml": '- user: a\n  assistant: \'{"spdx": "GPL"}\'\n'},
            "examples.yaml:2:3: [0].assistant: this answer is outside the node's schema: $.spdx: 'GPL'",
        ),
    ],
)
def test_schemas_and_examples_are_checked_in_their_own_files(checked: Checked, files: dict[str, str], expected: str):
    (problem,) = checked(**files)

    assert problem.startswith(expected)


def test_a_schema_in_place_is_checked_in_place(checked: Checked):
    (problem,) = checked(("schema: schema.json", "schema: {properties: {spdx: {minLength: -1}}}"))

    assert problem.startswith("w.yaml:23:34: nodes.classify.schema.properties.spdx.minLength: -1 is less than")


@pytest.mark.parametrize(
    ("schema", "fits"),
    [
        ("{type: string}", True),
        ("{enum: [a, b]}", True),
        ("{type: integer}", False),
        ("{const: 1}", False),
        ("{}", True),
        ("{type: [string, 'null']}", True),
    ],
)
def test_a_schemas_type_must_fit_the_state_key_that_it_is_written_to(checked: Checked, schema: str, fits: bool):
    text = f"workflow: w\nstate: {{k: {{type: string}}}}\nstart: a\nnodes:\n  a: {{kind: model, role: r, prompt: p.md, output: k, schema: {schema}}}\n"
    found = check(checked.load(text, {"p.md": "x"}), Registry(), lambda *_: True)

    assert (found == []) is fits


def test_an_answer_without_a_schema_is_text(checked: Checked):
    text = "workflow: w\nstate: {k: {type: array}}\nstart: a\nnodes:\n  a: {kind: model, role: r, prompt: p.md, output: k}\n"
    (problem,) = check(checked.load(text, {"p.md": "x"}), Registry(), lambda *_: True)

    assert "an answer without `schema` is text (string), but the state key 'k' is array" in problem


def test_a_remember_node_reads_findings(checked: Checked):
    text = "workflow: w\nstate: {k: {type: integer}}\nstart: a\nnodes:\n  a: {kind: remember, from: k}\n"
    (problem,) = check(checked.load(text, {}), Registry(), lambda *_: True)

    assert "w.yaml:5:23: nodes.a.from: holds texts or findings" in problem


def test_a_node_named_end_is_refused(checked: Checked):
    assert "w.yaml:6:3: nodes.end: 'end' is where a run ends and cannot name a node: rename it" in graph(
        checked, "a end", "a>end"
    )


def test_a_node_that_nothing_leads_to_is_named(checked: Checked):
    assert graph(checked, "a b c", "b>c") == [
        "w.yaml:6:3: nodes.b: no edge leads here from a start: add one, or remove the node",
        "w.yaml:7:3: nodes.c: no edge leads here from a start: add one, or remove the node",
    ]


def test_an_edge_after_one_that_always_holds_is_never_taken(checked: Checked):
    assert graph(checked, "a b", "a>b a>end")[0].startswith("w.yaml:9:5: edges[1]: never taken: edges[0] always holds")


def test_a_loop_needs_a_bound_on_one_of_its_nodes(checked: Checked):
    (problem,) = graph(checked, "a b c", "a>b b>c c>a?")

    assert problem.startswith("w.yaml:5:3: nodes.a: the loop a -> b -> c -> a has no bound: set `max_visits`")


def test_a_loop_with_a_bound_is_right(checked: Checked):
    text = "workflow: w\nstate: {k: {}}\nstart: a\nnodes:\n  a: {kind: code, code: write_report, max_visits: 3}\nedges:\n  - {from: a, to: a, when: {key: k, equals: 1}}\n"

    assert check(checked.load(text, {}), Registry.of_names(REGISTERED), lambda *_: True) == []


PARALLEL = "workflow: w\nstate: {{k: {{type: array{reducer}}}}}\nstart: {start}\nnodes:\n  a: {{kind: code, code: write_report, output: k}}\n  b: {{kind: code, code: write_report, output: {output}}}\n"


@pytest.mark.parametrize("output", ["k", "[k]"])
def test_a_key_that_parallel_nodes_write_needs_a_reducer(checked: Checked, output: str):
    (problem,) = check(
        checked.load(PARALLEL.format(reducer="", start="[a, b]", output=output), {}),
        Registry.of_names(REGISTERED),
        lambda *_: True,
    )

    assert problem == (
        f"{checked.folder}/w.yaml:6:39: nodes.b.output: 'k' is written by 'a' too, which can run at the same time: "
        "give it a `reducer` in `state` (append, last)"
    )
    with_reducer = PARALLEL.format(reducer=", reducer: append", start="[a, b]", output=output)
    assert check(checked.load(with_reducer, {}), Registry.of_names(REGISTERED), lambda *_: True) == []


def test_a_key_that_one_node_writes_after_the_other_needs_none(checked: Checked):
    text = PARALLEL.format(reducer="", start="a", output="k") + "edges: [{from: a, to: b}]\n"

    assert check(checked.load(text, {}), Registry.of_names(REGISTERED), lambda *_: True) == []


def test_a_target_stands_once_in_a_fan_out_and_end_stands_alone(checked: Checked):
    text = "workflow: w\nstart: a\nnodes:\n  a: {kind: code, code: write_report}\n  b: {kind: code, code: write_report}\nedges: [{from: a, to: [b, b, end]}]\n"
    found = check(checked.load(text, {}), Registry.of_names(REGISTERED), lambda *_: True)

    assert [line.split(": ", 1)[1] for line in found] == [
        "edges[0].to[1]: 'b' stands twice: a node runs once in a fan-out",
        "edges[0].to[2]: 'end' stands beside other targets: leave it out",
    ]


def test_only_a_workflow_without_problems_passes(checked: Checked):
    loaded = checked.load(WORKFLOW, FILES)

    require_valid(loaded, Registry.of_names(REGISTERED), lambda *_: True)
    with pytest.raises(SpecificationInvalid) as caught:
        require_valid(loaded, Registry(), lambda *_: False)
    assert len(caught.value.problems) == 3
