"""One call to one tool within its bounds: time, size, and words for whatever goes wrong.

When a call may be made, and that it is recorded, is left to the workflow's `tool_calls.py`.
"""

import asyncio

from harness.exceptions import HarnessError, StateRefused, ToolFailed
from harness.json_values import Json, canonical_json, plain_json
from harness.tools.tool import Tool, ToolCall, ToolSpec


async def bounded_call(tool: Tool, call: ToolCall) -> tuple[Json, int]:
    """The result of a call as plain JSON, and its size in bytes.

    Raises:
        ToolFailed: it failed, took too long, or answered what cannot be kept.
        HarnessError: any other of the harness's own.
    """
    spec = tool.spec
    bound = asyncio.timeout(spec.timeout_seconds)
    try:
        async with bound:
            result = await tool.call(call)
    except TimeoutError as error:
        if not bound.expired():
            raise ToolFailed(spec.name, f"TimeoutError: {error}", retryable=True) from error
        raise ToolFailed(spec.name, f"no answer within {spec.timeout_seconds:g} s", retryable=True) from error
    except HarnessError:
        raise
    except Exception as error:  # a port's promise is not kept: what it raised is said all the same
        raise ToolFailed(spec.name, f"{type(error).__name__}: {error}") from error
    return _kept(spec, result)


def _kept(spec: ToolSpec, result: object) -> tuple[Json, int]:
    """A result as it can be recorded; what is too large is an error and never cut in silence."""
    try:
        kept = _encodable(plain_json(result, where=f"result of {spec.name}"))
        size = len(canonical_json(kept).encode())
    except (StateRefused, ValueError, RecursionError) as error:
        raise ToolFailed(spec.name, f"its result is no plain JSON: {error}") from error
    if size > spec.max_result_bytes:
        reason = f"its result has {size:,} bytes, more than max_result_bytes={spec.max_result_bytes}"
        raise ToolFailed(spec.name, f"{reason}: ask for less, or raise that")
    return kept, size


def _encodable(value: Json) -> Json:
    """The value with each half of a character pair, which no database takes, replaced."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_encodable(each) for each in value]
    if isinstance(value, dict):
        return {str(_encodable(key)): _encodable(each) for key, each in value.items()}
    return value
