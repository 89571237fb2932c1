import asyncio
import os
import pty
import signal
import subprocess
import sys
from contextlib import suppress
from decimal import Decimal

import pytest

from harness.assembly import Harness
from harness.engines.embedded import RunOrder
from harness.project import load_project
from harness.settings import Settings
from harness.workflow.loading import load_workflow
from tests.cli.conftest import BINDINGS, REPLIES, WORKFLOW
from tests.cli.said import ended

SLOW = "replies: [{text: Hello, delay_ms: 60000}]\n"


def started(process, kind="node_started"):
    """Wait until the process says that it is in the middle of a node; the lines so far."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if f'"event":"{kind}"' in line:
            return lines
    raise AssertionError(process.stderr.read())


def test_a_run_prints_its_worst_case_first_and_dollars_a_completed_task_last(greet):
    greet.write(workflow=WORKFLOW + "outcome: greeting\n")
    said = greet("run", "greet", "--input", "guest=Ada")
    assert said.code == 0
    assert "greeting: Hello" in said.out
    first, *_, last = said.err.splitlines()
    assert first.startswith("worst case of greet: $")
    assert "none completed" in last  # a text is not the word true of a verifier
    run_id = last.split()[1]
    assert greet("outcome", run_id, "--success", "--evidence", "read it", "--value", "2.50").code == 0
    assert greet("show", run_id, "--json").object["costs"]["usd_per_completed"] == "0.00002"


def test_events_are_one_a_line_and_the_result_is_the_last(greet):
    events = greet("run", "greet", "--json").lines
    kinds = ["worst_case", "run_recorded", "node_started", "call_answered", "node_finished", "result"]
    assert [event["event"] for event in events] == kinds
    result = events[-1]
    assert result["status"] == "completed"
    assert result["exit_code"] == 0
    assert result["error"] is None
    assert result["state"]["greeting"] == "Hello"
    assert result["costs"] == {
        "calls": 1, "input_tokens": 10, "output_tokens": 5, "usd": "0.00002", "estimated_usd": "0",
        "completed": 0, "failed": 0, "usd_per_completed": None,
    }  # fmt: skip


def test_the_worst_case_is_at_least_what_the_ledger_held(greet):
    ahead, recorded, *_ = greet("run", "greet", "--json", "-i", "guest=Zoë \U0001f600").lines
    holds = [line for line in greet("show", recorded["run_id"], "--entries", "--json").lines if line["kind"] == "hold"]
    assert len(holds) == 1
    assert ahead["calls"] >= len(holds)
    assert ahead["tokens"] >= sum(line["input_tokens"] + line["output_tokens"] for line in holds) > 100
    assert Decimal(ahead["usd"]) > Decimal("0.00004")


def test_the_worst_case_covers_every_hold_of_a_list_with_a_failing_first_model(greet):
    text = WORKFLOW.replace("kind: model", "kind: model, for_each: tags, documents: [item], max_characters: 9")
    greet.write(
        workflow=text.replace("greeting: {type: string}", "greeting: {type: array}"),
        write="Greet {{ item }} of {{ guest }}.",
        bindings=BINDINGS.replace("model: scripted}]", "model: scripted, fallback: [other]}]")
        + BINDINGS[BINDINGS.index("  scripted:\n") :].replace("scripted:", "other:").replace("wire_name: scripted", "wire_name: other"),
        replies="replies: [{model: other, text: Hello}, {model: scripted, error: {status: 504}}]\n",
    )  # fmt: skip
    tags = 'tags=["\U0001f600\U0001f600", "a very long one that is cut", "</document>"]'
    ahead, recorded, *_, result = greet("run", "greet", "--json", "-i", tags).lines
    assert result["status"] == "completed"
    holds = [line for line in greet("show", recorded["run_id"], "--entries", "--json").lines if line["kind"] == "hold"]
    assert len(holds) == ahead["calls"] == 6
    assert sum(line["input_tokens"] + line["output_tokens"] for line in holds) <= ahead["tokens"]


def test_a_dry_run_prints_the_worst_case_and_leaves_nothing(greet):
    said = greet("run", "greet", "--dry-run", "--json")
    assert said.code == 0
    assert said.object["calls"] == 1
    assert said.object["unbounded"] == []
    assert not (greet.folder / ".harness").exists()


def test_inputs_are_read_by_the_type_of_their_key(greet):
    inputs = ["guest=12", "times=3", 'tags=["a", 1]']
    result = greet("run", "greet", "--json", *(f"--input={each}" for each in inputs)).lines[-1]
    assert {key: result["state"][key] for key in ("guest", "times", "tags")} == {
        "guest": "12", "times": 3, "tags": ["a", 1],
    }  # fmt: skip


def test_inputs_come_from_a_file_too_and_the_command_line_goes_before_it(greet):
    (greet.folder / "inputs.json").write_text('{"guest": "Ada", "times": 2}')
    result = greet("run", "greet", "--json", "--input-file", "inputs.json", "-i", "times=5").lines[-1]
    assert (result["state"]["guest"], result["state"]["times"]) == ("Ada", 5)


@pytest.mark.parametrize(
    ("typed", "said"), [("gest=x", "'guest'"), ("times=many", "integer"), ("tags={}", "JSON"), ("guest", "KEY=VALUE")]
)
def test_an_input_that_cannot_be_is_misuse(greet, typed, said):
    ran = greet("run", "greet", "--input", typed)
    assert ran.code == 2
    assert said in ran.err
    assert not (greet.folder / ".harness").exists()


def test_a_workflow_that_is_not_valid_is_refused_by_place_before_anything_is_recorded(greet):
    greet.write(workflow=WORKFLOW.replace("output: greeting", "output: greting"))
    said = greet("run", "greet")
    assert said.code == 3
    assert "workflow.yaml:9:" in said.err
    assert greet("runs").out == ""


def test_an_unknown_workflow_is_misuse_and_the_nearest_is_named(greet):
    said = greet("run", "greeet")
    assert said.code == 2
    assert "'greet'" in said.err


def test_a_workflow_is_run_by_its_path_from_elsewhere_in_its_own_project(greet, tmp_path):
    greet.folder = tmp_path
    said = greet("run", "work/workflow.yaml", "--json")
    assert said.code == 0
    assert said.lines[-1]["project"] == str(tmp_path / "work")


def test_a_refused_budget_waits_and_goes_on_once_it_is_raised(greet):
    assert greet("budget", "set", "person:ada", "0.00001").code == 0
    ahead, *_, result = greet("run", "greet", "--json").lines
    assert ahead["caps"][0]["fits"] is False
    assert (result["exit_code"], result["status"], result["error_class"]) == (4, "waiting", "BudgetExceeded")
    said = greet("resume", result["run_id"])
    assert said.code == 4
    assert "person:ada" in said.err
    assert f"harness resume {result['run_id']}" in said.err
    assert "none completed" in said.err.splitlines()[-1]
    greet("budget", "set", "person:ada", "1")
    assert greet("resume", result["run_id"][:12]).code == 0


def test_a_provider_that_fails_ends_with_its_own_code(greet):
    greet.write(replies="replies: [{error: {status: 503, message: too busy}}]\n")
    said = greet("run", "greet")
    assert said.code == 6
    assert "too busy" in said.err
    greet.write(replies=REPLIES)
    run_id = greet("runs", "--status", "failed", "--json").object["run_id"]
    assert greet("resume", run_id).code == 0


def test_a_missing_key_is_named(greet):
    greet.write(bindings=BINDINGS.replace("{scripted_replies: replies.yaml}",
                                          '{base_url: "http://127.0.0.1:9", api_key_env: NO_SUCH_KEY}'))  # fmt: skip
    said = greet("run", "greet")
    assert said.code == 6
    assert "NO_SUCH_KEY" in said.err


def test_an_answer_outside_the_schema_fails_the_run(greet):
    schema = "output: greeting, schema: {type: object, properties: {a: {type: string}}, required: [a]}"
    text = WORKFLOW.replace("output: greeting", schema).replace("greeting: {type: string}", "greeting: {type: any}")
    greet.write(workflow=text)
    said = greet("run", "greet")
    assert said.code == 1
    assert "cannot be used" in said.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on_and_goes_on(greet, number):
    greet.write(replies=SLOW)
    process = greet.start("run", "greet", "--json")
    started(process)
    process.send_signal(number)
    said = ended(process)
    assert said.code == 130
    result = said.lines[-1]
    assert (result["status"], result["exit_code"]) == ("interrupted", 130)
    assert f"harness resume {result['run_id']}" in result["error"]
    assert "Traceback" not in said.err
    greet.write(replies=REPLIES)
    assert greet("resume", result["run_id"]).code == 0


def test_a_run_that_another_process_advances_is_left_to_it(greet):
    greet.write(replies=SLOW)
    process = greet.start("run", "greet", "--json")
    started(process)
    run_id = greet("runs", "--json").object["run_id"]
    try:
        said = greet("resume", run_id)
        assert said.code == 7
        assert run_id in said.err
        assert greet("resume").code == 0
    finally:
        process.kill()
        ended(process)


def test_without_a_name_every_run_whose_process_is_gone_goes_on(greet):
    assert "no run has lost its process" in greet("resume").err
    lost = [abandoned(greet), abandoned(greet)]
    shown = greet("runs").out
    assert shown.count("its process is gone") == 2
    said = greet("resume", "--json")
    assert said.code == 0
    results = [event for event in said.lines if event["event"] == "result"]
    assert [result["run_id"] for result in results] == lost
    assert {result["status"] for result in results} == {"completed"}


def abandoned(greet):
    """A run that a process has begun and will never go on with."""

    async def begin():
        project = load_project(greet.folder / "harness.yaml")
        settings = Settings(home=greet.folder / ".harness", person="ada")
        async with Harness(settings, project) as house:
            version = (await house.binding_version()).version
            loaded = load_workflow(project.workflow_path("greet"))
            order = RunOrder(loaded, {}, "ada", None, greet.folder, project.folder, version)
            run = await house.engine.record(order)
            await house.runs.claim(run.run_id, owner="gone:1", lease_seconds=0)
            return run.run_id

    return asyncio.run(begin())


@pytest.mark.parametrize("words", [(), ("--no-progress",)])
def test_a_moving_line_is_for_terminals_and_can_be_switched_off(greet, words):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.cli.main", "run", "greet", *words],
        cwd=greet.folder, env=greet.environment | {"TERM": "xterm"}, stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # how a terminal says that its other end is closed
        while part := os.read(ours, 4096):
            shown += part
    os.close(ours)
    assert process.wait(60) == 0
    assert (b"\x1b[?25l" in shown) == (not words)
    assert b"greeting: Hello" in shown


def test_hidden_characters_of_an_answer_are_shown(greet):
    greet.write(replies='replies: [{text: "a\\u202eb\\x1b[31mc"}]\n')
    said = greet("run", "greet")
    assert said.code == 0
    assert "greeting: a\\u202eb\\u001b[31mc" in said.out


def test_words_are_printed_as_they_come_and_the_result_stays_alone_on_stdout(greet):
    said = greet("run", "greet", "--stream")
    assert said.code == 0
    assert "write:\nHello\n" in said.err
    assert "write:" not in said.out
    assert "greeting: Hello" in said.out
    events = greet("run", "greet", "--stream", "--json").lines
    assert "".join(event["text"] for event in events if event["event"] == "words") == "Hello"
    assert not any(event["event"] == "words" for event in greet("run", "greet", "--json").lines)


def failed(greet):
    greet.write(replies="replies: [{error: {status: 503, message: too busy}}]\n")
    run_id = greet("run", "greet", "--json").lines[-1]["run_id"]
    greet.write(replies=REPLIES)
    return run_id


def test_a_run_whose_workflow_changed_goes_on_with_the_old_one_and_says_what_changed(greet):
    run_id = failed(greet)
    greet.write(
        write="Greet {{ guest }} rudely.", workflow=WORKFLOW.replace("max_output_tokens: 20", "max_output_tokens: 30")
    )
    said = greet("resume", run_id, "--json")
    assert said.code == 0
    (changed,) = [event for event in said.lines if event["event"] == "workflow_changed"]
    assert changed["migrated"] is False
    assert changed["difference"] == ["node 'write' changed: max_output_tokens", "file 'write.md' changed"]
    (hold,) = [line for line in greet("show", run_id, "--entries", "--json").lines if line["kind"] == "hold"][-1:]
    assert hold["output_tokens"] == 20
    assert "workflow_changed" not in [event["event"] for event in greet("run", "greet", "--json").lines]


def test_a_run_goes_on_with_the_new_workflow_where_that_is_asked_for(greet):
    run_id = failed(greet)
    greet.write(workflow=WORKFLOW.replace("max_output_tokens: 20", "max_output_tokens: 30"))
    said = greet("resume", run_id)
    assert "--migrate" in said.err
    run_id = failed(greet)
    greet.write(workflow=WORKFLOW.replace("max_output_tokens: 20", "max_output_tokens: 40"))
    said = greet("resume", run_id, "--migrate")
    assert said.code == 0, said.err
    assert "with the workflow as it is now" in said.err
    (hold,) = [line for line in greet("show", run_id, "--entries", "--json").lines if line["kind"] == "hold"][-1:]
    assert hold["output_tokens"] == 40


def test_a_workflow_that_is_not_valid_or_not_the_same_is_not_migrated_to(greet):
    run_id = failed(greet)
    greet.write(workflow=WORKFLOW.replace("output: greeting", "output: greting"))
    assert greet("resume", run_id, "--migrate").code == 3
    greet.write(workflow=WORKFLOW.replace("workflow: greet", "workflow: other"))
    assert greet("resume", run_id, "--migrate").code == 3
    assert greet("resume", "--migrate").code == 2
    assert greet("show", run_id, "--json").object["status"] == "failed"
    assert greet("resume", run_id).code == 0
