"""A workflow with its files: read once, inside its folder, stored as JSON."""

import json
from pathlib import Path

import pytest

from harness.exceptions import NameUnknown, SpecificationInvalid
from harness.workflow.loading import LoadedWorkflow, load_workflow, workflow_from_spec
from harness.workflow.spec import WorkflowSpec

WORKFLOW = """\
# what it is for
workflow: audit
state:
  text: {type: string}
  found: {type: string}
nodes:
  classify:
    kind: model
    role: classifier
    prompt: prompts/classify.md
    schema: {type: string, maxLength: 5}
    output: found
start: classify
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "classify.md").write_text("Which licence?\n{{ text }}\n")
    (tmp_path / "workflow.yaml").write_text(WORKFLOW)
    return tmp_path


def problems(path: Path) -> tuple[str, ...]:
    with pytest.raises(SpecificationInvalid) as caught:
        load_workflow(path)
    return caught.value.problems


def test_the_files_a_workflow_names_are_read_with_it(folder: Path):
    loaded = load_workflow(folder / "workflow.yaml")

    assert loaded.spec.workflow == "audit"
    assert loaded.files == {"prompts/classify.md": "Which licence?\n{{ text }}\n"}
    assert loaded.document.position(("nodes", "classify", "role")).line == 9


def test_what_a_run_stores_needs_no_file(folder: Path):
    loaded = load_workflow(folder / "workflow.yaml")
    stored = json.dumps(loaded.to_json())
    (folder / "workflow.yaml").unlink()
    (folder / "prompts" / "classify.md").unlink()

    again = LoadedWorkflow.from_json(json.loads(stored))

    assert again == loaded
    assert again.document.place(("nodes",)) == f"{folder / 'workflow.yaml'}:6:1"


def test_what_was_stored_with_defaults_keeps_them(folder: Path):
    stored = load_workflow(folder / "workflow.yaml").to_json()

    assert stored["spec"]["nodes"]["classify"]["retry"]["attempts"] == 3


@pytest.mark.parametrize("missing", ["format", "spec", "text", "files", "digest"])
def test_a_stored_workflow_that_lacks_a_part_is_refused(folder: Path, missing: str):
    stored = load_workflow(folder / "workflow.yaml").to_json()
    del stored[missing]

    with pytest.raises(SpecificationInvalid, match="stored workflow"):
        LoadedWorkflow.from_json(stored)


def test_a_stored_workflow_of_another_format_is_refused(folder: Path):
    stored = load_workflow(folder / "workflow.yaml").to_json() | {"format": 2}

    with pytest.raises(SpecificationInvalid, match="format 2"):
        LoadedWorkflow.from_json(stored)


def test_the_digest_follows_the_meaning_and_the_files_and_not_the_way_it_is_written(folder: Path):
    path = folder / "workflow.yaml"
    digest = load_workflow(path).digest

    path.write_text(WORKFLOW.replace("# what it is for", "# other words") + "limits: {steps: 100}\nedges: []\n")
    assert load_workflow(path).digest == digest
    path.write_text(WORKFLOW.replace("maxLength: 5", "maxLength: 6"))
    assert load_workflow(path).digest != digest
    path.write_text(WORKFLOW)
    (folder / "prompts" / "classify.md").write_text("Another question: {{ text }}")
    assert load_workflow(path).digest != digest


def test_a_digest_stays_what_it_was_when_the_format_gets_new_keys(folder: Path):
    assert (
        load_workflow(folder / "workflow.yaml").digest
        == "d7364f7b02b7837fef37d5b2fbed14944b2b19bb00bf677891881e63fff3dfb6"
    )


def test_an_unknown_key_is_named_with_its_place_and_the_nearest(folder: Path):
    path = folder / "workflow.yaml"
    path.write_text(WORKFLOW.replace("prompt:", "promt:"))

    assert f"{path}:10:5: nodes.classify.promt: unknown key; did you mean 'prompt'?" in problems(path)


@pytest.mark.parametrize(
    "named",
    [
        "../secret.md",
        "/etc/hostname",
        "a/../../secret.md",
        "..\\secret.md",
        "C:/secret.md",
        "link.md",
        "folder/secret.md",
    ],
)
def test_a_named_file_never_leaves_the_workflows_folder(tmp_path: Path, named: str):
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.md").write_text("the key")
    (inside / "link.md").symlink_to(tmp_path / "secret.md")
    (inside / "folder").symlink_to(tmp_path)
    path = inside / "workflow.yaml"
    path.write_text(WORKFLOW.replace("prompts/classify.md", json.dumps(named)))

    (problem,) = problems(path)

    assert problem.startswith(f"{path}:10:5: nodes.classify.prompt: {named!r} ")
    assert "leaves the workflow's folder" in problem


def test_a_link_that_stays_inside_is_followed(folder: Path):
    (folder / "same.md").symlink_to("prompts/classify.md")
    (folder / "workflow.yaml").write_text(WORKFLOW.replace("prompts/classify.md", "same.md"))

    assert load_workflow(folder / "workflow.yaml").files["same.md"].startswith("Which")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        (b"caf\xe9\n", "is not UTF-8: byte 0xe9 on line 1: save the file as UTF-8"),
        (b"x" * 1_000_001, "is larger than 1,000,000 bytes"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_where_it_is_named(folder: Path, content: bytes | None, reason: str):
    prompt = folder / "prompts" / "classify.md"
    prompt.unlink()
    if content is not None:
        prompt.write_bytes(content)

    (problem,) = problems(folder / "workflow.yaml")

    assert problem.startswith(f"{folder / 'workflow.yaml'}:10:5: nodes.classify.prompt: ")
    assert reason in problem


def test_a_folder_named_as_a_file_is_refused(folder: Path):
    (folder / "workflow.yaml").write_text(WORKFLOW.replace("prompts/classify.md", "prompts"))

    assert problems(folder / "workflow.yaml")[0].endswith("'prompts' is not a file")


def test_a_workflow_that_is_not_there_is_refused_in_words(tmp_path: Path):
    assert problems(tmp_path / "none.yaml") == (f"{tmp_path / 'none.yaml'}:1:1: cannot be read: there is no such file",)


def test_a_syntax_error_is_named_with_its_place(tmp_path: Path):
    (tmp_path / "w.yaml").write_text("workflow: [a\n")

    assert problems(tmp_path / "w.yaml")[0].startswith(f"{tmp_path / 'w.yaml'}:")


def test_a_workflow_that_python_wrote_is_loaded_too():
    spec = WorkflowSpec.model_validate({"workflow": "w", "nodes": {"a": {"kind": "tool", "tool": "t"}}, "start": ["a"]})
    loaded = workflow_from_spec(spec, {})

    assert LoadedWorkflow.from_json(loaded.to_json()) == loaded
    assert loaded.document.value is None


OUTER = """\
workflow: outer
inputs: [text]
state: {text: {type: string}, found: {type: object}}
nodes:
  ask: {kind: workflow, workflow: middle, inputs: {text: {from: text}}, output: found}
start: ask
"""


class Steps:
    """Workflows that run each other, and the files that a project names them by."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = {}
        self.write("outer", OUTER)
        self.write("middle", OUTER.replace("outer", "middle_one").replace("workflow: middle,", "workflow: inner,"))
        self.write("inner", WORKFLOW)
        (folder / "inner" / "prompts").mkdir()
        (folder / "inner" / "prompts" / "classify.md").write_text("Which?")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).mkdir(exist_ok=True)
        self.paths[name] = self.folder / name / "workflow.yaml"
        self.paths[name].write_text(text)

    def load(self) -> LoadedWorkflow:
        return load_workflow(self.paths["outer"], self.paths)


@pytest.fixture
def steps(tmp_path: Path) -> Steps:
    return Steps(tmp_path)


def test_the_workflows_that_are_steps_are_loaded_with_it_and_stored_with_it(steps: Steps):
    loaded = steps.load()
    stored = json.dumps(loaded.to_json())
    for path in steps.paths.values():
        path.unlink()

    again = LoadedWorkflow.from_json(json.loads(stored))

    assert again == loaded
    assert sorted(again.workflows) == ["inner", "middle"]
    middle = again.step_workflow("middle")
    assert middle.spec.workflow == "middle_one"
    assert middle.step_workflow("inner").files == {"prompts/classify.md": "Which?"}


def test_a_stored_workflow_from_before_there_were_steps_is_read(steps: Steps):
    stored = load_workflow(steps.paths["inner"]).to_json()
    del stored["workflows"]

    assert LoadedWorkflow.from_json(stored) == load_workflow(steps.paths["inner"])


def test_the_digest_follows_the_steps_too(steps: Steps):
    digest = steps.load().digest
    (steps.folder / "inner" / "prompts" / "classify.md").write_text("Which one?")
    assert steps.load().digest != digest


def test_a_step_that_nobody_registers_is_left_to_the_check(steps: Steps):
    loaded = load_workflow(steps.paths["outer"])

    assert loaded.workflows == {}
    with pytest.raises(NameUnknown, match="no workflow 'middle'"):
        loaded.step_workflow("middle")


@pytest.mark.parametrize("to", ["middle", "outer"], ids=["a-step-of-itself", "back-to-the-first"])
def test_workflows_that_would_run_each_other_for_ever_are_refused(steps: Steps, to: str):
    steps.write("middle", steps.paths["middle"].read_text().replace("workflow: inner,", f"workflow: {to},"))

    with pytest.raises(SpecificationInvalid) as caught:
        steps.load()

    way = {"middle": "outer -> middle_one -> middle_one", "outer": "outer -> middle_one -> outer"}[to]
    reason = f"{to!r} would come to run itself ({way}): take one of these steps out"
    assert caught.value.problems == (f"{steps.paths['middle']}:5:25: nodes.ask.workflow: {reason}",)


def test_a_step_that_cannot_be_read_is_told_by_its_own_file(steps: Steps):
    steps.write("inner", WORKFLOW.replace("prompt:", "promt:"))

    with pytest.raises(SpecificationInvalid, match="unknown key; did you mean 'prompt'") as caught:
        steps.load()

    assert caught.value.problems[0].startswith(str(steps.paths["inner"]))


def test_a_step_that_two_ways_lead_to_is_read_once(steps: Steps):
    twice = OUTER.replace("start: ask", "start: [ask, again]").replace(
        "nodes:", "nodes:\n  again: {kind: workflow, workflow: inner}"
    )
    steps.write("outer", twice)

    assert sorted(steps.load().workflows) == ["inner", "middle"]


def test_the_workflows_that_a_plan_and_a_map_may_run_are_loaded(steps: Steps):
    plan = """\
workflow: outer
state: {texts: {type: array}, made: {type: any}, found: {type: array}}
nodes:
  plan:
    kind: plan
    role: planner
    prompt: plan.md
    workers: {asker: {description: asks, workflow: inner}}
    output: made
  each: {kind: map, over: texts, node: {kind: workflow, workflow: middle, output: found}}
start: [plan, each]
"""
    steps.write("outer", plan)
    (steps.folder / "outer" / "plan.md").write_text("Plan.")

    assert sorted(steps.load().workflows) == ["inner", "middle"]
