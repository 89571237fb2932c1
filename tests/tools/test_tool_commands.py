"""`harness tools`: what is registered, what it takes, and what is let in."""

import sys

import pytest

from tests.cli.hello_project import REPOSITORY, HelloProject

SERVER = REPOSITORY / "tests" / "integrations" / "mcp_server_official.py"
TOOLS = f"""
http: {{allowed_hosts: [api.example.com]}}
tools:
  look: {{http: {{url: "https://api.example.com/items/{{id}}"}}, trusted: true}}
  send: {{function: own:send, effect: true, approval: always}}
mcp_servers:
  files: {{command: ["{sys.executable}", "{SERVER}"], private: true}}
"""
OWN = '''
def send(to: str, count: int = 1) -> None:
    """Sends \\x1b[2Jsomething."""
'''


@pytest.fixture
def project(tmp_path):
    project = HelloProject(tmp_path)
    with (project.folder / "harness.yaml").open("a") as file:
        file.write(TOOLS)
    (project.folder / "own.py").write_text(OWN)
    return project


def test_all_that_is_registered_is_listed_and_nothing_of_it_is_imported_or_reached(project):
    (project.folder / "own.py").write_text("1 / 0")

    listed = project.say("tools", "--json").lines

    assert [(row["name"], row["kind"], row["approval"]) for row in listed] == [
        ("look", "http", "never"),
        ("send", "function", "always"),
        ("files", "mcp server", "never"),
    ]
    assert [[flag for flag in ("effect", "outward", "trusted", "private") if row[flag]] for row in listed] == [
        ["outward", "trusted"],
        ["effect", "outward"],
        ["outward", "private"],
    ]
    assert all(row["from"].startswith(f"{project.folder / 'harness.yaml'}:") for row in listed)


def test_one_is_shown_with_the_schema_of_its_arguments(project):
    shown = project.say("tools", "show", "send", "--json")

    assert shown.object["parameters"]["required"] == ["to"]
    assert shown.object["effect"] is True
    assert "takes no `idempotency_key: str`" in shown.err
    assert "\\u001b[2J" in project.say("tools", "show", "send").out
    assert project.say("tools", "show", "look", "--json").object["parameters"]["properties"].keys() == {"id"}


def test_a_name_that_is_not_there_is_answered_with_one_that_is(project):
    said = project.say("tools", "show", "sent")

    assert said.code == 2
    assert "no tool 'sent'; did you mean 'send'?" in said.err


@pytest.mark.slow
def test_a_servers_tools_are_looked_at_and_let_in(project):
    pytest.importorskip("mcp", reason="the extra `mcp` is not installed")

    before = {row["name"]: row for row in project.say("tools", "show", "files", "--json").lines}
    assert before["files.add"]["state"] == "new"
    assert before["files.add"]["parameters"]["properties"].keys() == {"a", "b"}

    refused = project.say("tools", "approve", "files.add")
    assert refused.code == 2
    assert "say --yes" in refused.err

    approved = project.say("tools", "approve", "files.add", "--yes", "--json")
    assert approved.object == {"approved": ["files.add"]}
    assert "Adds two numbers." in approved.err

    after = {row["name"]: row["state"] for row in project.say("tools", "show", "files", "--json").lines}
    assert after["files.add"] == "approved"
    assert after["files.big"] == "new"
