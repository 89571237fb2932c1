"""A ConverseStream: words as they arrive, and at its end the answer put together from its events.

The whole answer is read by `reply`, as if it had not been streamed.
"""

from collections.abc import Mapping

from harness.dialects.aws_event_stream import Frame, FrameSplitter
from harness.dialects.bedrock_converse.reply import SERVER_TOOL, reply_of
from harness.dialects.bedrock_converse.stream_blocks import StreamedBlock
from harness.dialects.provider_errors import error_in_answer
from harness.dialects.request_ids import request_id_of
from harness.dialects.wire_json import count_at, object_at, parse_object, text_at
from harness.exceptions import Broken, ProviderError
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

# Random letters that hide how long a piece is; they say nothing.
_PADDING = "p"


class BedrockStream:
    """Decoder of one stream.

    It is complete when `messageStop` came and the connection closed in order: the usage follows that event, and is
    unknown where it does not. Anything less is `Broken`, never a short answer.
    """

    def __init__(self, origin: Origin, headers: Mapping[str, str]) -> None:
        self._origin = origin
        self._headers = headers
        self._frames = FrameSplitter()
        self._answer: JsonObject = {}
        self._message: JsonObject = {"role": "assistant"}
        self._blocks: dict[int, StreamedBlock] = {}
        self._calls: dict[int, int] = {}
        self._stopped = False

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """The events that this chunk completes; see `StreamDecoder`."""
        try:
            frames = self._frames.feed(chunk)
        except ValueError as error:
            raise self._broken(str(error)) from error
        return [event for frame in frames for event in self._read(frame)]

    def end(self) -> list[StreamEvent]:
        """The reply; see `StreamDecoder`."""
        try:
            self._frames.end()
        except ValueError as error:
            raise self._broken(str(error)) from error
        if not self._stopped:
            raise self._broken("the stream ended before the answer did")
        return [ReplyEnd(reply=self._reply())]

    def _read(self, frame: Frame) -> list[StreamEvent]:
        try:
            payload = parse_object(frame.payload) if frame.payload and not frame.payload.isspace() else {}
        except ValueError as error:
            # What the payload was is not said: errors are kept where people's text is not.
            message = f"an event of the stream cannot be read ({error}; {len(frame.payload)} bytes)"
            raise self._broken(message) from error
        if frame.headers.get(":message-type", "event") != "event":
            raise self._error(frame, payload)
        payload.pop(_PADDING, None)
        return self._event(frame.headers.get(":event-type", ""), payload)

    def _event(self, kind: str, payload: JsonObject) -> list[StreamEvent]:
        place = count_at(payload, "contentBlockIndex") or 0
        if kind == "contentBlockDelta":
            delta = object_at(payload, "delta")
            self._block(place).add(delta)
            words = text_at(delta, "text")
            # Most are words and nothing else.
            return [TextDelta(text=words)] if words and len(delta) == 1 else self._deltas(place, delta)
        if kind == "contentBlockStart":
            start = object_at(payload, "start")
            self._block(place).start(start)
            return self._call_begins(place, object_at(start, "toolUse"))
        if kind == "contentBlockStop":
            self._block(place)
        elif kind == "messageStart":
            self._message |= payload
        elif kind in ("messageStop", "metadata"):
            self._answer |= payload
            self._stopped = self._stopped or kind == "messageStop"
        elif kind and payload:
            self._answer[kind] = payload
        return []

    def _block(self, place: int) -> StreamedBlock:
        known = self._blocks.get(place)
        if known is None:
            known = self._blocks[place] = StreamedBlock()
        return known

    def _call_begins(self, place: int, call: JsonObject) -> list[StreamEvent]:
        if not call or text_at(call, "type") == SERVER_TOOL:
            return []
        number = self._calls.setdefault(place, len(self._calls))
        return [ToolCallDelta(place=number, call_id=text_at(call, "toolUseId"), name=text_at(call, "name"))]

    def _deltas(self, place: int, delta: JsonObject) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        if thoughts := text_at(object_at(delta, "reasoningContent"), "text"):
            events.append(ReasoningDelta(text=thoughts))
        if words := text_at(delta, "text"):
            events.append(TextDelta(text=words))
        if (arguments := text_at(object_at(delta, "toolUse"), "input")) and place in self._calls:
            events.append(ToolCallDelta(place=self._calls[place], arguments=arguments))
        return events

    def _reply(self) -> ModelReply:
        content: list[Json] = []
        written: dict[int, str] = {}
        for place in sorted(self._blocks):
            block = self._blocks[place]
            written[len(content)] = block.arguments
            content += block.whole()
        message: JsonObject = {**self._message, "content": content}
        answer: JsonObject = {"output": {"message": message}, **self._answer}
        return reply_of(answer, self._headers, self._origin, argument_texts=written)

    def _error(self, frame: Frame, payload: JsonObject) -> ProviderError:
        """What an exception means that came as a frame; errors without a model of their own say it in headers."""
        kind = frame.headers.get(":exception-type") or frame.headers.get(":error-code", "")
        said = [
            text_at(payload, "message") or frame.headers.get(":error-message", ""),
            text_at(payload, "originalMessage"),
        ]
        envelope: JsonObject = {"type": kind, "message": ": ".join(filter(None, said)) or kind}
        return error_in_answer(self._origin.endpoint, envelope, self._headers)

    def _broken(self, message: str) -> Broken:
        return Broken(self._origin.endpoint, message, request_id=request_id_of(self._headers))
