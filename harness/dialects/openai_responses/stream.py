"""A streamed response: words, thoughts and calls as they arrive, and the whole response out of its last event.

The whole response is read by `reply`, as if it had not been streamed.
"""

from collections.abc import Mapping

from harness.dialects.openai_responses.reply import reply_of
from harness.dialects.provider_errors import error_in_answer
from harness.dialects.request_ids import request_id_of
from harness.dialects.server_sent_events import EventSplitter, ServerSentEvent
from harness.dialects.wire_json import count_at, object_at, objects_at, parse_object, text_at
from harness.exceptions import Broken
from harness.json_values import Json, JsonObject
from harness.models.messages import Origin, ReasoningDelta, ReplyEnd, StreamEvent, TextDelta, ToolCallDelta

_ENDS = frozenset({"response.completed", "response.incomplete"})
_FAILURES = frozenset({"error", "response.error", "response.failed"})
_THOUGHTS = frozenset({"response.reasoning_summary_text.delta", "response.reasoning_text.delta"})
_ARGUMENTS = frozenset({"response.function_call_arguments.delta", "response.custom_tool_call_input.delta"})
_CALLS = frozenset({"function_call", "custom_tool_call"})


class OpenAIResponsesStream:
    """Decoder of one stream.

    It is complete when `response.completed` or `response.incomplete` came; anything less is `Broken`, never a short
    answer.
    """

    def __init__(self, origin: Origin, headers: Mapping[str, str]) -> None:
        self._origin = origin
        self._headers = headers
        self._events = EventSplitter()
        self._calls = _Calls()
        self._done_items: dict[int, JsonObject] = {}
        self._done = False

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """The events that this chunk completes; see `StreamDecoder`."""
        return [found for event in self._events.feed(chunk) for found in self._read(event)]

    def end(self) -> list[StreamEvent]:
        """What is left when the connection closed in order; see `StreamDecoder`."""
        left = [found for event in self._events.end() for found in self._read(event)]
        if not self._done:
            raise self._broken("the stream ended before the answer did")
        return left

    def _read(self, event: ServerSentEvent) -> list[StreamEvent]:
        data = event.data.strip()
        if self._done or not data or data == "[DONE]":
            return []
        try:
            value = parse_object(data)
        except ValueError as error:
            # What the data was is not said: errors are kept where people's text is not.
            raise self._broken(f"an event of the stream cannot be read ({error}; {len(data)} characters)") from error
        kind = text_at(value, "type") or event.event
        if kind in _FAILURES or (value.get("error") and not kind.startswith("response.")):
            raise error_in_answer(self._origin.endpoint, value, self._headers)
        return [self._reply_end(value)] if kind in _ENDS else self._deltas(kind, value)

    def _deltas(self, kind: str, value: JsonObject) -> list[StreamEvent]:
        text = text_at(value, "delta")
        if kind == "response.output_text.delta":
            return [TextDelta(text=text)] if text else []
        if kind in _THOUGHTS:
            return [ReasoningDelta(text=text)] if text else []
        if kind in _ARGUMENTS:
            return self._calls.more(value, text)
        if kind == "response.output_item.added":
            return self._calls.begin(value)
        if kind == "response.output_item.done":
            self._done_items[_index(value)] = object_at(value, "item")
            return self._calls.finish(value)
        return []

    def _reply_end(self, value: JsonObject) -> ReplyEnd:
        self._done = True
        done = [self._done_items[place] for place in sorted(self._done_items)]
        response = _with_items(object_at(value, "response"), done)
        return ReplyEnd(reply=reply_of(response, self._headers, self._origin))

    def _broken(self, message: str) -> Broken:
        return Broken(self._origin.endpoint, message, request_id=request_id_of(self._headers))


def _with_items(response: JsonObject, done: list[JsonObject]) -> JsonObject:
    """The last event's response, with the items that were said to be done where it holds fewer of them.

    Encrypted reasoning differs between an item's events; the last one counts, and of an item that comes without it at
    the end the one before. What `output_item.added` holds is a stub and never taken.
    """
    last = objects_at(response, "output")
    if len(last) < len(done):
        return {**response, "output": list[Json](done)}
    if len(last) > len(done) or not any(_lost(after, before) for after, before in zip(last, done, strict=True)):
        return response
    kept = [before if _lost(after, before) else after for after, before in zip(last, done, strict=True)]
    return {**response, "output": list[Json](kept)}


def _lost(last: JsonObject, done: JsonObject) -> bool:
    same = last.get("id") == done.get("id")
    return same and bool(done.get("encrypted_content")) and not last.get("encrypted_content")


def _index(value: JsonObject) -> int:
    return count_at(value, "output_index") or 0


class _Calls:
    """The calls of one stream by their place among its items, and what was told of each so far."""

    def __init__(self) -> None:
        self._places: dict[int, int] = {}
        self._told: set[int] = set()

    def begin(self, value: JsonObject) -> list[StreamEvent]:
        """The first piece of a call: its id and name."""
        item, index = object_at(value, "item"), _index(value)
        if text_at(item, "type") not in _CALLS or index in self._places:
            return []
        place = self._places[index] = len(self._places)
        return [ToolCallDelta(place=place, call_id=text_at(item, "call_id"), name=text_at(item, "name"))]

    def more(self, value: JsonObject, text: str) -> list[StreamEvent]:
        """More of a call's arguments."""
        place = self._places.get(_index(value))
        if place is None or not text:
            return []
        self._told.add(place)
        return [ToolCallDelta(place=place, arguments=text)]

    def finish(self, value: JsonObject) -> list[StreamEvent]:
        """What a finished call holds and no piece has told: some servers send it whole."""
        item = object_at(value, "item")
        begun = self.begin(value)
        place = self._places.get(_index(value))
        text = text_at(item, "arguments") or text_at(item, "input")
        if place is None or place in self._told or not text:
            return begun
        return [*begun, ToolCallDelta(place=place, arguments=text)]
