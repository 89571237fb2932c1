"""A workflow with its files: read once, inside its folder, stored as JSON."""

import json
from pathlib import Path

import pytest

from harness.exceptions import SpecificationInvalid
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
