"""A project's Python function as a tool: its schema from its annotations, its description from its docstring.

A synchronous function runs in a thread of its own that ends with the process: one that hangs holds up nothing.
"""
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

import asyncio
import inspect
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import copy_context
from pathlib import PurePath
from traceback import extract_tb
from typing import Any, NotRequired, TypeVar, get_type_hints

from pydantic import ConfigDict, TypeAdapter, with_config
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import TypedDict, override

from harness.exceptions import CallableRefused, SpecificationInvalid, ToolArgumentsRefused, ToolError, ToolFailed
from harness.json_values import Json, JsonObject
from harness.tools.printed_text import printed_to_stderr
from harness.tools.redaction import Redactor
from harness.tools.tool import Approval, ToolCall, ToolSpec
from harness.tools.traits import ToolTraits
from harness.tools.typed_calls import RETURN, plain_result, signature_of, typed_arguments

KEY_PARAMETER = "idempotency_key"
_SAID = "__harness_tool__"

Function = TypeVar("Function", bound=Callable[..., object])

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def tool(
    *,
    description: str | None = None,
    effect: bool | None = None,
    outward: bool | None = None,
    trusted: bool | None = None,
    private: bool | None = None,
    approval: str | None = None,
    timeout_seconds: float | None = None,
    max_result_bytes: int | None = None,
) -> Callable[[Function], Function]:
    """Say of a Python function what kind of tool it is: `@tool(effect=True)`.

    What harness.yaml says of it wins. A function is not registered by this; and `harness check`, which imports
    nothing, does not see it: what a check is to know is said in harness.yaml.

    Raises:
        ValidationError: a value that cannot be.
    """
    traits = ToolTraits(
        description=description,
        effect=effect,
        outward=outward,
        trusted=trusted,
        private=private,
        approval=None if approval is None else Approval(approval),
        timeout_seconds=timeout_seconds,
        max_result_bytes=max_result_bytes,
    )

    def said(function: Function) -> Function:
        setattr(function, _SAID, traits)
        return function

    return said


def traits_said_by(function: Callable[..., object]) -> ToolTraits:
    """What a function says of itself."""
    said = getattr(function, _SAID, None)
    return said if isinstance(said, ToolTraits) else ToolTraits()


class PythonTool:
    """One function.

    Args:
        traits: what is said of it.
        context_type: a parameter annotated so is given the call's context and is no part of the schema.
        redactor: for what it prints.

    Raises:
        SpecificationInvalid: its parameters have no JSON Schema.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        traits: ToolTraits,
        *,
        context_type: type,
        redactor: Redactor,
    ) -> None:
        self._function = function
        self._context_type = context_type
        self._redactor = redactor
        schema = parameters_schema(name, function, context_type)
        self._takes_key = KEY_PARAMETER in inspect.signature(function).parameters
        self._spec = traits.spec(traits.declaration(name), description=_first_line(function), parameters=schema)

    @property
    def spec(self) -> ToolSpec:
        """See the port."""
        return self._spec

    async def call(self, call: ToolCall) -> Json:
        """See the port."""
        name = self._spec.name
        arguments: dict[str, Json] = dict(call.arguments)
        if self._takes_key:
            arguments[KEY_PARAMETER] = call.idempotency_key
        try:
            given = typed_arguments(name, self._function, arguments, call.context, self._context_type)
            result = await self._run(given)
            return plain_result(name, result, signature_of(self._function, self._context_type).result)
        except CallableRefused as refused:
            if refused.argument == RETURN:
                raise ToolFailed(name, refused.reason) from refused
            place = f"argument {refused.argument!r}: " if refused.argument else ""
            raise ToolArgumentsRefused(name, f"{place}{refused.reason}") from refused

    async def _run(self, given: Mapping[str, Any]) -> Any:
        """What the function returns; what it raises, in words."""
        try:
            if inspect.iscoroutinefunction(self._function):
                with printed_to_stderr(self._redactor):
                    return await self._function(**given)
            return await _in_own_thread(lambda: self._printed(given))
        except ToolError:
            raise
        except SystemExit as error:
            # It would end the process, and with it every other run in it.
            raise ToolFailed(self._spec.name, f"it called exit({error.code!r})") from error
        except Exception as error:
            retryable = isinstance(error, ConnectionError | TimeoutError) or getattr(error, "retryable", False) is True
            raise ToolFailed(self._spec.name, _in_words(error), retryable=retryable) from error

    def _printed(self, given: Mapping[str, Any]) -> Any:
        with printed_to_stderr(self._redactor):
            return self._function(**given)


class _WithoutTitles(GenerateJsonSchema):
    """A parameter's name says what pydantic would repeat in a title."""

    @override
    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def parameters_schema(name: str, function: Callable[..., Any], context_type: type) -> JsonObject:
    """The JSON Schema of a function's arguments, without those that are not the caller's to give.

    Raises:
        SpecificationInvalid: it has parameters without a name, or of a type that JSON cannot say.
    """
    try:
        hints = get_type_hints(function, include_extras=True)
        fields: dict[str, Any] = {}
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind not in _NAMED:
                raise SpecificationInvalid([f"tool {name!r}: parameter {parameter}: give each parameter a name"])
            if hints.get(parameter.name) is context_type or parameter.name == KEY_PARAMETER:
                continue
            hint = hints.get(parameter.name, Any)
            fields[parameter.name] = hint if parameter.default is inspect.Parameter.empty else NotRequired[hint]
        shape: Any = with_config(ConfigDict(extra="forbid"))(TypedDict("Arguments", fields))  # pyright: ignore[reportArgumentType, reportGeneralTypeIssues]
        schema: JsonObject = TypeAdapter(shape).json_schema(schema_generator=_WithoutTitles)
    except (PydanticUserError, NameError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise SpecificationInvalid([f"tool {name!r}: its parameters have no JSON Schema: {reason}"]) from error
    schema.pop("title", None)
    return {"type": "object", "properties": {}, **schema}


async def _in_own_thread(work: Callable[[], Any]) -> Any:
    """The result of `work`, done in a thread that is left behind where nobody waits for it any more."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if not outcome.done():
            outcome.set_result((result, error))

    def body() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001 - it is raised again where the call waits
            error = raised
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(settle, result, error)

    # A daemon, unlike a worker of a pool: a function that never returns does not keep the process from ending.
    threading.Thread(target=copy_context().run, args=(body,), daemon=True, name="tool").start()
    result, error = await outcome
    if error is not None:
        raise error
    return result


def _first_line(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").strip().partition("\n")[0]


def _in_words(error: Exception) -> str:
    """What a function raised, with the place in the project's own file."""
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    frames = extract_tb(error.__traceback__)
    place = f" ({PurePath(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{said}{place}"
