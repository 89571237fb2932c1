"""Approving from another process: what is shown, what is taken for an answer, and what the run does then."""

import os
import pty
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from tests.cli.conftest import WORKFLOW
from tests.cli.said import ended

ASKING = WORKFLOW.replace(
    "start: write\n",
    """\
  ask: {kind: human, question: ask.md, shows: [greeting], output: approval}
start: write
edges: [{from: write, to: ask}]
outcome: approval.approved
""",
).replace("  greeting:", "  approval: {type: object}\n  greeting:")
GRADED = ASKING.replace(
    "output: approval",
    "output: approval, answer: {type: object, properties: {approved: {type: boolean}, grade: {type: integer}}, required: [grade]}",
)
TWICE = ASKING.replace("start: write\nedges: [{from: write, to: ask}]", """\
  ask_too: {kind: human, question: ask.md, output: second}
start: write
edges: [{from: write, to: [ask, ask_too]}]""").replace("  greeting:", "  second: {type: object}\n  greeting:", 1)  # fmt: skip


@pytest.fixture
def asking(greet):
    greet.write(workflow=ASKING, ask="May this go to {{ guest }}?\n")
    return greet


def waiting(cli, *words):
    """A run that waits; its id."""
    said = cli("run", "greet", "--json", *words)
    assert said.code == 5, said.err
    assert said.lines[-1]["status"] == "waiting"
    return said.lines[-1]["run_id"]


def test_a_run_that_asks_ends_with_its_own_code_and_says_how_it_is_answered(asking):
    said = asking("run", "greet")
    assert said.code == 5
    run_id = said.err.splitlines()[-1].split()[1]
    assert f"run {run_id} waits at 'ask': May this go to world?" in said.err
    assert f"answer it: `harness approve {run_id}`" in said.err
    assert "resume it" not in said.err


def test_the_one_run_that_waits_need_not_be_named(asking):
    assert asking("approve", "--yes").code == 2
    run_id = waiting(asking)
    said = asking("approve", "--yes")
    assert (said.code, f"run {run_id} completed" in said.err) == (0, True)
    both = {waiting(asking), waiting(asking)}
    said = asking("approve", "--yes")
    assert said.code == 2
    assert all(each in said.err for each in both)


def test_waiting_holds_no_process_and_no_lease(asking):
    run_id = waiting(asking)
    shown = asking("show", run_id, "--json").object
    assert (shown["status"], shown["owner"], shown["lease_until"]) == ("waiting", None, None)
    assert asking("resume").err.startswith("no run has lost its process")
    assert asking("resume", run_id).code == 5  # and asks nothing anew
    assert len(asking("questions", "--json").lines) == 1


def test_without_an_answer_the_whole_question_is_printed_and_stays_open(asking):
    run_id = waiting(asking)
    said = asking("approve", run_id)
    assert said.code == 5
    (listed,) = asking("questions", "--json").lines
    assert "│ May this go to world?" in said.out
    assert 'greeting: "Hello"' in said.out
    assert f"digest {listed['digest']}" in said.out
    assert listed["shows"] == {"greeting": "Hello"}
    assert (listed["root_run_id"], listed["node"], listed["kind"]) == (run_id, "ask", "answer")
    assert listed["question_id"] in asking("questions").out


def test_yes_from_another_process_and_person_lets_the_run_go_on_to_its_end(asking):
    run_id = waiting(asking.elsewhere)
    (asked,) = asking("questions", "--json").lines
    said = asking.elsewhere("approve", run_id[:12], "--yes", "--comment", "go", "--as", "grace", "--json")
    assert said.code == 0, said.err
    events = {event["event"]: event for event in said.lines}
    assert events["answer_recorded"] == {
        "event": "answer_recorded", "question_id": asked["question_id"], "run_id": run_id,
        "digest": asked["digest"], "person": "grace",
    }  # fmt: skip
    assert events["question_answered"]["person"] == "grace"
    result = said.lines[-1]
    assert result["state"]["approval"] == {"approved": True, "comment": "go"}
    assert result["person"] == "ada"  # who pays is who began it
    assert (result["costs"]["calls"], result["costs"]["completed"]) == (1, 1)
    assert asking("questions").out == ""
    assert asking("approve", run_id, "--yes").code == 2


def test_no_is_an_answer_too(asking):
    run_id = waiting(asking)
    said = asking("approve", run_id, "--no", "--comment", "too short")
    assert said.code == 0
    assert '"approved":false' in said.out
    assert "none completed, 1 failed" in said.err


def test_a_typed_answer_is_held_to_its_schema(asking):
    asking.write(workflow=GRADED)
    run_id = waiting(asking)
    assert "grade (integer)" in asking("approve", run_id).out
    for words in (["--yes"], ["--answer", '{"grade": "good"}'], ["--answer", "good"]):
        assert asking("approve", run_id, *words).code == 2
    assert len(asking("questions", "--json").lines) == 1
    (asking.folder / "answer.json").write_text('{"grade": 2}')
    said = asking("approve", run_id, "--answer", "@answer.json", "--json")
    assert said.code == 0
    assert said.lines[-1]["state"]["approval"] == {"grade": 2}


def test_only_what_was_seen_is_approved(asking):
    run_id = waiting(asking)
    (asked,) = asking("questions", "--json").lines
    said = asking("approve", run_id, "--yes", "--digest", "0" * 64)
    assert said.code == 2
    assert asked["digest"] in said.err
    assert len(asking("questions", "--json").lines) == 1
    assert asking("approve", run_id, "--yes", "--digest", asked["digest"][:12]).code == 0


def test_who_may_answer_is_kept(asking):
    asking.write(workflow=ASKING.replace("output: approval", "output: approval, to: [grace]"))
    run_id = waiting(asking)
    said = asking("approve", run_id, "--yes")
    assert said.code == 2
    assert "grace" in said.err
    assert asking("approve", run_id, "--yes", "--as", "grace").code == 0


def test_of_several_questions_one_is_named_or_all_are_answered_alike(asking):
    asking.write(workflow=TWICE)
    run_id = waiting(asking)
    said = asking("approve", run_id, "--yes")
    assert said.code == 2
    first, second = (line["question_id"] for line in asking("questions", "--json").lines)
    assert first in said.err
    assert second in said.err
    said = asking("approve", run_id, second, "--no")
    assert said.code == 5  # the other one still waits
    said = asking("approve", run_id, "--all", "--yes", "--json")
    assert said.code == 0
    state = said.lines[-1]["state"]
    assert sorted([state["approval"]["approved"], state["second"]["approved"]]) == [False, True]


def test_one_question_for_each_item_all_answered_alike(asking):
    text = ASKING.replace("kind: human,", "kind: human, for_each: tags, max_concurrency: 1,").replace(
        "approval: {type: object}", "approval: {type: array}"
    )
    asking.write(workflow=text.replace("outcome: approval.approved\n", ""))
    run_id = waiting(asking, "-i", 'tags=["a", "b", "c"]')
    assert len(asking("questions", "--json").lines) == 3
    said = asking("approve", run_id, "--all", "--yes", "--json")
    assert said.lines[-1]["state"]["approval"] == [{"approved": True}] * 3


def test_an_answer_can_be_left_for_another_process_to_go_on_with(asking):
    run_id = waiting(asking)
    said = asking("approve", run_id, "--yes", "--no-resume")
    assert said.code == 0
    assert f"harness resume {run_id}" in said.err
    assert asking("show", run_id, "--json").object["status"] == "waiting"
    assert asking("resume", run_id).code == 0


def test_nobody_in_time_fails_the_run_or_takes_the_default(asking):
    late = ASKING.replace("output: approval", "output: approval, expires_seconds: 2")
    asking.write(workflow=late)
    run_id = waiting(asking)
    time.sleep(2.1)
    said = asking("resume", run_id)
    assert said.code == 1
    assert "nobody answered 'ask'" in said.err
    assert asking("approve", run_id, "--yes").code == 2
    asking.write(
        workflow=late.replace(
            "expires_seconds: 2", "expires_seconds: 2, on_expiry: default, default: {approved: false}"
        )
    )
    run_id = waiting(asking)
    time.sleep(2.1)
    assert asking("resume", run_id, "--json").lines[-1]["state"]["approval"] == {"approved": False}


def test_a_run_without_questions_and_a_run_that_is_not_there_are_misuse(asking, empty):
    run_id = waiting(asking)
    assert asking("approve", run_id, "nosuchid", "--yes").code == 2
    assert asking("approve", "zzzz").code == 2
    assert asking("approve", run_id, "--yes", "--answer", "{}").code == 2


def at_a_terminal(cli, typed, *words):
    """What a command shows at a terminal where this is typed, and its exit code."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.cli.main", *words],
        cwd=cli.folder, env=cli.environment | {"TERM": "xterm", "COLUMNS": "60"}, stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    os.write(ours, typed.encode())
    shown = b""
    with suppress(OSError):  # how a terminal says that its other end is closed
        while part := os.read(ours, 4096):
            shown += part
    os.close(ours)
    return process.wait(60), shown.decode("utf-8", "replace")


def test_at_a_terminal_the_answer_is_asked_for(asking):
    run_id = waiting(asking)
    code, shown = at_a_terminal(asking, "q\n", "approve", run_id, "--no-progress")
    assert code == 5
    assert "approve? [y: yes, n: no, q: leave it open]" in shown
    code, shown = at_a_terminal(asking, "y\nlooks good\n", "approve", run_id, "--no-progress")
    assert code == 0
    assert asking("show", run_id, "--state", "--json").object["approval"] == {"approved": True, "comment": "looks good"}


def test_at_a_terminal_one_of_several_is_chosen(asking):
    asking.write(workflow=TWICE)
    run_id = waiting(asking)
    code, shown = at_a_terminal(asking, "2\ny\n\n", "approve", run_id, "--no-progress")
    assert code == 5
    assert "which? [1-2, a: all, q: none]" in shown
    assert len(asking("questions", "--json").lines) == 1


def test_an_answer_to_a_run_that_another_process_still_advances_is_kept(asking):
    beside = """\
  slow: {kind: model, role: writer, prompt: slow.md, output: second}
start: write
edges: [{from: write, to: [ask, slow]}]
"""
    asking.write(
        workflow=ASKING.replace("start: write\nedges: [{from: write, to: ask}]\n", beside).replace(
            "  greeting:", "  second: {type: string}\n  greeting:", 1
        ),
        replies="replies: [{when: slowly, text: Hello, delay_ms: 60000}, {text: Hello, usage: {input: 10, output: 5}}]\n",
    )
    (asking.folder / "slow.md").write_text("Greet slowly.")
    process = asking.start("run", "greet", "--json")
    next(line for line in process.stdout if '"event":"question_asked"' in line)
    (asked,) = asking("questions", "--json").lines
    try:
        said = asking("approve", asked["run_id"], "--yes")
        assert said.code == 7
        assert "the answer is kept" in said.err
        assert asking("questions").out == ""
    finally:
        process.kill()
        ended(process)
