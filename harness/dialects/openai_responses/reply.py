"""A whole response as a neutral reply. Streams end with one too, so both are read here."""

from collections.abc import Mapping

from harness.dialects.answer_body import object_of_body
from harness.dialects.call_arguments import arguments_text
from harness.dialects.call_ids import made_call_id
from harness.dialects.openai_responses.items import assistant_message, custom_tool_call, function_call
from harness.dialects.openai_responses.server_tools import server_tool_of, words_of
from harness.dialects.openai_responses.usage import usage_of
from harness.dialects.provider_errors import error_in_answer
from harness.dialects.request_ids import request_id_of
from harness.dialects.stop_reasons import neutral_stop
from harness.dialects.wire_json import count_at, first_text, object_at, objects_at, text_at
from harness.exceptions import Broken
from harness.json_values import JsonObject
from harness.models.messages import (
    CitationPart,
    Message,
    ModelReply,
    Origin,
    OtherPart,
    Part,
    ReasoningPart,
    RefusalPart,
    ServerToolPart,
    TextPart,
    ToolCallPart,
)


def response_of(body: bytes, headers: Mapping[str, str], endpoint_name: str) -> JsonObject:
    """The response that a 2xx body holds.

    Raises:
        Broken: it is not a JSON object.
    """
    return object_of_body(body, headers, endpoint_name)


def reply_of(response: JsonObject, headers: Mapping[str, str], origin: Origin) -> ModelReply:
    """The neutral reply that a response holds.

    Raises:
        Broken: it has no output.
        ProviderError: it failed, or is an error in spite of its status.
    """
    if response.get("error") or response.get("status") == "failed":
        raise error_in_answer(origin.endpoint, response, headers)
    if not isinstance(response.get("output"), list):
        raise Broken(origin.endpoint, "the response has no output", request_id=request_id_of(headers))
    items, response_id = objects_at(response, "output"), text_at(response, "id")
    parts = tuple(part for place, item in enumerate(items) for part in parts_of(item, origin, f"{response_id}/{place}"))
    stop_raw = text_at(object_at(response, "incomplete_details"), "reason") or text_at(response, "status") or None
    return ModelReply(
        message=Message(role="assistant", parts=parts),
        stop=neutral_stop(stop_raw, parts),
        stop_raw=stop_raw,
        usage=usage_of(response),
        model=text_at(response, "model"),
        request_id=request_id_of(headers),
        raw=response,
    )


def parts_of(item: JsonObject, origin: Origin, place: str) -> list[Part]:
    """What one item of the output says; its parts carry the whole item where they do not say all of it.

    Args:
        place: what tells the item from others, for the id of a call that came without one.
    """
    kind = text_at(item, "type")
    if kind == "message":
        return _message_parts(item, origin)
    if kind == "reasoning":
        pieces = (*objects_at(item, "summary"), *objects_at(item, "content"))
        return [ReasoningPart(text="".join(text_at(piece, "text") for piece in pieces), opaque=item, origin=origin)]
    if kind in ("function_call", "custom_tool_call"):
        return [_call_part(item, origin, place)]
    tool = server_tool_of(item)
    if tool is not None:
        return [ServerToolPart(name=tool, text=words_of(item), opaque=item, origin=origin)]
    return [OtherPart(kind=kind or "unknown", opaque=item, origin=origin)]


def _message_parts(item: JsonObject, origin: Origin) -> list[Part]:
    content = item.get("content")
    if isinstance(content, str):
        plain = _says_no_more(item, assistant_message(content))
        return [TextPart(text=content) if plain else TextPart(text=content, opaque=item, origin=origin)]
    parts = [part for piece in objects_at(item, "content") for part in _content_parts(piece, item, origin)]
    # Also an empty message may be what the reasoning before it needs.
    return parts or [OtherPart(kind="message", opaque=item, origin=origin)]


def _content_parts(piece: JsonObject, item: JsonObject, origin: Origin) -> list[Part]:
    kind = text_at(piece, "type")
    if kind == "output_text":
        text = TextPart(text=text_at(piece, "text"), opaque=item, origin=origin)
        return [text, *(_citation(annotation) for annotation in objects_at(piece, "annotations"))]
    if kind == "refusal":
        return [RefusalPart(text=text_at(piece, "refusal"), opaque=item, origin=origin)]
    return [OtherPart(kind=kind or "unknown", opaque=item, origin=origin)]


def _citation(annotation: JsonObject) -> CitationPart:
    """An address or a file that words rest on; a file without a range names the place after them."""
    start, end = count_at(annotation, "start_index"), count_at(annotation, "end_index")
    return CitationPart(
        source=first_text(annotation, ("url", "filename", "file_id")),
        title=text_at(annotation, "title") or None,
        start=start,
        end=end if end is not None else count_at(annotation, "index"),
    )


def _call_part(item: JsonObject, origin: Origin, place: str) -> ToolCallPart:
    custom = item.get("type") == "custom_tool_call"
    name, given = text_at(item, "name"), item.get("input" if custom else "arguments")
    arguments = arguments_text(given)
    call_id = text_at(item, "call_id") or made_call_id(place, name, arguments)
    part = ToolCallPart(call_id=call_id, name=name, arguments=arguments, custom=True if custom else None)
    written = (custom_tool_call if custom else function_call)(call_id, name, arguments)
    return part if _says_no_more(item, written) else part.model_copy(update={"opaque": item, "origin": origin})


def _says_no_more(item: JsonObject, written: JsonObject) -> bool:
    """Whether an item is byte for byte what its neutral part is written as."""
    return list(item.items()) == list(written.items())
