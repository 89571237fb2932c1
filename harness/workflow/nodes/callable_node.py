"""A registered callable over the state: its arguments point into it, or it is given the whole.

How annotations become validators is left to `harness.tools.typed_calls`, which tools share.
"""
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, get_type_hints

import anyio.to_thread
from pydantic import TypeAdapter

from harness.exceptions import CallableRefused
from harness.json_values import Json, JsonObject, plain_json
from harness.tools.printed_text import printed_to_stderr
from harness.tools.redaction import Redactor
from harness.tools.typed_calls import RETURN, plain_result, signature_of, typed_arguments
from harness.workflow.nodes.node_context import NodeContext
from harness.workflow.state_values import argument_value


async def call_registered(
    name: str,
    function: Callable[..., Any],
    arguments: Mapping[str, Json],
    values: Mapping[str, Json],
    context: NodeContext,
    redactor: Redactor,
) -> Json:
    """Call a registered function, in a thread unless it is asynchronous, and return its result as plain JSON.

    Args:
        redactor: for what it prints, which goes to stderr.

    Raises:
        NameUnknown: an argument points at nothing.
        CallableRefused: an argument it does not have or that does not fit, or a result that is no JSON.
        Exception: whatever the function raises.
    """
    pointed = {key: argument_value(argument, values) for key, argument in arguments.items()}
    given = typed_arguments(name, function, pointed, context, NodeContext)
    result = await _called(function, given, redactor)
    return plain_result(name, result, signature_of(function, NodeContext).result)


async def call_on_state(
    name: str, function: Callable[..., Any], values: Mapping[str, Json], context: NodeContext, redactor: Redactor
) -> Json:
    """Call a LangGraph node's function: it is given the state as one mapping, and returns an update of it.

    Raises:
        CallableRefused: its result is no JSON, or its annotations name what is not there.
        Exception: whatever the function raises.
    """
    state = plain_json(dict(values), where="state")
    names = list(inspect.signature(function).parameters)
    hints = _hints(name, function)
    given: dict[str, Any] = {names[0]: state} if names else {}
    given |= {each: context for each in names[1:] if hints.get(each) is NodeContext}
    return plain_result(name, await _called(function, given, redactor), TypeAdapter(Any))


def state_update(name: str, returned: Json, writes: Collection[str]) -> JsonObject:
    """What a LangGraph node's function returned, as an update of the keys that its node writes.

    A key that is not in it stays as it is; None changes nothing.

    Raises:
        CallableRefused: it is no update, or one of another key too.
    """
    if returned is None:
        return {}
    if not isinstance(returned, dict):
        reason = f"it returned {type(returned).__name__}: return a mapping of state keys, or None where none changes"
        raise CallableRefused(name, RETURN, reason)
    others = [key for key in returned if key not in writes]
    if others:
        said = ", ".join(map(repr, writes)) or "nothing"
        reason = f"it returned {', '.join(map(repr, others))}, and its node writes {said}: name each key under `output`"
        raise CallableRefused(name, RETURN, reason)
    return returned


def _hints(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function)
    except NameError as error:
        raise CallableRefused(name, "", f"one of its annotations cannot be read: {error}") from error


async def _called(function: Callable[..., Any], given: Mapping[str, Any], redactor: Redactor) -> Any:
    def printing() -> Any:
        with printed_to_stderr(redactor):
            return function(**given)

    try:
        if inspect.iscoroutinefunction(function):
            with printed_to_stderr(redactor):
                return await function(**given)
        return await anyio.to_thread.run_sync(printing)
    except SystemExit as error:
        # It would end the process, and with it every other run in it.
        raise RuntimeError(f"it called exit({error.code!r})") from error
