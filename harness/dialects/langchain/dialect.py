"""The dialect of chat models of LangChain's in this process: JSON that passes between us and whoever calls them.

Not a wire. The request is the neutral request's own JSON, so that its length bounds the input as any body's does; the
answer is an `AIMessage` as JSON, put there by the transport (`harness.integrations.langchain.chat_model_transport`),
which alone knows LangChain. What such an answer holds for its own package (content blocks of a vendor, additional
fields) is opaque and goes back to the same endpoint and model.

A streamed answer is a line of JSON a chunk: `{"delta": {text, reasoning, tool_calls}}`, and last `{"message": ...}`.
"""

from collections.abc import Mapping

from harness.dialects.dialect import StreamDecoder, WireTarget
from harness.dialects.langchain.reply import reply_of_message
from harness.dialects.provider_errors import error_in_answer, error_of_response
from harness.dialects.wire import WireRequest, WireResponse
from harness.dialects.wire_json import body_bytes, count_at, object_at, objects_at, parse_object, text_at
from harness.dialects.wire_rules import WireRules
from harness.exceptions import Broken, ConfigurationInvalid, ProviderError
from harness.json_values import JsonObject
from harness.models.catalogue import Capability, Endpoint, Model
from harness.models.message_parts import (
    CitationPart,
    OtherPart,
    Part,
    ReasoningPart,
    RefusalPart,
    ServerToolPart,
    TextPart,
    ToolCallPart,
)
from harness.models.messages import (
    ModelReply,
    ModelRequest,
    Origin,
    ReasoningDelta,
    ReplyEnd,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
)

LOCAL_URL = "http://chat-model.invalid/v1"
OUTPUT_LIMIT = "output_limit"

_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_DOCUMENTS = frozenset({"application/pdf", "text/plain"})
_QUIRKS = frozenset({OUTPUT_LIMIT})
_IN_WORDS = (TextPart, ToolCallPart, RefusalPart, ServerToolPart)
_VENDORS_OWN = (*_IN_WORDS, ReasoningPart, CitationPart, OtherPart)


class LangChainChat:
    """The `Dialect`; it has no state.

    Quirks: `output_limit` is the argument by which the chat model is told its output limit, `max_tokens` without it.
    """

    def rules(self, model: Model, endpoint: Endpoint) -> WireRules:
        """LangChain takes nearly everything; media as far as the model has the capability. See `Dialect`."""
        unknown = sorted(endpoint.quirks.keys() - _QUIRKS)
        if unknown:
            remedy = f"a chat model's endpoint has {', '.join(sorted(_QUIRKS))}"
            raise ConfigurationInvalid("quirks", unknown[0], f"endpoint {model.endpoint!r}", remedy)
        images, documents = (each in model.capabilities for each in (Capability.IMAGES, Capability.DOCUMENTS))
        return WireRules(
            system="first",
            image_types=_IMAGES if images else frozenset(),
            image_urls=images,
            document_types=_DOCUMENTS if documents else frozenset({"text/plain"}),
            document_urls=documents,
            arguments="object",
        )

    def encode(self, request: ModelRequest, target: WireTarget, *, stream: bool) -> WireRequest:
        """The request as bytes; see `Dialect`."""
        body: JsonObject = {
            "model": target.model.wire_name,
            "request": _own(request, target.origin).model_dump(mode="json", exclude_none=True),
            "output_limit": str(target.endpoint.quirks.get(OUTPUT_LIMIT, "max_tokens")),
            "stream": stream,
        }
        return WireRequest("POST", target.base_url, {}, body_bytes(body), target.endpoint.timeout_seconds)

    def decode(self, response: WireResponse, origin: Origin) -> ModelReply:
        """The reply of an answer; see `Dialect`."""
        return _reply(_object(response.body, origin), origin)

    def stream_decoder(self, origin: Origin, headers: Mapping[str, str]) -> StreamDecoder:
        """A decoder for one streamed answer; see `Dialect`."""
        return _Lines(origin, headers)

    def error(self, response: WireResponse, endpoint_name: str) -> ProviderError:
        """What the chat model's exception means; never raises."""
        return error_of_response(endpoint_name, response)


class _Lines:
    """Implements `StreamDecoder`."""

    def __init__(self, origin: Origin, headers: Mapping[str, str]) -> None:
        self._origin = origin
        self._headers = headers
        self._rest = b""

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return [event for line in lines if line for event in self._events(line)]

    def end(self) -> list[StreamEvent]:
        raise Broken(self._origin.endpoint, "the chat model's stream stopped before its last message")

    def _events(self, line: bytes) -> list[StreamEvent]:
        said = _object(line, self._origin)
        if "error" in said:
            raise error_in_answer(self._origin.endpoint, said, self._headers)
        if "message" in said:
            return [ReplyEnd(reply=_reply(said, self._origin))]
        delta = object_at(said, "delta")
        events: list[StreamEvent] = []
        if thoughts := text_at(delta, "reasoning"):
            events.append(ReasoningDelta(text=thoughts))
        if words := text_at(delta, "text"):
            events.append(TextDelta(text=words))
        return [*events, *(_call_delta(each) for each in objects_at(delta, "tool_calls"))]


def _call_delta(call: JsonObject) -> ToolCallDelta:
    return ToolCallDelta(
        place=count_at(call, "index") or 0,
        call_id=text_at(call, "id"),
        name=text_at(call, "name"),
        arguments=text_at(call, "args"),
    )


def _own(request: ModelRequest, origin: Origin) -> ModelRequest:
    """The request without what is opaque and another's, and without thoughts, which LangChain has no neutral word for."""
    turns = [
        turn.model_copy(update={"parts": tuple(part for each in turn.parts if (part := _own_part(each, origin)))})
        for turn in request.messages
    ]
    return request.model_copy(update={"messages": tuple(turns)})


def _own_part(part: Part, origin: Origin) -> Part | None:
    if not isinstance(part, _VENDORS_OWN):
        return part
    if part.opaque is not None and part.origin == origin:
        return part
    # What is left without the block: words and calls, or nothing.
    return part.model_copy(update={"opaque": None, "origin": None}) if isinstance(part, _IN_WORDS) else None


def _object(text: bytes, origin: Origin) -> JsonObject:
    try:
        return parse_object(text)
    except ValueError as error:
        raise Broken(origin.endpoint, f"what the chat model gave is no JSON: {error}") from error


def _reply(said: JsonObject, origin: Origin) -> ModelReply:
    message = object_at(said, "message")
    if not message:
        raise Broken(origin.endpoint, "the chat model gave no message")
    return reply_of_message(message, origin)
