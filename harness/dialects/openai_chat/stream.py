"""A streamed chat completion: words as they arrive, and at its end the completion put together from its chunks.

The chunks are put together in `chunks`; the whole is read by `reply`, as if it had not been
streamed.
"""

from collections.abc import Mapping, Sequence

from harness.dialects.openai_chat.chunks import CompletionPieces
from harness.dialects.openai_chat.parts import REASONING_FIELDS, details_text
from harness.dialects.openai_chat.reply import reply_of, texts_of
from harness.dialects.provider_errors import error_in_answer
from harness.dialects.request_ids import request_id_of
from harness.dialects.server_sent_events import EventSplitter, ServerSentEvent
from harness.dialects.wire_json import first_text, object_at, objects_at, parse_object
from harness.exceptions import Broken
from harness.json_values import JsonObject
from harness.models.messages import Origin, ReasoningDelta, ReplyEnd, StreamEvent, TextDelta

_WORDS_ALONE = frozenset({"role", "content"})


class OpenAIChatStream:
    """Decoder of one stream.

    It is complete when the first choice's finish reason came, or the usage and `[DONE]`, and the connection closed in
    order; anything less is `Broken`, never a short answer. A call that the server gave no id has one in the reply
    alone, and none in its pieces.
    """

    def __init__(self, origin: Origin, headers: Mapping[str, str]) -> None:
        self._origin = origin
        self._headers = headers
        self._events = EventSplitter()
        self._completion = CompletionPieces()
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

    def _read(self, event: ServerSentEvent) -> Sequence[StreamEvent]:
        data = event.data.strip()
        if self._done or not data:
            return []
        if data == "[DONE]":
            # OpenRouter has ended so without a reason, after it had counted.
            if not (self._completion.finished or self._completion.counted):
                raise self._broken("the stream was said to be done before the answer was")
            return [self._reply_end()]
        try:
            chunk = parse_object(data)
        except ValueError as error:
            # What the data was is not said: errors are kept where people's text is not.
            raise self._broken(f"an event of the stream cannot be read ({error}; {len(data)} characters)") from error
        if chunk.get("error") or event.event == "error":
            raise error_in_answer(self._origin.endpoint, chunk, self._headers)
        return [*_deltas(chunk), *self._completion.add(chunk)]

    def _reply_end(self) -> ReplyEnd:
        self._done = True
        return ReplyEnd(reply=reply_of(self._completion.whole(), self._headers, self._origin))

    def _broken(self, message: str) -> Broken:
        return Broken(self._origin.endpoint, message, request_id=request_id_of(self._headers))


def _deltas(chunk: JsonObject) -> list[StreamEvent]:
    """The first choice's words and thoughts in one chunk."""
    for choice in objects_at(chunk, "choices"):
        if not choice.get("index"):
            return _deltas_of(object_at(choice, "delta"))
    return []


def _deltas_of(delta: JsonObject) -> list[StreamEvent]:
    content = delta.get("content")
    # Most are words and nothing else: what holds thoughts is looked for only in what has more fields.
    if delta.keys() <= _WORDS_ALONE and isinstance(content, str):
        return [TextDelta(text=content)] if content else []
    words, thoughts = texts_of(content)
    said = first_text(delta, REASONING_FIELDS) or details_text(objects_at(delta, "reasoning_details"))
    events: list[StreamEvent] = [ReasoningDelta(text=said + thoughts)] if said + thoughts else []
    return [*events, TextDelta(text=words)] if words else events
