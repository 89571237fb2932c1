"""What is shown of a run: its steps, its state at each, what its nodes recorded, what waits."""

from tests.cli.test_control_commands import two_steps
from tests.cli.test_question_commands import ASKING, waiting


def test_the_steps_are_listed_with_the_nodes_that_ran_in_them(greet):
    run_id = two_steps(greet)
    shown = greet("show", run_id, "--json").object
    assert [(step["step"], step["ran"]) for step in shown["history"]] == [(0, []), (1, ["write"]), (2, ["again"])]
    assert shown["history"][-1]["next"] == []
    text = greet("show", run_id).out
    assert "step 1: write" in text
    assert "step 2: again" in text


def test_the_state_at_each_step_is_what_it_was_then(greet):
    run_id = two_steps(greet)
    states = [greet("show", run_id, "--at", str(step), "--json").object for step in range(3)]
    assert [(state.get("greeting"), state.get("second")) for state in states] == [
        (None, None), ("Hello", None), ("Hello", "polished"),
    ]  # fmt: skip
    assert 'greeting: "Hello"' in greet("show", run_id, "--at", "1").out
    said = greet("show", run_id, "--at", "7")
    assert said.code == 2
    assert "no step of run" in said.err


def test_what_waits_for_a_person_is_shown(greet):
    greet.write(workflow=ASKING, ask="May this go to {{ guest }}?\n")
    run_id = waiting(greet)
    shown = greet("show", run_id, "--json").object
    assert [asked["text"] for asked in shown["questions"]] == ["May this go to world?\n"]
    assert "waits for a person: question" in greet("show", run_id).out


def test_what_nodes_recorded_of_their_parts_is_shown(greet):
    (greet.folder / "parts.py").write_text("def shout(tag: str) -> str:\n    return tag.upper()\n")
    greet.write(
        harness="workflows: {greet: workflow.yaml}\nbindings: bindings.yaml\ncode: {shout: 'parts:shout'}\n",
        workflow="""\
workflow: greet
inputs: [tags]
state: {tags: {type: array}, loud: {type: array}}
nodes:
  shout: {kind: code, code: shout, for_each: tags, item: tag, arguments: {tag: {from: tag}}, output: loud}
start: shout
""",
    )
    run_id = greet("run", "greet", "--json", "-i", 'tags=["a", "b"]').lines[-1]["run_id"]
    steps = greet("show", run_id, "--json").object["steps"]
    assert [(step["path"], step["kind"], step["status"]) for step in steps] == [
        ("shout[0]", "item", "done"), ("shout[1]", "item", "done"),
    ]  # fmt: skip
    assert "item shout[1]: done" in greet("show", run_id).out


def test_a_workflow_that_is_a_step_is_shown_below_its_run(greet):
    (greet.folder / "outer.yaml").write_text("""\
workflow: outer
state: {said: {type: object}}
nodes: {inner: {kind: workflow, workflow: greet, outputs: [greeting], output: said}}
start: inner
""")
    greet.write(harness="workflows: {greet: workflow.yaml, outer: outer.yaml}\nbindings: bindings.yaml\n")
    said = greet("run", "outer", "--json")
    assert said.code == 0, said.err
    run_id = said.lines[-1]["run_id"]
    (child,) = greet("show", run_id, "--json").object["children"]
    assert (child["workflow"], child["parent_run_id"]) == ("greet", run_id)
    assert f"is a step of run {run_id}" in greet("show", child["run_id"]).out
    assert [row["run_id"] for row in greet("runs", "--json").lines] == [run_id]
    assert len(greet("runs", "--steps", "--json").lines) == 2
