"""A server that was asked to stream and answered with one JSON body all the same."""

from collections.abc import Callable, Mapping

from harness.dialects.wire import WireResponse
from harness.models.messages import (
    ModelReply,
    ReasoningDelta,
    ReasoningPart,
    ReplyEnd,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallPart,
)


class WholeReplyStream:
    """The `StreamDecoder` of such an answer.

    Args:
        decode: how the dialect reads a whole answer.
    """

    def __init__(self, decode: Callable[[WireResponse], ModelReply], headers: Mapping[str, str]) -> None:
        self._decode = decode
        self._headers = headers
        self._pieces: list[bytes] = []

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """Nothing before the end."""
        self._pieces.append(chunk)
        return []

    def end(self) -> list[StreamEvent]:
        """The reply's thoughts, words, calls and end."""
        reply = self._decode(WireResponse(200, self._headers, b"".join(self._pieces)))
        thoughts = "".join(part.text for part in reply.message.parts if isinstance(part, ReasoningPart))
        events: list[StreamEvent] = [ReasoningDelta(text=thoughts)] if thoughts else []
        events += [TextDelta(text=reply.text)] if reply.text else []
        calls = [part for part in reply.message.parts if isinstance(part, ToolCallPart)]
        events += [
            ToolCallDelta(place=place, call_id=call.call_id, name=call.name, arguments=call.arguments)
            for place, call in enumerate(calls)
        ]
        return [*events, ReplyEnd(reply=reply)]
