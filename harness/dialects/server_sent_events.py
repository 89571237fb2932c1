"""Server-sent events out of bytes that arrive torn anywhere. What an event means is for the dialects.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

import re
from dataclasses import dataclass

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event: its name ("message" if none was given) and its data lines joined by line feeds."""

    event: str
    data: str


class EventSplitter:
    """Cuts one stream into events; keep-alive comments, ids and retry times are left out.

    Lines are decoded whole, so that a tear inside a UTF-8 character does no harm.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._data: list[str] = []
        self._event = ""
        self._at_start = True
        # A carriage return ends a line at once; the line feed that may follow it in the next chunk is part of it.
        self._line_feed_may_follow = False

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that this chunk completes."""
        if not chunk:
            return []
        if self._line_feed_may_follow and chunk[:1] == b"\n":
            chunk = chunk[1:]
        self._line_feed_may_follow = False
        self._pieces.append(chunk)
        if b"\n" not in chunk and b"\r" not in chunk:
            return []
        lines = _LINE_END.split(b"".join(self._pieces))
        self._pieces = [lines.pop()]
        self._line_feed_may_follow = chunk.endswith(b"\r")
        return [event for line in lines if (event := self._line(line)) is not None]

    def end(self) -> list[ServerSentEvent]:
        """The event that was still open when the stream ended.

        The standard would drop it; several servers leave out the last empty line, so whoever reads the data decides.
        """
        last = self._line(b"".join(self._pieces))
        self._pieces = []
        open_event = self._line(b"")
        return [event for event in (last, open_event) if event is not None]

    def _line(self, line: bytes) -> ServerSentEvent | None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line:
            return self._dispatched()
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        return None

    def _dispatched(self) -> ServerSentEvent | None:
        name, data = self._event or "message", self._data
        self._event, self._data = "", []
        return ServerSentEvent(name, "\n".join(data)) if data else None
