"""A streamed answer: words and calls as they arrive, and at its end the answer put together from its chunks.

The whole answer is read by `reply`, as if it had not been streamed. Nothing but the end of the connection says
that a stream is over: it is whole when the first candidate said why it stopped, or the prompt was blocked.
"""

from collections.abc import Mapping

from harness.dialects.gemini.enums import block_reason, says_why
from harness.dialects.gemini.parts import joined_parts, tool_call
from harness.dialects.gemini.reply import first_candidate, reply_of
from harness.dialects.provider_errors import error_in_answer
from harness.dialects.request_ids import request_id_of
from harness.dialects.server_sent_events import EventSplitter, ServerSentEvent
from harness.dialects.whole_reply_stream import WholeReplyStream
from harness.dialects.wire import WireResponse
from harness.dialects.wire_json import object_at, objects_at, parse_json, parse_object, text_at
from harness.exceptions import Broken
from harness.json_values import Json, JsonObject
from harness.models.messages import (
    ModelReply,
    Origin,
    ReasoningDelta,
    ReplyEnd,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
)


class GeminiStream:
    """Decoder of one stream: server-sent events, or JSON as a server sends it that was not asked for those."""

    def __init__(self, origin: Origin, headers: Mapping[str, str]) -> None:
        self._origin = origin
        self._headers = headers
        self._events = EventSplitter()
        self._response = _Response()
        self._calls = 0
        # What the answer is, is seen at its first byte that is not blank; blanks before it say nothing in either form.
        self._begun = False
        self._json: WholeReplyStream | None = None

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """The events that this chunk completes; see `StreamDecoder`."""
        if not self._begun:
            chunk = chunk.lstrip()
            if not chunk:
                return []
            self._begun = True
            if chunk[:1] in (b"[", b"{"):
                self._json = WholeReplyStream(self._whole_reply, self._headers)
        if self._json is not None:
            return self._json.feed(chunk)
        return [found for event in self._events.feed(chunk) for found in self._read(event)]

    def end(self) -> list[StreamEvent]:
        """What is left when the connection closed in order; see `StreamDecoder`."""
        if self._json is not None:
            return self._json.end()
        left = [found for event in self._events.end() for found in self._read(event)]
        if not self._response.finished:
            raise self._broken("the stream ended before the answer did")
        return [*left, ReplyEnd(reply=reply_of(self._response.whole(), self._headers, self._origin))]

    def _whole_reply(self, response: WireResponse) -> ModelReply:
        return reply_of(response_of(response, self._origin.endpoint), self._headers, self._origin)

    def _read(self, event: ServerSentEvent) -> list[StreamEvent]:
        data = event.data.strip()
        if not data or data == "[DONE]":
            return []
        try:
            chunk = parse_object(data)
        except ValueError as error:
            # What the data was is not said: errors are kept where people's text is not.
            raise self._broken(f"an event of the stream cannot be read ({error}; {len(data)} characters)") from error
        if chunk.get("error"):
            raise error_in_answer(self._origin.endpoint, chunk, self._headers)
        self._response.add(chunk)
        return self._deltas(chunk)

    def _deltas(self, chunk: JsonObject) -> list[StreamEvent]:
        found: list[StreamEvent] = []
        for part in objects_at(object_at(first_candidate(chunk), "content"), "parts"):
            if "functionCall" in part:
                call = tool_call(part, f"{self._response.reply_id}/{self._calls}", self._origin)
                found.append(
                    ToolCallDelta(place=self._calls, call_id=call.call_id, name=call.name, arguments=call.arguments)
                )
                self._calls += 1
            elif text := text_at(part, "text"):
                found.append(ReasoningDelta(text=text) if part.get("thought") is True else TextDelta(text=text))
        return found

    def _broken(self, message: str) -> Broken:
        return Broken(self._origin.endpoint, message, request_id=request_id_of(self._headers))


def response_of(response: WireResponse, endpoint_name: str) -> JsonObject:
    """The answer that a 2xx body of JSON holds: itself, or a list of the chunks that it was streamed in.

    Raises:
        Broken: it cannot be read, or its chunks end before the answer does.
        ProviderError: it is, or holds, an error after all.
    """
    headers = response.headers
    request_id = request_id_of(headers)
    try:
        value = parse_json(response.body)
    except ValueError as error:
        kind = headers.get("content-type", "no type")
        message = f"the answer cannot be read ({error}; {len(response.body)} bytes of {kind})"
        raise Broken(endpoint_name, message, request_id=request_id) from error
    chunks = [chunk for chunk in value if isinstance(chunk, dict)] if isinstance(value, list) else [value]
    put_together = _Response()
    for chunk in chunks:
        if not isinstance(chunk, dict):
            raise Broken(endpoint_name, "the answer is no JSON object", request_id=request_id)
        if chunk.get("error"):
            raise error_in_answer(endpoint_name, chunk, headers)
        put_together.add(chunk)
    if isinstance(value, dict):
        return value
    if not put_together.finished:
        raise Broken(endpoint_name, "the stream ended before the answer did", request_id=request_id)
    return put_together.whole()


class _Response:
    """The answer that the chunks amount to; nothing that a chunk says is left out."""

    def __init__(self) -> None:
        self._top: JsonObject = {}
        self._usage: JsonObject = {}
        self._candidates: dict[int, _Candidate] = {}

    @property
    def reply_id(self) -> str:
        """The answer's own id."""
        return text_at(self._top, "responseId")

    @property
    def finished(self) -> bool:
        """Whether the first candidate said why it stopped, or there will be none."""
        first = self._candidates.get(0)
        if first is not None and says_why(self._top, first.fields):
            return True
        return block_reason(self._top) is not None

    def add(self, chunk: JsonObject) -> None:
        """Take in one chunk: the last value of a field counts, of usage the last value of each of its fields.

        The answer's id stays what the first chunk said, because ids of calls are made of it.
        """
        first = not self._top and not self._candidates
        for key, value in chunk.items():
            if key == "usageMetadata" and isinstance(value, dict):
                self._usage |= {name: count for name, count in value.items() if count is not None}
                self._top[key] = self._usage
            elif key != "candidates" and value is not None and (key != "responseId" or first):
                self._top[key] = value
        for candidate in objects_at(chunk, "candidates"):
            index = candidate.get("index")
            place = index if isinstance(index, int) else 0
            self._candidates.setdefault(place, _Candidate()).add(candidate)

    def whole(self) -> JsonObject:
        """The answer as it would have come without a stream."""
        candidates: list[Json] = [self._candidates[place].whole() for place in sorted(self._candidates)]
        return {**({"candidates": candidates} if candidates else {}), **self._top}


class _Candidate:
    def __init__(self) -> None:
        self.fields: JsonObject = {}
        # Made here and nowhere else held, so that they may grow in place: copies would cost the square of their length.
        self._metadata: dict[str, JsonObject] = {}
        self._content: JsonObject = {}
        self._parts: list[JsonObject] = []

    def add(self, candidate: JsonObject) -> None:
        for key, value in candidate.items():
            if key == "content":
                content = object_at(candidate, key)
                self._parts += objects_at(content, "parts")
                self._content |= {name: said for name, said in content.items() if name != "parts"}
            elif isinstance(value, dict):
                known = self._metadata.setdefault(key, {})
                _join_metadata(known, value)
                self.fields[key] = known
            elif value is not None:
                self.fields[key] = value

    def whole(self) -> JsonObject:
        parts: list[Json] = [*joined_parts(self._parts)]
        return {"content": {**self._content, **({"parts": parts} if parts else {})}, **self.fields}


def _join_metadata(known: JsonObject, later: JsonObject) -> None:
    """Grounding, citations and the like of several chunks: lists go on, unless the later one holds the earlier."""
    for key, value in later.items():
        before = known.get(key)
        if not isinstance(value, list):
            known[key] = value
        elif isinstance(before, list) and value[: len(before)] != before:
            before += value
        else:
            known[key] = [*value]
