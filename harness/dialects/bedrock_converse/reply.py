"""A Converse answer as a neutral reply. Streams are put together first and then read here too, so both read alike."""

import json
from collections.abc import Iterable, Mapping

from harness.dialects.answer_body import object_of_body
from harness.dialects.bedrock_converse.turns import IMAGE_FORMATS, image_block
from harness.dialects.bedrock_converse.usage import usage_of
from harness.dialects.call_ids import made_call_id
from harness.dialects.provider_errors import error_in_answer
from harness.dialects.request_ids import request_id_of
from harness.dialects.stop_reasons import neutral_stop
from harness.dialects.wire_json import count_at, object_at, objects_at, text_at
from harness.exceptions import Broken
from harness.json_values import Json, JsonObject
from harness.models.messages import (
    CitationPart,
    ImagePart,
    Message,
    ModelReply,
    Origin,
    OtherPart,
    Part,
    ReasoningPart,
    ServerToolPart,
    TextPart,
    ToolCallPart,
)

SERVER_TOOL = "server_tool_use"
_MEDIA_TYPES = {name: media_type for media_type, name in IMAGE_FORMATS.items()}


def answer_of(body: bytes, headers: Mapping[str, str], endpoint_name: str) -> JsonObject:
    """The answer that a 2xx body holds.

    Raises:
        Broken: it is not a JSON object.
        ProviderError: it is an error after all.
    """
    answer = object_of_body(body, headers, endpoint_name)
    if "output" not in answer and (text_at(answer, "message") or headers.get("x-amzn-errortype")):
        raise error_in_answer(endpoint_name, answer, headers)
    return answer


def reply_of(
    answer: JsonObject,
    headers: Mapping[str, str],
    origin: Origin,
    *,
    argument_texts: Mapping[int, str] | None = None,
) -> ModelReply:
    """The neutral reply that a whole answer holds.

    Args:
        argument_texts: of a stream, the arguments as they were written, by the place of their block.

    Raises:
        Broken: it has no message.
    """
    request_id = request_id_of(headers)
    message = object_at(answer, "output", "message")
    if not isinstance(message.get("content"), list):
        raise Broken(origin.endpoint, "the answer has no message", request_id=request_id)
    texts = argument_texts or {}
    blocks = objects_at(message, "content")
    named = {text_at(call, "toolUseId"): text_at(call, "name") for call in _calls(blocks)}
    reader = _BlockReader(origin, named, request_id or "")
    parts = tuple(part for place, block in enumerate(blocks) for part in reader.parts(block, place, texts.get(place)))
    stop_raw = text_at(answer, "stopReason") or None
    return ModelReply(
        message=Message(role="assistant", parts=parts),
        stop=neutral_stop(stop_raw, parts),
        stop_raw=stop_raw,
        stop_sequence=text_at(object_at(answer, "additionalModelResponseFields"), "stop_sequence") or None,
        usage=usage_of(answer),
        # The wire does not repeat the model's name; a router says whom it asked.
        model=text_at(object_at(answer, "trace", "promptRouter"), "invokedModelId") or origin.model,
        request_id=request_id,
        raw=answer,
    )


def _calls(blocks: Iterable[JsonObject]) -> list[JsonObject]:
    return [object_at(block, "toolUse") for block in blocks]


class _BlockReader:
    """Reads the blocks of one answer.

    Args:
        named: the tools' names by the ids of their calls.
        reply_id: tells the calls of this answer from others', for those that came without an id.
    """

    def __init__(self, origin: Origin, named: Mapping[str, str], reply_id: str) -> None:
        self._origin = origin
        self._named = named
        self._reply_id = reply_id

    def parts(self, block: JsonObject, place: int, arguments: str | None) -> list[Part]:
        """The neutral parts of one block; none for an empty text."""
        kind = next(iter(block), "")
        inner = object_at(block, kind)
        if kind == "text":
            text = text_at(block, "text")
            return [TextPart(text=text)] if text else []
        if kind == "reasoningContent":
            thoughts = text_at(object_at(inner, "reasoningText"), "text")
            return [ReasoningPart(text=thoughts, opaque=block, origin=self._origin)]
        if kind == "toolUse" and text_at(inner, "type") != SERVER_TOOL:
            return [self._call(inner, place, arguments)]
        if kind in ("toolUse", "toolResult"):
            return [self._server_tool(block, inner)]
        if kind in ("citationsContent", "guardContent"):
            return self._quoting(kind, block, inner)
        picture = _picture(block, inner) if kind == "image" else None
        return [picture or self._other(kind, block)]

    def _call(self, call: JsonObject, place: int, written: str | None) -> ToolCallPart:
        name, given = text_at(call, "name"), call.get("input")
        arguments = written if written and written.strip() else _json_text(given)
        call_id = text_at(call, "toolUseId") or made_call_id(f"{self._reply_id}/{place}", name, arguments)
        return ToolCallPart(call_id=call_id, name=name, arguments=arguments)

    def _server_tool(self, block: JsonObject, inner: JsonObject) -> ServerToolPart:
        name = text_at(inner, "name") or self._named.get(text_at(inner, "toolUseId"), "")
        name = name or text_at(inner, "type").removesuffix("_result")
        text = f"{name}: {_json_text(inner.get('input'))}" if "input" in inner else _result_words(inner)
        return ServerToolPart(name=name, text=text, opaque=block, origin=self._origin)

    def _quoting(self, kind: str, block: JsonObject, inner: JsonObject) -> list[Part]:
        """Words and what they rest on; the block stays with the words, and what it cites is inside it."""
        pieces = objects_at(inner, "content") if kind == "citationsContent" else [object_at(inner, "text")]
        text = "".join(text_at(piece, "text") for piece in pieces)
        cited = [_citation(citation) for citation in objects_at(inner, "citations")]
        if text:
            return [TextPart(text=text, opaque=block, origin=self._origin), *cited]
        if not cited:
            return [self._other(kind, block)]
        # Nova cites the text before: the block stays with the first of its citations.
        return [cited[0].model_copy(update={"opaque": block, "origin": self._origin}), *cited[1:]]

    def _other(self, kind: str, block: JsonObject) -> OtherPart:
        return OtherPart(kind=kind, opaque=block, origin=self._origin)


def _picture(block: JsonObject, image: JsonObject) -> ImagePart | None:
    """The picture, if a neutral part says all that the block does."""
    data = text_at(object_at(image, "source"), "bytes")
    part = ImagePart(media_type=_MEDIA_TYPES.get(text_at(image, "format")), data=data)
    return part if data and image_block(part) == block else None


def _citation(citation: JsonObject) -> CitationPart:
    """One citation; where it stands is said of the source and not of the answer, so the part has no place."""
    location = object_at(citation, "location")
    title = text_at(citation, "title")
    web = object_at(location, "web")
    places = [count_at(object_at(location, kind), "documentIndex") for kind in location]
    numbered = next((f"document {place + 1}" for place in places if place is not None), "")
    source = text_at(web, "url") or text_at(citation, "source") or title or text_at(web, "domain") or numbered
    quote = "".join(text_at(piece, "text") for piece in objects_at(citation, "sourceContent"))
    return CitationPart(source=source, title=title or None, quote=quote or None)


def _result_words(result: JsonObject) -> str:
    pieces = objects_at(result, "content")
    return "\n".join(text_at(piece, "text") or _json_text(piece.get("json", piece)) for piece in pieces)


def _json_text(value: Json) -> str:
    """A call's arguments as JSON text; text that could not be read as JSON stays as it was."""
    if isinstance(value, str):
        return value
    return "{}" if value is None else json.dumps(value, ensure_ascii=False)
