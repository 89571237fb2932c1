"""A chat completion as a neutral reply. Streams are put together first and then read here too, so both read alike.

What the message says is read in `parts`.
"""

from collections.abc import Mapping

from harness.dialects.answer_body import object_of_body
from harness.dialects.openai_chat.parts import chunk_texts, parts_of
from harness.dialects.openai_chat.usage import usage_of
from harness.dialects.provider_errors import error_in_answer
from harness.dialects.request_ids import request_id_of
from harness.dialects.stop_reasons import neutral_stop
from harness.dialects.wire_json import object_at, objects_at, text_at
from harness.exceptions import Broken
from harness.json_values import Json, JsonObject
from harness.models.messages import Message, ModelReply, Origin


def completion_of(body: bytes, headers: Mapping[str, str], endpoint_name: str) -> JsonObject:
    """The completion that a 2xx body holds.

    Raises:
        Broken: it is not a JSON object.
        ProviderError: it is an error after all; routers in front of others answer so.
    """
    completion = object_of_body(body, headers, endpoint_name)
    if completion.get("error") and not objects_at(completion, "choices"):
        raise error_in_answer(endpoint_name, completion, headers)
    return completion


def reply_of(completion: JsonObject, headers: Mapping[str, str], origin: Origin) -> ModelReply:
    """The neutral reply that a whole completion holds; of several choices the first.

    Raises:
        Broken: it has no choice.
        ProviderError: its choice is an error of the provider behind a router.
    """
    request_id = request_id_of(headers) or text_at(object_at(completion, "x_groq"), "id") or None
    choices = objects_at(completion, "choices")
    if not choices:
        raise Broken(origin.endpoint, "the completion has no choices", request_id=request_id)
    parts = parts_of(completion, object_at(choices[0], "message"), origin)
    if choices[0].get("error") and not parts:
        raise error_in_answer(origin.endpoint, choices[0], headers)
    raw_stop = choices[0].get("finish_reason")
    stop_raw = raw_stop if isinstance(raw_stop, str) else None
    return ModelReply(
        message=Message(role="assistant", parts=parts),
        stop=neutral_stop(stop_raw, parts),
        stop_raw=stop_raw,
        stop_sequence=_stop_sequence(choices[0]),
        usage=usage_of(completion),
        model=text_at(completion, "model"),
        request_id=request_id,
        raw=completion,
    )


def texts_of(content: Json) -> tuple[str, str]:
    """The words and the thoughts of a turn's content: a text, or a list of parts such as Mistral's."""
    texts = [chunk_texts(chunk) for chunk in (content if isinstance(content, list) else [content])]
    return "".join([words for words, _ in texts]), "".join([thoughts for _, thoughts in texts])


def _stop_sequence(choice: JsonObject) -> str | None:
    """Which of the request's texts ended it: vLLM's `stop_reason`, which may also be a token's number."""
    return text_at(choice, "stop_reason") or None
