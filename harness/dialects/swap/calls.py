"""Tool calls as the target's wire writes them: names, arguments, free text. Their results and ids are elsewhere."""

import json
import re

from harness.dialects.call_ids import made_call_id
from harness.dialects.swap.turns import Border, Turn, each_part
from harness.dialects.wire_json import parse_json
from harness.exceptions import RequestRefused
from harness.json_values import Json
from harness.models.messages import ModelRequest, Part, ReasoningPart, TextPart, ToolCallPart

_LONGEST_NAME = 64


def checked_tools(request: ModelRequest, border: Border) -> None:
    """That the wire takes the declared tools' names.

    They are not mapped: a model would answer with a name that nobody knows.

    Raises:
        RequestRefused: one does not fit; nothing was sent, and another target may take it.
    """
    rule = border.rules.tool_names
    if rule is None:
        return
    for tool in request.tools:
        if not re.fullmatch(rule, tool.name):
            endpoint = border.target.origin.endpoint
            raise RequestRefused(endpoint, f"the tool name {tool.name!r} does not match {rule}: rename the tool")


def fitted_calls(turn: Turn, border: Border) -> Turn:
    """The turn with calls that the wire can write."""
    if turn.role == "assistant":
        return turn.with_parts([_fitted(part, turn.place, border) for part in turn.parts])
    if not any(part.type in {"tool_call", "reasoning"} for part in turn.parts):
        return turn
    return each_part(turn, lambda part: _not_an_assistant_s(part, turn, border))


def _not_an_assistant_s(part: Part, turn: Turn, border: Border) -> tuple[Part, ...]:
    """Calls and thoughts that stand where no model spoke: no wire has a word for that."""
    if isinstance(part, ToolCallPart):
        border.changes.add(turn.place, "tool_call", "text")
        return (TextPart(text=f"[tool call {part.name}: {part.arguments}]"),)
    if isinstance(part, ReasoningPart):
        border.changes.add(turn.place, "reasoning", "dropped")
        return ()
    return (part,)


def _fitted(part: Part, place: int, border: Border) -> Part:
    if part.type != "tool_call" or border.replays(part):
        return part
    update: dict[str, object] = {}
    name = _fitted_name(part.name, border.rules.tool_names)
    if name != part.name:
        update["name"] = name
        border.changes.add(place, "tool_name", "mapped")
    if part.custom and not border.rules.custom_calls:
        update |= {"custom": None, "arguments": _wrapped(part.arguments)}
        border.changes.add(place, "custom_call", "wrapped")
    elif not part.custom and border.rules.arguments == "object":
        arguments = _object_text(part.arguments)
        if arguments != part.arguments:
            update["arguments"] = arguments
            border.changes.add(place, "arguments", "wrapped")
    return part.model_copy(update=update) if update else part


def _fitted_name(name: str, rule: str | None) -> str:
    """The name of a tool that was called once, as near as the rule allows; the same one always becomes the same."""
    if name and (rule is None or re.fullmatch(rule, name)):
        return name
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    for near in (plain[:_LONGEST_NAME], f"tool_{plain}"[:_LONGEST_NAME]):
        if plain.strip("_") and re.fullmatch(rule or "", near):
            return near
    return f"tool_{made_call_id('name', name, '')}"


def _object_text(arguments: str) -> str:
    """Arguments that are an object: as they are, `{}` for none, and anything else under the key `input`."""
    if not arguments.strip():
        return "{}"
    try:
        value = parse_json(arguments)
    except ValueError:
        return _wrapped(arguments)
    return arguments if isinstance(value, dict) else _wrapped(value)


def _wrapped(value: Json) -> str:
    return json.dumps({"input": value}, ensure_ascii=False)
