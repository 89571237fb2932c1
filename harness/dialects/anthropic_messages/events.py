"""The events of a streamed message, out of the two ways in which they travel: server-sent events, and AWS's frames.

Bedrock wraps the JSON of each event in a frame, base64 inside JSON, and says errors in frames of their own.
"""

import base64
from typing import Protocol

from harness.dialects.aws_event_stream import Frame, FrameSplitter
from harness.dialects.server_sent_events import EventSplitter, ServerSentEvent
from harness.dialects.wire_json import parse_object, text_at
from harness.json_values import JsonObject

AWS_CONTENT_TYPE = "application/vnd.amazon.eventstream"


class MessageEvents(Protocol):
    """Cuts a stream into events."""

    def feed(self, chunk: bytes) -> list[JsonObject]:
        """The events that this chunk completes.

        Raises:
            ValueError: one of them cannot be read.
        """
        ...

    def end(self) -> list[JsonObject]:
        """The event that was still open.

        Raises:
            ValueError: it is torn.
        """
        ...


class SentEvents:
    """Server-sent events with one JSON object each."""

    def __init__(self) -> None:
        self._splitter = EventSplitter()

    def feed(self, chunk: bytes) -> list[JsonObject]:
        """See `MessageEvents`."""
        return _objects(self._splitter.feed(chunk))

    def end(self) -> list[JsonObject]:
        """See `MessageEvents`."""
        return _objects(self._splitter.end())


class FramedEvents:
    """AWS's frames; an exception becomes the error event it would be elsewhere."""

    def __init__(self) -> None:
        self._splitter = FrameSplitter()

    def feed(self, chunk: bytes) -> list[JsonObject]:
        """See `MessageEvents`."""
        return [_unwrapped(frame) for frame in self._splitter.feed(chunk)]

    def end(self) -> list[JsonObject]:
        """See `MessageEvents`."""
        self._splitter.end()
        return []


def _objects(events: list[ServerSentEvent]) -> list[JsonObject]:
    # Some routers end every stream with OpenAI's mark.
    return [_named(parse_object(data), name) for name, data in events if data.strip() not in ("", "[DONE]")]


def _named(event: JsonObject, name: str) -> JsonObject:
    return event if "type" in event else {**event, "type": name}


def _unwrapped(frame: Frame) -> JsonObject:
    if frame.headers.get(":message-type", "event") == "event":
        wrapped = text_at(parse_object(frame.payload), "bytes")
        return parse_object(base64.b64decode(wrapped)) if wrapped else {}
    kind = frame.headers.get(":exception-type") or frame.headers.get(":error-code") or "exception"
    try:
        said = text_at(parse_object(frame.payload), "message")
    except ValueError:
        said = ""
    error: JsonObject = {"type": kind, "message": said or frame.headers.get(":error-message", kind)}
    return {"type": "error", "error": error}
