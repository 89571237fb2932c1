"""A project's tools by their names."""

import asyncio

import pytest

from harness.exceptions import NameUnknown, RunInterrupted, SpecificationInvalid, ToolChanged, ToolFailed
from harness.tools.bounded_call import bounded_call
from harness.tools.tool import ToolCall, ToolSpec

SERVERS = """\
tools: {plain: m:plain, absent: m:absent}
mcp_servers: {mail: {command: [mail-server], env: {PASS: "env:MAIL_PASS"}}}
"""


class OfServer:
    """A tool of a server that answers, or raises, what it is told to."""

    def __init__(self, name, answer, **said):
        self.spec = ToolSpec(name, "From a server.", {"type": "object"}, **said)
        self._answer = answer

    async def call(self, _call):
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer


class Servers:
    """Stands where the tools of servers are."""

    def __init__(self, answer, **said):
        self._answer, self._said = answer, said

    async def tool(self, name):
        return OfServer(name, self._answer, **self._said)


@pytest.fixture
def tools(project):
    return project.write(SERVERS, m="def plain() -> str:\n    return 'own'\n")


def test_a_tool_of_a_server_is_asked_of_the_servers_and_any_other_is_the_projects(tools):
    assert tools.call("plain") == "own"
    assert tools.call("mail.send", mcp=Servers("sent")) == "sent"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("plane", "no tool 'plane'; did you mean 'plain'"),
        ("post.send", "no tool 'post.send'"),
        ("mail", "no tool 'mail'"),
    ],
)
def test_what_is_not_registered_is_named_with_what_is_alike(tools, name, words):
    with pytest.raises(NameUnknown, match=words):
        tools.call(name, mcp=Servers("sent"))


def test_a_server_without_what_reaches_it_is_an_error_that_says_what_to_install(tools):
    with pytest.raises(ToolFailed, match=r"portable-harness\[mcp\]"):
        tools.call("mail.send")


def test_a_function_that_cannot_be_imported_is_named_with_its_place(tools):
    with pytest.raises(SpecificationInvalid, match=r"harness\.yaml:1:25: tools\.absent: module 'm' has no 'absent'"):
        tools.call("absent")


def test_no_secret_leaves_in_a_result_or_an_error(tools):
    secret = "sesame-open"
    assert tools.call("mail.send", mcp=Servers({"it is": [secret]}), MAIL_PASS=secret) == {"it is": ["[redacted]"]}

    for raised in (ToolFailed("mail.send", f"says {secret}", retryable=True), ValueError(f"says {secret}")):
        with pytest.raises(ToolFailed, match=r"says \[redacted\]") as caught:
            tools.call("mail.send", mcp=Servers(raised), MAIL_PASS=secret)
        assert caught.value.retryable is isinstance(raised, ToolFailed)
        assert caught.value.__cause__ is None
        assert secret not in str(caught.value)


@pytest.mark.parametrize("error", [ToolChanged("mail", "send", "its description changed"), RunInterrupted("run")])
def test_what_is_not_the_tools_to_say_goes_through(tools, error):
    with pytest.raises(type(error)):
        tools.call("mail.send", mcp=Servers(error))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("x" * 101, "its result has 103 bytes, more than max_result_bytes=100"),
        (float("nan"), "its result is no plain JSON"),
        ({1: 2}, "its result is no plain JSON"),
        (object(), "its result is no plain JSON"),
    ],
)
def test_a_result_that_cannot_be_kept_is_an_error(tools, answer, words):
    with pytest.raises(ToolFailed, match=words):
        tools.call("mail.send", mcp=Servers(answer, max_result_bytes=100))


def test_a_result_nested_too_deep_is_an_error():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    call = ToolCall({}, "key", organisation="acme", person="ada", run_id="run")

    with pytest.raises(ToolFailed, match="its result is no plain JSON"):
        asyncio.run(bounded_call(OfServer("deep", deep), call))


def test_the_decorator_stays_the_decorator_whatever_is_imported_later():
    import importlib

    import harness.tools

    importlib.import_module("harness.tools.tool")

    assert callable(harness.tools.tool)
