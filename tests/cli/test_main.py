import subprocess
import sys

import pytest

HEAVY = {"langgraph", "langchain", "langchain_core", "chromadb", "temporalio", "sqlalchemy", "httpx", "wordllama"}

MEASURE = """
import sys, time
from harness.cli.main import run
try:
    run({arguments!r})
except SystemExit as ended:
    print("code", ended.code, file=sys.stderr)
print(time.process_time(), *sorted(name for name in sys.modules if "." not in name), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--help"], [], ["--version"], ["rnu"]])
def test_help_and_misuse_load_nothing_heavy(empty, arguments, capsys):
    code = MEASURE.format(arguments=arguments)
    ran = subprocess.run(
        [sys.executable, "-c", code], env=empty.environment, capture_output=True, text=True, check=True
    )
    seconds, *modules = ran.stderr.splitlines()[-1].split()
    with capsys.disabled():
        print(f"\nharness {' '.join(arguments)}: {float(seconds):.3f} s CPU")  # noqa: T201 - a figure to read
    assert not HEAVY & set(modules)
    assert float(seconds) < 3


def test_help_names_every_command_once(empty):
    from harness.cli.main import COMMANDS

    names = [entry.name for entry in COMMANDS]
    assert len(set(names)) == len(names)
    said = empty("--help")
    assert said.code == 0
    assert all(f" {name} " in said.out for name in names)


def test_every_command_of_the_table_exists_under_its_name():
    from harness.cli.main import COMMANDS, LazyCommand

    for entry in COMMANDS:
        assert LazyCommand(entry)._real().name == entry.name


def test_a_command_that_does_not_exist_is_misuse_and_the_nearest_is_named(empty):
    said = empty("rnu")
    assert (said.code, said.out) == (2, "")
    assert "'run'" in said.err


def test_global_options_stand_before_or_after_the_command(greet):
    before = greet("--as", "grace", "--json", "config", "show")
    after = greet("config", "show", "--json", "--as", "grace")
    assert before == after
    assert {"name": "person", "value": "grace", "origin": "flag --person"} in [
        {**row, "origin": row["origin"].replace("--as", "--person")} for row in after.lines
    ]


def test_a_setting_that_cannot_be_used_is_misuse_with_its_origin(greet):
    said = greet("runs", HARNESS_LOG_LEVEL="loud")
    assert said.code == 2
    assert "HARNESS_LOG_LEVEL" in said.err
    assert "Traceback" not in said.err


def test_a_project_that_is_not_there_is_misuse(empty):
    assert empty("check", "--project", "nowhere").code == 2
    said = empty("check")
    assert said.code == 2
    assert "harness.yaml" in said.err


def test_a_fault_of_ours_is_one_line_and_written_down(greet):
    (greet.folder / ".harness").mkdir()
    (greet.folder / ".harness" / "runs.db").write_text("not a database, but long enough to be read as a header" * 40)
    said = greet("runs")
    assert said.code == 1
    assert "Traceback" not in said.err
    assert "Traceback" in greet("runs", HARNESS_DEBUG="1").err


def test_nothing_is_coloured_without_a_terminal_or_with_no_color(greet):
    for environment in ({}, {"NO_COLOR": "1"}):
        said = greet("check", **environment)
        assert said.code == 0
        assert "\x1b" not in said.out + said.err


def test_the_shell_is_offered_commands_workflows_and_runs(greet):
    def offered(words):
        said = greet(_HARNESS_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(len(words.split(" ")) - 1))
        return said.out.split()

    assert offered("harness ru") == ["run", "runs"]
    assert offered("harness run g") == ["greet"]
    assert offered("harness show ") == []
    run_id = greet("run", "greet", "--json").lines[-1]["run_id"]
    assert offered(f"harness show {run_id[:4]}") == [run_id]


def test_config_path_says_where_settings_are_read(greet):
    project, user = greet("config", "path", "--json").lines
    assert project == {"file": "project", "path": str(greet.folder / "harness.yaml"), "exists": True}
    assert user["exists"] is False


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (["rnu"], 2, "UsageError"),
        (["run"], 2, "MissingParameter"),
        (["run", "greeet"], 2, "NameUnknown"),
        (["run", "greet", "--input", "guest"], 2, "BadParameter"),
        (["run", "greet", "--nope"], 2, "NoSuchOption"),
        (["show", "zzzz"], 2, "NameUnknown"),
        (["resume", "zzzz"], 2, "NameUnknown"),
    ],
)
def test_what_goes_wrong_before_a_run_begins_is_json_for_programs_too(greet, words, code, kind):
    said = greet("--json", *words)
    assert said.code == code
    assert (said.object["event"], said.object["error_class"], said.object["exit_code"]) == ("error", kind, code)
    assert greet(*words).out == ""


def test_a_specification_that_is_not_valid_is_json_with_every_problem(greet):
    greet.write(workflow="workflow: greet\nnodes: {a: {kind: modl}}\nstart: a\n")
    said = greet("run", "greet", "--json")
    assert said.code == 3
    assert "workflow.yaml:2:" in said.object["error"]
    assert "workflow.yaml:2:" in said.err
