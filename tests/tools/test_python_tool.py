"""Python functions as tools."""

import asyncio
import sys
import threading

import pytest

from harness.exceptions import SpecificationInvalid, ToolArgumentsRefused, ToolFailed
from harness.tools.tool import ToolCall

MODULE = '''
import datetime, sys, time, threading
from typing import Any, Literal, TypedDict
from pydantic import BaseModel
from harness.tools import tool
from harness.workflow.nodes.node_context import NodeContext

class Item(BaseModel):
    name: str
    size: int = 0

def look(item: Item, day: datetime.date, how: Literal["fast", "well"] = "fast", *, context: NodeContext) -> Item:
    """Looks at an item.

    More about it.
    """
    return Item(name=f"{item.name} {day:%A} {how} {context}", size=item.size + 1)

def nothing():
    pass

@tool(effect=True, description="Sends.", timeout_seconds=5)
def send(to: str, idempotency_key: str) -> str:
    return f"{to} {idempotency_key}"

def raises(kind: str):
    raise {"value": ValueError("no such item"), "connection": ConnectionResetError("gone"), "exit": SystemExit(3),
           "stop": StopIteration(), "secret": RuntimeError("key is sesame-open"), "bare": KeyError()}[kind]

def hangs():
    threading.Event().wait(2)

def wrong() -> int:
    return object()

def late(x: int):
    return x

async def here() -> bool:
    return threading.current_thread() is threading.main_thread()

def elsewhere() -> bool:
    return threading.current_thread() is threading.main_thread()

def says(text: str):
    print(text)
    print("and sesame-open", end="")
    sys.stderr.write("aside sesame-open\\n")
    sys.stdout.buffer.write(b"bytes\\n")

async def says_here(text: str):
    print(text)

def many(*args): ...
def any_named(**named): ...
def no_schema(x: threading.Thread): ...

class Old(TypedDict):
    text: str

def forgets(x: Old): ...
def forgets_result() -> Old:
    return {"text": ""}
'''

NAMES = ["look", "nothing", "send", "raises", "hangs", "wrong", "here", "elsewhere", "says", "says_here"]
NAMES += ["many", "any_named", "no_schema", "forgets", "forgets_result"]


@pytest.fixture
def tools(project):
    lines = "".join(f"  {name}: m:{name}\n" for name in NAMES)
    return project.write(f"tools:\n{lines}", m=MODULE)


def failed(project, name, arguments=None, **environment):
    with pytest.raises(ToolFailed) as caught:
        project.call(name, arguments, **environment)
    return caught.value


def test_a_schema_comes_from_annotations_and_a_description_from_the_docstring(tools):
    spec = tools.spec("look")

    assert spec.description == "Looks at an item."
    assert spec.parameters["type"] == "object"
    assert spec.parameters["required"] == ["item", "day"]
    assert spec.parameters["additionalProperties"] is False
    # What we give is not the caller's to give.
    assert spec.parameters["properties"].keys() == {"item", "day", "how"}
    assert spec.parameters["properties"]["how"] == {"enum": ["fast", "well"], "type": "string"}
    assert spec.parameters["properties"]["day"] == {"format": "date", "type": "string"}
    assert "title" not in spec.parameters
    assert tools.spec("nothing").parameters == {"type": "object", "properties": {}, "additionalProperties": False}


def test_a_call_is_typed_and_is_given_the_context(tools):
    arguments = {"item": {"name": "book"}, "day": "2026-11-24"}

    assert tools.call("look", arguments, context="here") == {"name": "book Tuesday fast here", "size": 1}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"item": {"name": "x"}, "day": "someday"}, "argument 'day': "),
        ({"item": {}, "day": "2026-11-24"}, "argument 'item': name: Field required"),
        ({"day": "2026-11-24"}, "missing a required argument: 'item'"),
        ({"context": 1}, "argument 'context': it takes item, day, how"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_in_words(tools, arguments, words):
    with pytest.raises(ToolArgumentsRefused) as caught:
        tools.call("look", arguments)
    assert words in caught.value.reason


def test_a_function_may_say_of_itself_what_it_is_and_the_project_wins(tools):
    own = tools.spec("send")
    assert (own.effect, own.outward, own.description, own.timeout_seconds) == (True, True, "Sends.", 5)
    assert own.parameters["properties"].keys() == {"to"}

    tools.write("tools: {send: {function: m:send, outward: false, timeout_seconds: 7}}\n", m=MODULE)
    told = tools.spec("send")
    assert (told.effect, told.outward, told.description, told.timeout_seconds) == (True, False, "Sends.", 7)


def test_an_idempotency_key_is_given_to_the_function_that_takes_one(tools):
    assert tools.call("send", {"to": "Ada"}, key="run/node/tool") == "Ada run/node/tool"


@pytest.mark.parametrize(
    ("kind", "reason", "again"),
    [
        ("value", "ValueError: no such item (m.py:", False),
        ("connection", "ConnectionResetError: gone (m.py:", True),
        ("bare", "KeyError (m.py:", False),
        ("exit", "it called exit(3)", False),
        ("stop", "coroutine raised StopIteration", False),
    ],
)
def test_what_it_raises_is_an_error_in_words_with_its_place(tools, kind, reason, again):
    error = failed(tools, "raises", {"kind": kind})

    assert reason in error.reason
    assert error.retryable is again


def test_a_secret_in_what_it_raises_is_said_nowhere(tools):
    error = failed(tools, "raises", {"kind": "secret"}, API_TOKEN="sesame-open")

    assert error.reason.startswith("RuntimeError: key is [redacted]")
    assert error.__cause__ is None  # a traceback would show it
    assert failed(tools, "raises", {"kind": "value"}, API_TOKEN="sesame-open").__cause__ is not None


def test_one_that_hangs_is_left_behind_and_keeps_nobody_waiting(tools):
    tools.write("tools: {hangs: {function: m:hangs, timeout_seconds: 0.1}}\n", m=MODULE)

    error = failed(tools, "hangs")

    assert error.reason == "no answer within 0.1 s"
    assert error.retryable
    # It is still there, but as a thread that the process's end does not wait for.
    assert all(each.daemon for each in threading.enumerate() if each.name == "tool")


def test_a_result_that_is_not_what_it_may_return_is_an_error(tools):
    assert "its result is not what it may return" in failed(tools, "wrong").reason


def test_an_asynchronous_function_runs_in_the_loop_and_another_in_a_thread(tools):
    assert (tools.call("here"), tools.call("elsewhere")) == (True, False)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="it is taken there")
def test_a_typed_dict_of_typing_is_refused_with_what_to_take_instead(tools):
    with pytest.raises(SpecificationInvalid, match=r"'forgets': .*`typing_extensions\.TypedDict`"):
        tools.call("forgets", x={"text": ""})
    assert "take `typing_extensions.TypedDict`" in failed(tools, "forgets_result").reason


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("many", "parameter *args: give each parameter a name"),
        ("any_named", "parameter **named: give each parameter a name"),
        ("no_schema", "its parameters have no JSON Schema: "),
    ],
)
def test_a_function_without_a_schema_is_no_tool(tools, name, words):
    with pytest.raises(SpecificationInvalid) as caught:
        tools.spec(name)
    assert words in str(caught.value)


class TestPrinting:
    def test_what_it_prints_is_on_stderr_without_secrets(self, tools, capfdbinary):
        tools.call("says", {"text": "hello"}, API_TOKEN="sesame-open")
        tools.call("says_here", {"text": "hello again"})
        sys.stdout.flush()
        sys.stderr.flush()

        out, err = capfdbinary.readouterr()
        assert out == b""
        assert sorted(err.decode().splitlines()) == [
            "and [redacted]aside [redacted]",
            "bytes",
            "hello",
            "hello again",
        ]

    def test_others_still_print_where_they_print(self, tools, capsys):
        before = sys.stdout

        async def both():
            toolbox = tools.toolbox()
            tool = await toolbox.tool("hangs")
            call = ToolCall({}, "key", organisation="acme", person="ada", run_id="run")
            waiting = asyncio.ensure_future(tool.call(call))
            while before is sys.stdout:  # noqa: ASYNC110 - until the function runs, which tells nobody
                await asyncio.sleep(0)
            sys.stdout.write("from the command\n")
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

        asyncio.run(both())

        assert capsys.readouterr().out == "from the command\n"
