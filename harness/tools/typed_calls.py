"""Calling a Python function by its annotations: arguments validated by them, the result turned into plain JSON.

So a project's functions are ordinary typed functions that know nothing of checkpoints. They are given copies: what a
function does to its arguments changes no state. Where arguments come from is left to who calls.
"""
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic_core import PydanticSerializationError

from harness.exceptions import CallableRefused, StateRefused
from harness.json_values import Json, plain_json

RETURN = "return"


@dataclass(frozen=True, slots=True)
class TypedSignature:
    """What a function's annotations say.

    Args:
        adapters: of the parameters that may be given.
        context: the parameter that takes the context; None where none does.
        result: of what it returns.
    """

    adapters: Mapping[str, TypeAdapter[Any]]
    context: str | None
    result: TypeAdapter[Any]


@lru_cache(maxsize=512)
def signature_of(function: Callable[..., Any], context_type: type) -> TypedSignature:
    """The signature of a function, whose parameter annotated `context_type` takes the context.

    Raises:
        CallableRefused: an annotation that cannot be read, or of a type that values cannot be held to.
    """
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError as error:
        raise CallableRefused(_name(function), "", f"one of its annotations cannot be read: {error}") from error
    context = next((name for name, hint in hints.items() if hint is context_type), None)
    adapters = {
        name: _adapter(function, name, hints.get(name, Any))
        for name in inspect.signature(function).parameters
        if name != context
    }
    return TypedSignature(adapters, context, _adapter(function, RETURN, hints.get(RETURN, Any)))


def _adapter(function: Callable[..., Any], argument: str, hint: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(hint)
    except PydanticUserError as error:
        if error.code == "typed-dict-version":
            # Python 3.11 forgets which of its keys may be missing.
            reason = (
                "its annotation holds a `typing.TypedDict`: take `typing_extensions.TypedDict`, on Python before 3.12"
            )
        else:
            reason = f"nothing can be held to its annotation: {str(error).partition(chr(10))[0]}"
        raise CallableRefused(_name(function), argument, reason) from error


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", repr(function))


def typed_arguments(
    name: str, function: Callable[..., Any], arguments: Mapping[str, Json], context: object, context_type: type
) -> dict[str, Any]:
    """What a registered function is called with.

    Raises:
        CallableRefused: an argument it does not have, that does not fit, or that is missing.
    """
    signature = signature_of(function, context_type)
    given: dict[str, Any] = {} if signature.context is None else {signature.context: context}
    for key, argument in arguments.items():
        if key not in signature.adapters:
            raise CallableRefused(name, key, f"it takes {', '.join(signature.adapters) or 'no arguments'}")
        try:
            given[key] = signature.adapters[key].validate_python(plain_json(argument, where=key))
        except ValidationError as error:
            raise CallableRefused(name, key, _first_line(error)) from error
    try:
        inspect.signature(function).bind(**given)
    except TypeError as error:
        raise CallableRefused(name, "", f"{error}; give it under `arguments`") from error
    return given


def plain_result(name: str, result: Any, adapter: TypeAdapter[Any]) -> Json:
    """A result as plain JSON; one that is not what its annotation says is refused, not guessed at.

    Raises:
        CallableRefused: with `RETURN` for its argument.
    """
    try:
        dumped = adapter.dump_python(result, mode="json", by_alias=True, warnings="error")
        return plain_json(dumped, where=f"result of {name}")
    except (PydanticSerializationError, StateRefused) as error:
        raise CallableRefused(name, RETURN, f"its result is not what it may return: {error}") from error


def _first_line(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]
