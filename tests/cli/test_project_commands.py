from tests.cli.conftest import BINDINGS, WORKFLOW, Cli
from tests.cli.said import REPOSITORY


def test_a_new_project_is_valid_runs_at_once_and_is_never_written_over(empty):
    said = empty("init", "answers", "--json")
    assert said.code == 0
    project = Cli(empty.folder / "answers", empty.folder)
    assert project("check").code == 0
    result = project("run", "answers", "--json").lines[-1]
    assert result["status"] == "completed"
    assert result["costs"]["completed"] == 1
    before = (project.folder / "workflow.yaml").read_text()
    again = empty("init", "answers")
    assert again.code == 2
    assert "overwritten" in again.err
    assert (project.folder / "workflow.yaml").read_text() == before


def test_the_schemas_that_an_editor_reads_lie_where_the_files_say(empty):
    empty("init", "answers")
    for name in ("workflow", "harness"):
        folder = empty.folder / "answers"
        first = (folder / f"{name}.yaml").read_text().splitlines()[0]
        prefix = "# yaml-language-server: $schema="
        assert first.startswith(prefix)
        copied = (folder / first.removeprefix(prefix)).read_text()
        assert copied == (REPOSITORY / "harness" / "schemas" / f"{name}.schema.json").read_text()


def test_a_name_that_cannot_be_a_workflow_s_is_refused(empty):
    assert empty("init", "9 lives").code == 2
    assert list(empty.folder.iterdir()) == []


def test_everything_wrong_is_said_at_once_by_place(greet):
    greet.write(
        harness="workflows: {greet: workflow.yaml, other: missing.yaml}\nbindings: bindings.yaml\nprices: prices.yaml\n",
        workflow=WORKFLOW.replace("kind: model", "kind: model, nonsense: 1"),
        bindings=BINDINGS.replace("model: scripted", "model: scriptd"),
        prices="scripted: {free: 1}\n",
    )
    said = greet("check", "--json")
    assert said.code == 3
    problems = said.object["problems"]
    files = [problem.rsplit("/", 1)[-1].split(":")[0] for problem in problems]
    assert set(files) == {"workflow.yaml", "missing.yaml", "bindings.yaml", "prices.yaml"}
    assert any("'scripted'" in problem for problem in problems)
    text = greet("check")
    assert text.code == 3
    assert all(problem in text.out for problem in problems)
    assert "problems" in text.err


def test_a_role_without_a_binding_and_a_model_without_a_price_are_found(greet):
    greet.write(bindings=BINDINGS.replace("role: writer", "role: reader"))
    unbound = greet("check")
    assert unbound.code == 3
    assert "writer" in unbound.out
    greet.write(bindings="\n".join(line for line in BINDINGS.splitlines() if "price" not in line))
    unpriced = greet("check", "greet")
    assert unpriced.code == 3
    assert "no price is known for 'scripted'" in unpriced.out


def test_what_is_good_is_printed_with_its_worst_case_and_leaves_nothing(greet):
    said = greet("check", "--json")
    assert said.code == 0
    (worst,) = [each["worst_case"] for each in said.object["files"] if each["worst_case"]]
    assert (worst["calls"], worst["nodes"][0]["bounded_by_context"]) == (1, ["guest"])
    assert not (greet.folder / ".harness").exists()
    text = greet("check", "workflow.yaml")
    assert text.code == 0
    assert "worst case of greet: $0.008" in text.out
    assert "unbounded: the size of {{ guest }}" in text.out


def test_a_list_given_as_input_is_counted_an_item_unless_its_length_is_assumed(greet):
    greet.write(workflow=WORKFLOW.replace("kind: model", "kind: model, for_each: tags").replace(
        "greeting: {type: string}", "greeting: {type: array}"))  # fmt: skip
    (worst,) = [each["worst_case"] for each in greet("check", "--json").object["files"] if each["worst_case"]]
    assert worst["calls"] == 0
    assert worst["unbounded"] == ["write: the number of items is not known"]
    assert "an item" in greet("check").out
    assumed = greet("check", "--items", "12").out
    assert "12 calls" in assumed
    assert greet("run", "greet", "--dry-run", "--json", "-i", "tags=[1,2,3]").object["calls"] == 3
