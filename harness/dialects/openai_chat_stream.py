"""A streamed chat completion: words as they arrive, and at its end the completion put together from its chunks.

The whole completion is read by `openai_chat_reply`, as if it had not been streamed.
"""

import json
from collections.abc import Mapping

from harness.dialects.openai_chat_reply import REASONING_FIELDS, reply_of, texts_of
from harness.dialects.provider_errors import error_in_answer
from harness.dialects.request_ids import request_id_of
from harness.dialects.server_sent_events import EventSplitter, ServerSentEvent
from harness.dialects.wire_json import first_text, object_at, objects_at, parse_object, text_at
from harness.exceptions import Broken
from harness.json_values import Json, JsonObject
from harness.models.messages import Origin, ReasoningDelta, ReplyEnd, StreamEvent, TextDelta


class OpenAIChatStream:
    """Decoder of one stream.

    It is complete when `[DONE]` came, or when the first choice's finish reason came and the connection closed in
    order; anything less is `Broken`, never a short answer.
    """

    def __init__(self, origin: Origin, headers: Mapping[str, str]) -> None:
        self._origin = origin
        self._headers = headers
        self._events = EventSplitter()
        self._completion = _Completion()
        self._done = False

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """The events that this chunk completes; see `StreamDecoder`."""
        return [found for event in self._events.feed(chunk) for found in self._read(event)]

    def end(self) -> list[StreamEvent]:
        """What is left when the connection closed in order; see `StreamDecoder`."""
        left = [found for event in self._events.end() for found in self._read(event)]
        if self._done:
            return left
        if not self._completion.finished:
            raise self._broken("the stream ended before the answer did")
        return [*left, self._reply_end()]

    def _read(self, event: ServerSentEvent) -> list[StreamEvent]:
        data = event.data.strip()
        if self._done or not data:
            return []
        if data == "[DONE]":
            return [self._reply_end()]
        try:
            chunk = parse_object(data)
        except ValueError as error:
            # What the data was is not said: errors are kept where people's text is not.
            raise self._broken(f"an event of the stream cannot be read ({error}; {len(data)} characters)") from error
        if chunk.get("error") or event.event == "error":
            raise error_in_answer(self._origin.endpoint, chunk, self._headers)
        self._completion.add(chunk)
        return _deltas(chunk)

    def _reply_end(self) -> ReplyEnd:
        self._done = True
        return ReplyEnd(reply=reply_of(self._completion.whole(), self._headers, self._origin))

    def _broken(self, message: str) -> Broken:
        return Broken(self._origin.endpoint, message, request_id=request_id_of(self._headers))


def completion_of(body: bytes, headers: Mapping[str, str], endpoint_name: str) -> JsonObject:
    """The completion that a 2xx body holds.

    Raises:
        Broken: it is not a JSON object.
        ProviderError: it is an error after all; routers in front of others answer so.
    """
    try:
        completion = parse_object(body)
    except ValueError as error:
        message = f"the answer cannot be read ({error}; {len(body)} bytes of {headers.get('content-type', 'no type')})"
        raise Broken(endpoint_name, message, request_id=request_id_of(headers)) from error
    if completion.get("error") and not objects_at(completion, "choices"):
        raise error_in_answer(endpoint_name, completion, headers)
    return completion


def _deltas(chunk: JsonObject) -> list[StreamEvent]:
    """The first choice's words and thoughts in one chunk."""
    first = next((choice for choice in objects_at(chunk, "choices") if not choice.get("index")), None)
    delta = object_at(first, "delta")
    words, thoughts = texts_of(delta.get("content"))
    thoughts = first_text(delta, REASONING_FIELDS) or thoughts
    events: list[StreamEvent] = [ReasoningDelta(text=thoughts)] if thoughts else []
    return [*events, TextDelta(text=words)] if words else events


class _Completion:
    """The completion that the chunks amount to; nothing that a chunk says is left out."""

    def __init__(self) -> None:
        self._top: JsonObject = {}
        self._choices: dict[int, _Choice] = {}

    @property
    def finished(self) -> bool:
        """Whether the model said why it stopped."""
        return 0 in self._choices and self._choices[0].fields.get("finish_reason") is not None

    def add(self, chunk: JsonObject) -> None:
        """Take in one chunk: the last value of a field counts, what Groq nests is kept beside what came before."""
        for key, value in chunk.items():
            if key == "x_groq" and isinstance(value, dict):
                self._top[key] = object_at(self._top, key) | value
            elif key != "choices" and value not in (None, ""):
                self._top[key] = value
        for choice in objects_at(chunk, "choices"):
            index = choice.get("index")
            place = index if isinstance(index, int) else 0
            self._choices.setdefault(place, _Choice()).add(choice)

    def whole(self) -> JsonObject:
        """The completion as it would have come without a stream."""
        choices: list[Json] = [{"index": place, **self._choices[place].whole()} for place in sorted(self._choices)]
        return {**self._top, "object": "chat.completion", "choices": choices}


class _Choice:
    def __init__(self) -> None:
        self.fields: JsonObject = {}
        self._message: JsonObject = {}
        # Texts are kept in pieces and joined once: adding to a text in a dict copies it each time.
        self._texts: dict[str, list[str]] = {}
        self._calls: list[_Call] = []

    def add(self, choice: JsonObject) -> None:
        for key, value in choice.items():
            if key == "logprobs" and isinstance(value, dict):
                self.fields[key] = _lists_joined(object_at(self.fields, key), value)
            elif key != "delta" and value is not None:
                self.fields[key] = value
        for key, value in object_at(choice, "delta").items():
            self._add_to_message(key, value)

    def _add_to_message(self, key: str, value: Json) -> None:
        if key == "tool_calls":
            for fragment in objects_at({key: value}, key):
                self._call_of(fragment).add(fragment)
        elif key in ("content", "refusal", *REASONING_FIELDS) and isinstance(value, str):
            self._texts.setdefault(key, []).append(value)
        elif key == "content" and isinstance(value, list):
            words, thoughts = texts_of(value)
            self._texts.setdefault("content", []).append(words)
            self._texts.setdefault("reasoning", []).append(thoughts)
        elif key == "function_call" and isinstance(value, dict):
            self._message[key] = _function_joined(object_at(self._message, key), value)
        elif isinstance(value, list):
            known = self._message.get(key)
            self._message[key] = [*known, *value] if isinstance(known, list) else value
        elif value is not None:
            self._message[key] = value

    def _call_of(self, fragment: JsonObject) -> "_Call":
        """The call a fragment belongs to: by index, by id where a server numbers them all alike or not at all."""
        index, call_id = fragment.get("index"), text_at(fragment, "id")
        same = [call for call in self._calls if call.index == index] if index is not None else self._calls[-1:]
        if same and (not call_id or same[-1].call_id in ("", call_id)):
            return same[-1]
        self._calls.append(_Call(index))
        return self._calls[-1]

    def whole(self) -> JsonObject:
        message: JsonObject = {"role": "assistant", **self._message}
        message |= {key: "".join(pieces) for key, pieces in self._texts.items()}
        if self._calls:
            message["tool_calls"] = [call.whole() for call in self._calls]
        return {"message": message, "finish_reason": None, **self.fields}


class _Call:
    """One tool call out of its fragments; names come whole, arguments in pieces."""

    def __init__(self, index: Json) -> None:
        self.index = index
        self.call_id = ""
        self._fields: JsonObject = {}
        self._name = ""
        self._custom = False
        self._arguments: list[str] = []

    def add(self, fragment: JsonObject) -> None:
        self.call_id = self.call_id or text_at(fragment, "id")
        self._fields |= {key: value for key, value in fragment.items() if key not in ("id", "function", "custom")}
        self._custom = self._custom or bool(text_at(object_at(fragment, "custom"), "name"))
        function = object_at(fragment, "custom" if self._custom else "function")
        self._name = self._name or text_at(function, "name")
        arguments = function.get("input") if self._custom else function.get("arguments")
        if isinstance(arguments, dict):
            arguments = json.dumps(arguments, ensure_ascii=False)
        if isinstance(arguments, str):
            self._arguments.append(arguments)

    def whole(self) -> JsonObject:
        kind, field = ("custom", "input") if self._custom else ("function", "arguments")
        function: JsonObject = {"name": self._name, field: "".join(self._arguments)}
        return {**self._fields, "id": self.call_id, kind: function}


def _function_joined(known: JsonObject, fragment: JsonObject) -> JsonObject:
    """The old wire's one function call: the name comes whole, the arguments in pieces."""
    name = text_at(known, "name") or text_at(fragment, "name")
    return known | fragment | {"name": name, "arguments": text_at(known, "arguments") + text_at(fragment, "arguments")}


def _lists_joined(known: JsonObject, fragment: JsonObject) -> JsonObject:
    joined = dict(known)
    for key, value in fragment.items():
        before = joined.get(key)
        joined[key] = [*before, *value] if isinstance(before, list) and isinstance(value, list) else value
    return joined
