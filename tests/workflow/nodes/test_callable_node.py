"""Registered callables: arguments and results by their annotations, copies in, plain JSON out."""

import asyncio
import dataclasses
import datetime as dt
import sys
import typing
from typing import Any

import pytest
from pydantic import BaseModel

from harness.exceptions import CallableRefused, NameUnknown
from harness.tools.redaction import Redactor
from harness.workflow.nodes.callable_node import call_registered
from harness.workflow.nodes.node_context import NodeContext


def called(function, arguments=None, values=None, context: Any = None):
    return asyncio.run(
        call_registered("named", function, arguments or {}, values or {}, context, Redactor(["tok-secret"]))
    )


class Item(BaseModel):
    name: str
    size: int = 0


@dataclasses.dataclass
class Pair:
    left: int
    right: dt.date


def test_arguments_come_as_their_annotations_say_and_results_go_as_plain_json():
    def function(item: Item, day: dt.date, more: list[Item]) -> Pair:
        assert isinstance(item, Item)
        assert isinstance(more[0], Item)
        return Pair(item.size, day)

    arguments = {"item": {"from": "item"}, "day": "2026-11-24", "more": [{"name": "m"}]}
    assert called(function, arguments, {"item": {"name": "n", "size": 3}}) == {"left": 3, "right": "2026-11-24"}


def test_an_asynchronous_function_runs_in_the_loop_and_another_in_a_thread():
    import threading

    async def here() -> bool:
        return threading.current_thread() is threading.main_thread()

    def elsewhere() -> bool:
        return threading.current_thread() is threading.main_thread()

    assert (called(here), called(elsewhere)) == (True, False)


def test_the_context_goes_to_the_parameter_that_asks_for_it():
    def function(context: NodeContext, x: int) -> int:
        return context.number + x

    class Context:
        number = 2

    assert called(function, {"x": 1}, context=Context()) == 3
    with pytest.raises(CallableRefused, match="'context'"):
        called(function, {"x": 1, "context": 5}, context=Context())


@pytest.mark.parametrize("hint", [list, Any, dict[str, Any] | list[Any]])
def test_what_a_function_does_to_its_arguments_changes_no_state(hint):
    def function(x) -> int:
        x[0]["name"] = "changed"
        x.append(1)
        return 1

    function.__annotations__["x"] = hint
    values = {"x": [{"name": "kept"}]}
    called(function, {"x": {"from": "x"}}, values)
    assert values == {"x": [{"name": "kept"}]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 1, "m": 2}, "argument 'm': it takes n"),
        ({"n": "three"}, "argument 'n': Input should be a valid integer"),
        ({}, "missing a required argument: 'n'"),
    ],
)
def test_arguments_that_do_not_fit_are_named(arguments, words):
    def function(n: int) -> int:
        return n

    with pytest.raises(CallableRefused, match=words):
        called(function, arguments)


def test_an_argument_from_nowhere_is_named():
    with pytest.raises(NameUnknown, match="item"):
        called(lambda n: n, {"n": {"from": "item.size"}}, {"item": {}})


@pytest.mark.parametrize("result", [object(), {"deep": [object()]}, lambda: None])
def test_a_result_that_is_no_json_is_refused(result):
    with pytest.raises(CallableRefused, match="'named', argument 'return'"):
        called(lambda: result)


def test_a_result_that_is_not_what_the_function_says_is_refused():
    def function() -> int:
        return "three"  # type: ignore[return-value]

    with pytest.raises(CallableRefused, match="argument 'return'"):
        called(function)


def test_what_a_function_raises_comes_out_and_an_exit_ends_no_process():
    def fails() -> None:
        raise KeyError("x")

    def leaves() -> None:
        raise SystemExit(3)

    with pytest.raises(KeyError):
        called(fails)
    with pytest.raises(RuntimeError, match=r"exit\(3\)"):
        called(leaves)


def test_what_code_prints_goes_to_stderr_without_secrets_and_leaves_standard_output_alone(capsys):
    def speaks() -> int:
        print("counting with tok-secret")  # noqa: T201
        return 1

    async def speaks_too() -> int:
        print("awaited with tok-secret")  # noqa: T201
        return 2

    assert (called(speaks), called(speaks_too)) == (1, 2)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "counting with [redacted]\nawaited with [redacted]\n")


class Letter(typing.TypedDict):  # what the remedy is about
    text: str


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="it is taken there")
@pytest.mark.parametrize("place", ["letter", "return"])
def test_a_typed_dict_that_python_311_forgets_the_keys_of_is_refused_with_the_remedy(place):
    def function(letter) -> None:
        pass

    function.__annotations__[place] = list[Letter]
    with pytest.raises(CallableRefused, match=rf"argument '{place}': .*take `typing_extensions\.TypedDict`"):
        called(function, {"letter": [{"text": "x"}]})


def test_an_annotation_that_nothing_can_be_held_to_or_that_names_nothing_is_refused():
    class Own:
        pass

    def of_own_class(x: Own) -> None:
        pass

    def of_nothing(x: "Nowhere") -> None:  # noqa: F821
        pass

    with pytest.raises(CallableRefused, match="argument 'x': nothing can be held to its annotation"):
        called(of_own_class, {"x": 1})
    with pytest.raises(CallableRefused, match="'Nowhere' is not defined"):
        called(of_nothing, {"x": 1})
