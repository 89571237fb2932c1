"""Cancelling a run from another process, and starting one from a step of another."""

from tests.cli.conftest import REPLIES, WORKFLOW
from tests.cli.said import ended

SLOW = "replies: [{text: Hello, delay_ms: 60000}]\n"
TWO_STEPS = WORKFLOW.replace(
    "start: write\n",
    """\
  again: {kind: model, role: writer, prompt: again.md, max_output_tokens: 20, output: second}
start: write
edges: [{from: write, to: again}]
""",
).replace("  greeting:", "  second: {type: string}\n  greeting:")
ECHO = """\
replies:
  - {when: "Polish: Hello", text: polished, usage: {input: 10, output: 5}}
  - {when: "Polish: Goodbye", text: politely ended, usage: {input: 10, output: 5}}
  - {text: Hello, usage: {input: 10, output: 5}}
"""


def begun(process):
    for line in process.stdout:
        if '"event":"node_started"' in line:
            return
    raise AssertionError(process.stderr.read())


def test_a_running_run_is_stopped_by_another_process_and_can_be_resumed(greet):
    greet.write(replies=SLOW)
    process = greet.start("run", "greet", "--json")
    begun(process)
    run_id = greet("runs", "--json").object["run_id"]
    said = greet("cancel", run_id[:12], "--wait", "--as", "grace", "--json")
    assert said.code == 0
    assert said.object["status"] == "cancelled"
    stopped = ended(process)
    assert stopped.code == 130
    result = stopped.lines[-1]
    assert (result["status"], result["error_class"]) == ("cancelled", "RunCancelled")
    assert "grace" in result["error"]
    assert [line["kind"] for line in greet("show", run_id, "--entries", "--json").lines][-1] != "hold"
    greet.write(replies=REPLIES)
    assert greet("resume", run_id).code == 0


def test_a_run_that_nobody_advances_is_cancelled_at_once_and_a_completed_one_stays(greet):
    run_id = greet("run", "greet", "--json").lines[-1]["run_id"]
    assert f"run {run_id} is completed" in greet("cancel", run_id).out
    greet.write(replies="replies: [{error: {status: 503, message: busy}}]\n")
    failed = greet("run", "greet", "--json").lines[-1]["run_id"]
    assert greet("cancel", failed, "--json").object["status"] == "cancelled"
    assert greet("cancel", "zzzz").code == 2


def two_steps(greet):
    (greet.folder / "again.md").write_text("Polish: {{ greeting }}")
    greet.write(workflow=TWO_STEPS, replies=ECHO)
    result = greet("run", "greet", "--json").lines[-1]
    assert result["state"]["second"] == "polished"
    return result["run_id"]


def test_a_fork_starts_from_a_step_with_another_value_and_pays_for_what_runs_from_there(greet):
    origin = two_steps(greet)
    said = greet("fork", origin, "--at", "1", "--set", "greeting=Goodbye", "--json")
    assert said.code == 0, said.err
    forked, *_, result = said.lines
    assert (forked["event"], forked["forked_from"], forked["forked_step"]) == ("run_forked", origin, 1)
    assert (result["state"]["greeting"], result["state"]["second"]) == ("Goodbye", "politely ended")
    assert result["costs"]["calls"] == 1
    assert greet("show", origin, "--state", "--json").object["greeting"] == "Hello"
    assert f"was forked from run {origin} at step 1" in greet("show", forked["run_id"]).out


def test_a_fork_can_be_left_to_be_run_later(greet):
    origin = two_steps(greet)
    said = greet("fork", origin, "--at", "0", "--no-run", "--json")
    assert said.code == 0
    run_id = said.object["run_id"]
    assert said.object["status"] == "pending"
    assert f"harness resume {run_id}" in said.err
    assert greet("resume", run_id, "--json").lines[-1]["costs"]["calls"] == 2


def test_a_fork_from_nowhere_or_with_what_does_not_fit_is_misuse_and_records_nothing(greet):
    origin = two_steps(greet)
    for words in (["--at", "9"], ["--at", "1", "--set", "greting=x"], ["--at", "1", "--set", "times=many"], []):
        assert greet("fork", origin, *words).code == 2
    assert len(greet("runs", "--json").lines) == 1
