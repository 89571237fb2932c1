"""A registered callable with typed arguments and a typed result.

Arguments are validated by the callable's own annotations, the result is turned into plain JSON by its return
annotation; so a project's functions are ordinary typed functions that know nothing of checkpoints. They are given
copies: what a function does to its arguments changes no state.
"""
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, get_type_hints

import anyio.to_thread
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from harness.exceptions import CallableRefused, StateRefused
from harness.json_values import Json, plain_json
from harness.workflow.nodes.node_context import NodeContext
from harness.workflow.state_values import argument_value


@lru_cache(maxsize=512)
def _signature(function: Callable[..., Any]) -> tuple[dict[str, TypeAdapter[Any]], str | None, TypeAdapter[Any]]:
    """Adapters for the parameters, the name of the one that takes the context, the adapter for the result."""
    hints = get_type_hints(function, include_extras=True)
    context = next((name for name, hint in hints.items() if hint is NodeContext), None)
    adapters = {
        name: TypeAdapter(hints.get(name, Any)) for name in inspect.signature(function).parameters if name != context
    }
    return adapters, context, TypeAdapter(hints.get("return", Any))


async def call_registered(
    name: str,
    function: Callable[..., Any],
    arguments: Mapping[str, Json],
    values: Mapping[str, Json],
    context: NodeContext,
) -> Json:
    """Call a registered function, in a thread unless it is asynchronous, and return its result as plain JSON.

    Raises:
        CallableRefused: an argument it does not have or that does not fit, or a result that is no JSON.
        Exception: whatever the function raises.
    """
    adapters, context_name, result_adapter = _signature(function)
    given: dict[str, Any] = {} if context_name is None else {context_name: context}
    for key, argument in arguments.items():
        if key not in adapters:
            raise CallableRefused(name, key, f"it takes {', '.join(adapters) or 'no arguments'}")
        try:
            given[key] = adapters[key].validate_python(plain_json(argument_value(argument, values), where=key))
        except ValidationError as error:
            raise CallableRefused(name, key, _first_line(error)) from error
    try:
        inspect.signature(function).bind(**given)
    except TypeError as error:
        raise CallableRefused(name, "", f"{error}; give it under `arguments`") from error
    return _plain_result(name, await _called(function, given), result_adapter)


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
    return _plain_result(name, await _called(function, given), TypeAdapter(Any))


async def _called(function: Callable[..., Any], given: Mapping[str, Any]) -> Any:
    try:
        if inspect.iscoroutinefunction(function):
            return await function(**given)
        return await anyio.to_thread.run_sync(lambda: function(**given))
    except SystemExit as error:
        # It would end the process, and with it every other run in it.
        raise RuntimeError(f"it called exit({error.code!r})") from error


def _plain_result(name: str, result: Any, adapter: TypeAdapter[Any]) -> Json:
    """The result as plain JSON; one that is not what its annotation says is refused, not guessed at."""
    try:
        dumped = adapter.dump_python(result, mode="json", by_alias=True, warnings="error")
        return plain_json(dumped, where=f"result of {name}")
    except (PydanticSerializationError, StateRefused) as error:
        raise CallableRefused(name, "return", f"its result is not what it may return: {error}") from error


def _first_line(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]
