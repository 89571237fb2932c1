"""Gemini's parts as neutral parts.

A part keeps its own block as `opaque` where neutral words cannot say all of it: a thought signature, a call without an
id, code that Google ran, a part of a kind that is not known here.
"""

import json
from collections.abc import Sequence
from itertools import groupby

from harness.dialects.call_ids import made_call_id
from harness.dialects.wire_json import object_at, text_at
from harness.json_values import Json, JsonObject
from harness.models.messages import (
    ImagePart,
    Origin,
    OtherPart,
    Part,
    ReasoningPart,
    ServerToolPart,
    TextPart,
    ToolCallPart,
)

_TEXT_FIELDS = frozenset({"text", "thought", "thoughtSignature"})
_CODE = "code_execution"


def joined_parts(parts: Sequence[JsonObject]) -> list[JsonObject]:
    """The parts with neighbouring pieces of one text put together, as they come without a stream.

    What carries a signature stays apart: Google asks that a part with one is never merged with a part without.
    """
    joined: list[JsonObject] = []
    for kind, run in groupby(parts, key=_piece_of):
        if kind is None:
            joined += [part for part in run if part]
            continue
        text = "".join(text_at(part, "text") for part in run)
        if text:
            joined.append({"text": text, "thought": True} if kind == "thought" else {"text": text})
    return joined


def neutral_parts(parts: Sequence[JsonObject], reply_id: str, origin: Origin) -> list[Part]:
    """The neutral parts of joined parts, in their order.

    Args:
        reply_id: tells made ids of calls apart from those of other replies.
    """
    found: list[Part] = []
    calls = 0
    for part in parts:
        if "functionCall" in part:
            found.append(tool_call(part, f"{reply_id}/{calls}", origin))
            calls += 1
        else:
            found.append(_other_than_call(part, origin))
    return found


def tool_call(part: JsonObject, place: str, origin: Origin) -> ToolCallPart:
    """A call; Vertex gives it no id, so one is made that stays the same each time the reply is read."""
    call = object_at(part, "functionCall")
    name, arguments = text_at(call, "name"), json.dumps(object_at(call, "args"), ensure_ascii=False)
    neutral = ToolCallPart(
        call_id=text_at(call, "id") or made_call_id(place, name, arguments),
        name=name,
        arguments=arguments,
        origin=origin,
    )
    plain: JsonObject = {"functionCall": {"id": neutral.call_id, "name": name, "args": object_at(call, "args")}}
    return neutral if part == plain else neutral.model_copy(update={"opaque": part})


def _piece_of(part: JsonObject) -> str | None:
    """Whether a part is nothing but words or nothing but thoughts."""
    if not isinstance(part.get("text"), str) or not part.keys() <= {"text", "thought"}:
        return None
    return "thought" if part.get("thought") is True else "text"


def _other_than_call(part: JsonObject, origin: Origin) -> Part:
    if part.keys() <= _TEXT_FIELDS:
        return _text(part, origin)
    if "executableCode" in part:
        return _server_tool(part, _CODE, text_at(object_at(part, "executableCode"), "code"), origin)
    if "codeExecutionResult" in part:
        return _server_tool(part, _CODE, text_at(object_at(part, "codeExecutionResult"), "output"), origin)
    for kind, said in (("toolCall", "args"), ("toolResponse", "response")):
        if kind in part:
            tool = object_at(part, kind)
            name = tool.get("toolType")
            words = json.dumps(tool[said], ensure_ascii=False) if said in tool else ""
            return _server_tool(part, str(name).lower() if name else kind, words, origin)
    return _picture(part) or OtherPart(kind=_kind_of(part), opaque=part, origin=origin)


def _text(part: JsonObject, origin: Origin) -> Part:
    text, signed = text_at(part, "text"), _piece_of(part) is None
    if part.get("thought") is True:
        return ReasoningPart(text=text, opaque=part if signed else None, origin=origin)
    return TextPart(text=text, opaque=part, origin=origin) if signed else TextPart(text=text)


def _server_tool(part: JsonObject, name: str, text: str, origin: Origin) -> Part:
    return ServerToolPart(name=name, text=text, opaque=part, origin=origin)


def _picture(part: JsonObject) -> Part | None:
    """A picture that neutral words say all of; one with a signature goes back as it came."""
    blob = object_at(part, "inlineData")
    media_type, data = text_at(blob, "mimeType"), text_at(blob, "data")
    plain: Json = {"inlineData": {"mimeType": media_type, "data": data}}
    if not media_type.startswith("image/") or not data or part != plain:
        return None
    return ImagePart(media_type=media_type, data=data)


def _kind_of(part: JsonObject) -> str:
    return next((key for key in part if key not in ("thought", "thoughtSignature")), "part")
