"""A streamed message: pieces as they arrive, and at its end the message put together from its events.

The whole message is read by `reply`, as if it had not been streamed.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from collections.abc import Mapping

from harness.dialects.anthropic_messages.events import MessageEvents
from harness.dialects.anthropic_messages.reply import input_text, is_answer, reply_of
from harness.dialects.provider_errors import error_in_answer
from harness.dialects.request_ids import request_id_of
from harness.dialects.wire_json import object_at, parse_object, text_at
from harness.exceptions import Broken
from harness.json_values import Json, JsonObject
from harness.models.messages import Origin, ReasoningDelta, ReplyEnd, StreamEvent, TextDelta, ToolCallDelta

# Deltas whose text belongs to a field of the block, and is joined.
_JOINED = {"text_delta": "text", "thinking_delta": "thinking"}


class AnthropicStream:
    """Decoder of one stream.

    It is complete when `message_stop` came, or when the stop reason came and the connection closed in order; anything
    less is `Broken`, never a short answer.
    """

    def __init__(self, events: MessageEvents, origin: Origin, headers: Mapping[str, str]) -> None:
        self._events = events
        self._origin = origin
        self._headers = headers
        self._message = _StreamedMessage()
        self._done = False

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """The events that this chunk completes; see `StreamDecoder`."""
        if self._done:
            return []
        try:
            events = self._events.feed(chunk)
        except ValueError as error:
            raise self._broken(f"an event of the stream cannot be read ({error})") from error
        return [found for event in events for found in self._read(event)]

    def end(self) -> list[StreamEvent]:
        """What is left when the connection closed in order; see `StreamDecoder`."""
        if self._done:
            return []
        try:
            events = self._events.end()
        except ValueError as error:
            raise self._broken(f"the stream ended inside an event ({error})") from error
        left = [found for event in events for found in self._read(event)]
        if self._done:
            return left
        if not self._message.stopped:
            raise self._broken("the stream ended before the answer did")
        return [*left, self._reply_end()]

    def _read(self, event: JsonObject) -> list[StreamEvent]:
        if self._done:
            return []
        kind = text_at(event, "type")
        if kind == "error" or event.get("error"):
            raise error_in_answer(self._origin.endpoint, event, self._headers)
        try:
            found = self._message.add(kind, event)
        except ValueError as error:
            raise self._broken(str(error)) from error
        if kind != "message_stop":
            return found
        if not self._message.begun:
            raise self._broken("the stream ended before the answer began")
        return [*found, self._reply_end()]

    def _reply_end(self) -> ReplyEnd:
        self._done = True
        message, arguments = self._message.whole()
        return ReplyEnd(reply=reply_of(message, self._headers, self._origin, arguments=arguments))

    def _broken(self, message: str) -> Broken:
        return Broken(self._origin.endpoint, message, request_id=request_id_of(self._headers))


class _StreamedMessage:
    """The message that the events amount to; nothing that they say is left out."""

    def __init__(self) -> None:
        self._top: JsonObject = {}
        self._usage: JsonObject = {}
        self._blocks: dict[int, _Block] = {}
        self._last = -1
        self._calls = 0
        self.begun = False

    @property
    def stopped(self) -> bool:
        """Whether the model said why it stopped."""
        return bool(text_at(self._top, "stop_reason"))

    def add(self, kind: str, event: JsonObject) -> list[StreamEvent]:
        """Take in one event; its pieces of words, thoughts and calls. Kinds that are not known are passed over.

        Raises:
            ValueError: a block begins where one stands already.
        """
        if kind == "content_block_delta":
            return self._block_at(event).add(object_at(event, "delta"))
        if kind == "message_start":
            self.begun = True
            self._add_top(object_at(event, "message"))
        elif kind == "content_block_start":
            return self._begun_block(event).begin()
        elif kind == "content_block_stop":
            return self._block_at(event).end()
        elif kind in ("message_delta", "message_stop"):
            self._add_top({key: value for key, value in event.items() if key not in ("type", "delta")})
            self._add_top(object_at(event, "delta"))
        return []

    def whole(self) -> tuple[JsonObject, dict[int, str]]:
        """The message as it would have come without a stream, and the original texts of inputs by place."""
        blocks = [self._blocks[index] for index in sorted(self._blocks)]
        content: list[Json] = [block.whole() for block in blocks]
        message: JsonObject = {**self._top, "content": content}
        if self._usage:
            message["usage"] = self._usage
        return message, {place: block.arguments for place, block in enumerate(blocks) if block.arguments}

    def _add_top(self, fields: JsonObject) -> None:
        """Of each field the last value that is one; counts of both ends of a stream are one account."""
        for key, value in fields.items():
            if key == "usage" and isinstance(value, dict):
                self._usage |= {
                    name: count for name, count in value.items() if count is not None or name not in self._usage
                }
            elif key != "content" and (value is not None or key not in self._top):
                self._top[key] = value

    def _begun_block(self, event: JsonObject) -> "_Block":
        """The block that begins; without an index behind all others."""
        index = event.get("index")
        place = index if type(index) is int else self._last + 1
        if place in self._blocks:
            raise ValueError("two blocks of the answer have one index")
        return self._new_block(place, object_at(event, "content_block"))

    def _block_at(self, event: JsonObject) -> "_Block":
        """The block that goes on; without an index the last one."""
        index = event.get("index")
        place = index if type(index) is int else max(self._last, 0)
        known = self._blocks.get(place)
        return self._new_block(place, {}) if known is None else known

    def _new_block(self, place: int, start: JsonObject) -> "_Block":
        block = self._blocks[place] = _Block(start, self._calls)
        self._last = max(self._last, place)
        self._calls += block.is_call
        return block


class _Block:
    """One block out of its deltas.

    Args:
        call: which of the reply's calls it is, if it is one.
    """

    def __init__(self, start: JsonObject, call: int) -> None:
        self._fields = dict(start)
        self._call = call
        # Texts are kept in pieces and joined once: adding to a text in a dict copies it each time.
        self._pieces: dict[str, list[str]] = {}
        self._arguments: list[str] = []
        self._citations: list[Json] = []
        self._ended = False

    @property
    def is_call(self) -> bool:
        """Whether somebody else is to run it."""
        return self._fields.get("type") == "tool_use" and not is_answer(self._fields)

    @property
    def arguments(self) -> str:
        """The text of its input as it came; empty where it came whole."""
        return "".join(self._arguments)

    def begin(self) -> list[StreamEvent]:
        """What the start of the block holds already."""
        if self.is_call:
            call_id, name = text_at(self._fields, "id"), text_at(self._fields, "name")
            return [ToolCallDelta(place=self._call, call_id=call_id, name=name)]
        return self._said("text", text_at(self._fields, "text")) + self._said(
            "thinking", text_at(self._fields, "thinking")
        )

    def add(self, delta: JsonObject) -> list[StreamEvent]:
        """Take in one delta."""
        kind = text_at(delta, "type")
        field = _JOINED.get(kind)
        if field is not None:
            piece = text_at(delta, field)
            self._fields.setdefault("type", field)
            self._pieces.setdefault(field, []).append(piece)
            return self._said(field, piece)
        if kind == "input_json_delta":
            piece = text_at(delta, "partial_json")
            if piece:
                self._arguments.append(piece)
            return self._input_said(piece)
        if kind == "citations_delta":
            self._citations.append(delta.get("citation"))
        else:
            # A signature, a compaction, or what this version does not know: fields that come whole.
            self._fields |= {key: value for key, value in delta.items() if key != "type"}
        return []

    def end(self) -> list[StreamEvent]:
        """The input of a call that came whole with its start."""
        if self._ended or self._arguments:
            return []
        self._ended = True
        return self._input_said(input_text(self._fields))

    def whole(self) -> JsonObject:
        """The block as it would have come without a stream; an input that was cut off stays text."""
        block = dict(self._fields)
        for field, pieces in self._pieces.items():
            block[field] = "".join([text_at(self._fields, field), *pieces])
        if self._citations:
            known = self._fields.get("citations")
            block["citations"] = [*(known if isinstance(known, list) else []), *self._citations]
        if self.arguments:
            try:
                block["input"] = parse_object(self.arguments)
            except ValueError:
                block["input"] = self.arguments
        return block

    def _said(self, field: str, piece: str) -> list[StreamEvent]:
        kind = self._fields.get("type")
        if not piece or kind != field:
            return []
        return [TextDelta(text=piece)] if field == "text" else [ReasoningDelta(text=piece)]

    def _input_said(self, piece: str) -> list[StreamEvent]:
        if piece and is_answer(self._fields):
            return [TextDelta(text=piece)]
        return [ToolCallDelta(place=self._call, arguments=piece)] if piece and self.is_call else []
