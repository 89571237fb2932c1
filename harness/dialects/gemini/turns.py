"""The turns of a neutral conversation as Gemini's contents. What else is asked is in `request`.

What the wire has no word for is left out: citations, titles of documents, how closely a picture is looked at, and
blocks of another origin, which `harness.dialects.swap.swap` has told in words before.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.dialects.call_arguments import arguments_object
from harness.dialects.gemini.models import GeminiModel, GeminiQuirks
from harness.dialects.media_types import media_type_of_address
from harness.dialects.wire_json import object_at, parse_object, text_at
from harness.json_values import Json, JsonObject
from harness.models.messages import (
    DocumentPart,
    ImagePart,
    Message,
    Origin,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

# `skip_thought_signature_validator`, in base64 as the field's bytes are: the documented word for a call that another
# model made. Gemini has accepted it so in a recorded exchange.
# Source: https://ai.google.dev/gemini-api/docs/thought-signatures
SKIP_VALIDATOR = base64.b64encode(b"skip_thought_signature_validator").decode()


@dataclass(frozen=True, slots=True)
class GeminiTurns:
    """Writes the turns of one request.

    Args:
        origin: whose opaque blocks may be sent.
    """

    model: GeminiModel
    quirks: GeminiQuirks
    origin: Origin

    def contents(self, messages: Sequence[Message]) -> list[Json]:
        """The conversation without its system text: user and model in turns, neighbours of one role as one.

        In a user's turn the results stand first, because they must follow their calls at once.
        """
        calls = {part.call_id: self._call(part) for message in messages for part in _calls_of(message)}
        turns: list[tuple[str, list[JsonObject]]] = []
        current = _current_turn(messages)
        for place, message in enumerate(messages):
            role = "model" if message.role == "assistant" else "user"
            parts = [] if message.role == "system" else self._parts(message, calls)
            if role == "model" and self.model.signatures and place > current:
                parts = self._with_sentinel(message, parts)
            if parts and turns and turns[-1][0] == role:
                turns[-1][1].extend(parts)
            elif parts:
                turns.append((role, parts))
        return [{"role": role, "parts": [*_results_first(parts)]} for role, parts in turns]

    def _parts(self, message: Message, calls: Mapping[str, JsonObject]) -> list[JsonObject]:
        found: list[JsonObject] = []
        for part in message.parts:
            if isinstance(part, ToolResultPart):
                found += self._result(part, object_at(calls.get(part.call_id), "functionCall"))
            elif (written := self._part(part)) is not None:
                found.append(written)
        return found

    def _part(self, part: Part) -> JsonObject | None:
        if isinstance(part, ToolCallPart):
            return self._call(part)
        if isinstance(part, ImagePart | DocumentPart):
            return _media(part)
        own = _own_block(part, self.origin)
        if own is not None:
            return own
        if isinstance(part, TextPart | RefusalPart) and part.text:
            return {"text": part.text}
        if isinstance(part, ReasoningPart) and part.text and part.origin in (None, self.origin):
            return {"text": part.text, "thought": True}
        return None

    def _call(self, part: ToolCallPart) -> JsonObject:
        own = _own_block(part, self.origin)
        if own is not None:
            return own
        call: JsonObject = {"id": part.call_id} if self.quirks.call_ids else {}
        return {"functionCall": {**call, "name": part.name, "args": arguments_object(part.arguments)}}

    def _with_sentinel(self, message: Message, parts: list[JsonObject]) -> list[JsonObject]:
        """The step's parts with the sentinel on its first call, which is the one that is asked for a signature."""
        first = next(iter(_calls_of(message)), None)
        if first is None or first.origin == self.origin:
            return parts
        place = next(place for place, part in enumerate(parts) if "functionCall" in part)
        return [*parts[:place], {**parts[place], "thoughtSignature": SKIP_VALIDATOR}, *parts[place + 1 :]]

    def _result(self, part: ToolResultPart, call: JsonObject) -> list[JsonObject]:
        """A result, named as its call was; an id stands on it only where one stands on the call."""
        answer: JsonObject = {"id": call["id"]} if "id" in call else {}
        answer |= {"name": text_at(call, "name") or "unknown_tool", "response": _response(part)}
        files = [file for file in map(_media, part.attachments or ()) if file is not None]
        if files and self.model.results_with_files:
            return [{"functionResponse": {**answer, "parts": [*files]}}]
        return [{"functionResponse": answer}, *files]


def _results_first(parts: Sequence[JsonObject]) -> list[JsonObject]:
    return sorted(parts, key=lambda part: "functionResponse" not in part)


def _calls_of(message: Message) -> list[ToolCallPart]:
    return [part for part in message.parts if isinstance(part, ToolCallPart)]


def _current_turn(messages: Sequence[Message]) -> int:
    """The place of the last message in which a person said something: what comes after it is the current turn."""
    spoken = (
        place
        for place, message in enumerate(messages)
        if message.role == "user" and any(not isinstance(part, ToolResultPart) for part in message.parts)
    )
    return max(spoken, default=-1)


def _own_block(part: Part, origin: Origin) -> JsonObject | None:
    """The block that a part of this very origin carries; None for every other."""
    carried = getattr(part, "opaque", None) is not None and getattr(part, "origin", None) == origin
    return part.opaque if carried and not isinstance(part, ImagePart | DocumentPart | ToolResultPart) else None


def _response(part: ToolResultPart) -> JsonObject:
    """A JSON object as it is; words under the keys that Google documents for output and errors."""
    if part.failed:
        return {"error": part.text}
    try:
        return parse_object(part.text)
    except ValueError:
        return {"output": part.text}


def _media(part: ImagePart | DocumentPart) -> JsonObject | None:
    if isinstance(part, DocumentPart) and part.text is not None:
        words = base64.b64encode(part.text.encode("utf-8", "replace")).decode()
        return {"inlineData": {"mimeType": "text/plain", "data": words}}
    if part.data is not None:
        return {"inlineData": {"mimeType": part.media_type or "application/octet-stream", "data": part.data}}
    if part.url is None:
        return None
    # An address of a kind that nobody knows is refused; swap has told it in words.
    media_type = part.media_type or media_type_of_address(part.url)
    return None if media_type is None else {"fileData": {"mimeType": media_type, "fileUri": part.url}}
