"""A whole answer of `generateContent` as a neutral reply. Streams are put together first and then read here too."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

from harness.dialects.gemini.citations import with_citations
from harness.dialects.gemini.enums import block_reason, finish_reason
from harness.dialects.gemini.parts import joined_parts, neutral_parts
from harness.dialects.gemini.usage import usage_of
from harness.dialects.request_ids import request_id_of
from harness.dialects.stop_reasons import neutral_stop
from harness.dialects.wire_json import object_at, objects_at, text_at
from harness.exceptions import Broken
from harness.json_values import JsonObject
from harness.models.messages import Message, ModelReply, Origin, StopReason


def reply_of(response: JsonObject, headers: Mapping[str, str], origin: Origin) -> ModelReply:
    """The neutral reply that a whole answer holds; of several candidates the first.

    A blocked prompt is an answer without a candidate: an empty message that the filter stopped, with the reason as its
    raw word. `OTHER` and an unspecified reason are unknown, because they say nothing that could be acted upon. Google
    sends no request id in headers; the response's own id, which its support asks for, stands in its place.

    Raises:
        Broken: it has neither a candidate nor a reason why the prompt was blocked.
    """
    request_id = request_id_of(headers) or text_at(response, "responseId") or None
    candidate, blocked = first_candidate(response), block_reason(response)
    if candidate is None and blocked is None:
        raise Broken(origin.endpoint, "the answer has no candidates", request_id=request_id)
    wire_parts = objects_at(object_at(candidate, "content"), "parts")
    plain = neutral_parts(joined_parts(wire_parts), text_at(response, "responseId"), origin)
    parts = with_citations(plain, candidate or {}, _texts_before(wire_parts))
    finished = None if candidate is None else finish_reason(response, candidate)
    return ModelReply(
        message=Message(role="assistant", parts=parts),
        stop=StopReason.FILTER if finished is None and blocked is not None else neutral_stop(finished, parts),
        stop_raw=finished or blocked,
        usage=usage_of(response),
        model=text_at(response, "modelVersion"),
        request_id=request_id,
        raw=response,
    )


def first_candidate(response: JsonObject) -> JsonObject | None:
    """The candidate at place 0, which is not numbered on Vertex."""
    return next((each for each in objects_at(response, "candidates") if not each.get("index")), None)


def _texts_before(parts: Sequence[JsonObject]) -> list[int]:
    """For each part, how many bytes of the answer's text stand before it."""
    words = ["" if part.get("thought") is True else text_at(part, "text") for part in parts]
    return [0, *accumulate(len(text.encode("utf-8", "replace")) for text in words)][:-1]
