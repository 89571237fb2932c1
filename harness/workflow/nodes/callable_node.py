"""A registered callable over the state: its arguments point into it, or it is given the whole.

How annotations become validators is left to `harness.tools.typed_calls`, which tools share.
"""
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

import anyio.to_thread
from pydantic import TypeAdapter

from harness.json_values import Json, plain_json
from harness.tools.typed_calls import plain_result, signature_of, typed_arguments
from harness.workflow.nodes.node_context import NodeContext
from harness.workflow.state_values import argument_value


async def call_registered(
    name: str,
    function: Callable[..., Any],
    arguments: Mapping[str, Json],
    values: Mapping[str, Json],
    context: NodeContext,
) -> Json:
    """Call a registered function, in a thread unless it is asynchronous, and return its result as plain JSON.

    Raises:
        NameUnknown: an argument points at nothing.
        CallableRefused: an argument it does not have or that does not fit, or a result that is no JSON.
        Exception: whatever the function raises.
    """
    pointed = {key: argument_value(argument, values) for key, argument in arguments.items()}
    given = typed_arguments(name, function, pointed, context, NodeContext)
    result = await _called(function, given)
    return plain_result(name, result, signature_of(function, NodeContext).result)


async def call_on_state(
    name: str, function: Callable[..., Any], values: Mapping[str, Json], context: NodeContext
) -> Json:
    """Call a LangGraph node's function: it is given the state as one mapping, and returns an update of it.

    Raises:
        CallableRefused: its result is no JSON.
        Exception: whatever the function raises.
    """
    state = plain_json(dict(values), where="state")
    names = list(inspect.signature(function).parameters)
    hints = get_type_hints(function)
    given: dict[str, Any] = {names[0]: state} if names else {}
    given |= {each: context for each in names[1:] if hints.get(each) is NodeContext}
    return plain_result(name, await _called(function, given), TypeAdapter(Any))


async def _called(function: Callable[..., Any], given: Mapping[str, Any]) -> Any:
    try:
        if inspect.iscoroutinefunction(function):
            return await function(**given)
        return await anyio.to_thread.run_sync(lambda: function(**given))
    except SystemExit as error:
        # It would end the process, and with it every other run in it.
        raise RuntimeError(f"it called exit({error.code!r})") from error
