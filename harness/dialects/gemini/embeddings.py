"""Google's ways to embed texts: `batchEmbedContents` of the Gemini API, `predict` and `embedContent` of Vertex AI.

Source: https://ai.google.dev/api/embeddings and
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
"""

import re

from harness.dialects.answer_body import object_of_body
from harness.dialects.dialect import WireTarget
from harness.dialects.gemini.dialect import gemini_post, model_path
from harness.dialects.gemini.models import GeminiQuirks
from harness.dialects.provider_errors import error_in_answer, error_of_response
from harness.dialects.request_ids import request_id_of
from harness.dialects.vectors import finite_vector
from harness.dialects.wire import WireRequest, WireResponse
from harness.dialects.wire_json import body_bytes, count_at, object_at, objects_at
from harness.exceptions import Broken, ProviderError
from harness.json_values import Json, JsonObject
from harness.models.catalogue import Endpoint, Model
from harness.models.embeddings import EmbeddingReply, EmbeddingRequest
from harness.models.messages import Origin
from harness.models.usage import Usage

_TASKS = {"query": "RETRIEVAL_QUERY", "document": "RETRIEVAL_DOCUMENT"}
_GEMINI_API_TEXTS = 100
# Vertex takes 250 in one region and 5 in all others, and a single one for its Gemini models.
_VERTEX_TEXTS = 5


class GeminiEmbeddings:
    """The `EmbeddingDialect` of the Gemini API and Vertex AI; it has no state."""

    def texts_at_once(self, model: Model, endpoint: Endpoint | None = None) -> int:
        """How many texts one request may hold at most; without an endpoint what the Gemini API takes."""
        if endpoint is None or GeminiQuirks.of(model.endpoint, endpoint).served_by == "gemini":
            return _GEMINI_API_TEXTS
        return 1 if "gemini" in model.wire_name else _VERTEX_TEXTS

    def encode_texts(self, request: EmbeddingRequest, target: WireTarget) -> WireRequest:
        """The request as bytes; see `EmbeddingDialect`.

        Raises:
            ConfigurationInvalid: the endpoint has a quirk that this dialect does not know.
            KeyRefused: the key holds characters that no HTTP header can.
        """
        quirks = GeminiQuirks.of(target.model.endpoint, target.endpoint)
        if quirks.served_by == "gemini":
            return gemini_post(target, "batchEmbedContents", body_bytes(_batch(request, target.model)))
        if _embeds_content(target.model) and len(request.texts) == 1:
            return gemini_post(target, "embedContent", body_bytes(_content(request)))
        return gemini_post(target, "predict", body_bytes(_instances(request)))

    def decode_vectors(self, response: WireResponse, origin: Origin, *, texts: int) -> EmbeddingReply:
        """The vectors of a 2xx answer; see `EmbeddingDialect`.

        Raises:
            Broken: it cannot be read, or holds another number of vectors or of several widths.
            ProviderError: it is an error in spite of its status.
        """
        request_id = request_id_of(response.headers)
        answer = object_of_body(response.body, response.headers, origin.endpoint)
        if answer.get("error"):
            raise error_in_answer(origin.endpoint, answer, response.headers)
        vectors = [finite_vector(each.get("values")) for each in _embeddings(answer)]
        widths = {len(vector) for vector in vectors}
        if len(vectors) != texts or len(widths) != 1 or 0 in widths:
            message = f"{texts} texts were sent and {len(vectors)} vectors came, of the widths {sorted(widths)}"
            raise Broken(origin.endpoint, message, request_id=request_id)
        return EmbeddingReply(vectors=tuple(vectors), usage=_usage(answer), model=origin.model, request_id=request_id)

    def error(self, response: WireResponse, endpoint_name: str) -> ProviderError:
        """What a non-2xx answer means; never raises."""
        return error_of_response(endpoint_name, response)


def _embeds_content(model: Model) -> bool:
    """Vertex's Gemini models after the first are asked for one content at a time."""
    return re.search(r"gemini-embedding-(?!001$)", model.wire_name) is not None


def _batch(request: EmbeddingRequest, model: Model) -> JsonObject:
    asked: list[Json] = [
        {"model": model_path(model), "content": {"parts": [{"text": text}]}, **_options(request)}
        for text in request.texts
    ]
    return {"requests": asked}


def _content(request: EmbeddingRequest) -> JsonObject:
    options = _options(request)
    content: JsonObject = {"content": {"parts": [{"text": request.texts[0]}]}}
    return {**content, "embedContentConfig": options} if options else content


def _options(request: EmbeddingRequest) -> JsonObject:
    options: JsonObject = {"taskType": _TASKS[request.purpose]} if request.purpose is not None else {}
    return {**options, "outputDimensionality": request.dimensions} if request.dimensions is not None else options


def _instances(request: EmbeddingRequest) -> JsonObject:
    task: JsonObject = {"task_type": _TASKS[request.purpose]} if request.purpose is not None else {}
    body: JsonObject = {"instances": [{"content": text, **task} for text in request.texts]}
    return {**body, "parameters": {"outputDimensionality": request.dimensions}} if request.dimensions else body


def _embeddings(answer: JsonObject) -> list[JsonObject]:
    """The embeddings of an answer of any of the three methods."""
    predicted = [object_at(each, "embeddings") for each in objects_at(answer, "predictions")]
    single = object_at(answer, "embedding")
    return predicted or objects_at(answer, "embeddings") or ([single] if single else [])


def _usage(answer: JsonObject) -> Usage:
    """Tokens of all texts, where the answer has them for each; the Gemini API mostly has none.

    Vertex counts them beside each vector, newer methods for the whole answer. Nothing is generated, so an input that
    was counted has an output of nothing.
    """
    whole = count_at(object_at(answer, "usageMetadata"), "promptTokenCount")
    each = [count_at(object_at(vector, "statistics"), "token_count") for vector in _embeddings(answer)]
    counted = [count for count in each if count is not None]
    tokens = whole if whole is not None else sum(counted) if len(counted) == len(each) > 0 else None
    return Usage(input_tokens=tokens, output_tokens=None if tokens is None else 0)
