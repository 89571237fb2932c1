"""Embeddings on Bedrock: InvokeModel with the body of the model's own vendor.

Titan and Nova take one text a request, Cohere many; which body a model takes follows its id or the quirk `embeddings`.
A text too long is refused and never cut in silence.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html,
https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html
"""

from collections.abc import Sequence

from harness.dialects.api_key_header import key_header
from harness.dialects.bedrock_converse.models import BedrockQuirks, EmbeddingShape, embedding_shape, operation_url
from harness.dialects.bedrock_converse.reply import answer_of
from harness.dialects.dialect import WireTarget
from harness.dialects.provider_errors import error_of_response
from harness.dialects.request_ids import request_id_of
from harness.dialects.vectors import finite_vector
from harness.dialects.wire import WireRequest, WireResponse
from harness.dialects.wire_json import body_bytes, count_at, object_at
from harness.exceptions import Broken, ConfigurationInvalid, ProviderError
from harness.json_values import Json, JsonObject
from harness.models.catalogue import Endpoint, Model
from harness.models.embeddings import EmbeddingReply, EmbeddingRequest
from harness.models.messages import Origin
from harness.models.usage import Usage

_COHERE_AT_ONCE = 96
_COUNT_HEADER = "x-amzn-bedrock-input-token-count"


class BedrockEmbeddings:
    """The `EmbeddingDialect` of Bedrock; it has no state."""

    def texts_at_once(self, model: Model, endpoint: Endpoint | None = None) -> int:
        """How many texts one request may hold; one for a model whose id tells nothing."""
        del endpoint
        return _COHERE_AT_ONCE if (embedding_shape(model.wire_name) or "").startswith("cohere") else 1

    def encode_texts(self, request: EmbeddingRequest, target: WireTarget) -> WireRequest:
        """The request as bytes; see `EmbeddingDialect`.

        Raises:
            ConfigurationInvalid: nobody knows what body the model takes, or it takes one text and is given several.
            KeyRefused: the key holds characters that no HTTP header can.
        """
        quirks = BedrockQuirks.of(target.model.endpoint, target.endpoint)
        known_as = quirks.known_as or target.model.wire_name
        shape = quirks.embeddings or embedding_shape(known_as)
        if shape is None:
            remedy = (
                "say with the quirk `embeddings` which body it takes: titan_v1, titan_v2, cohere_v3, cohere_v4, nova"
            )
            raise ConfigurationInvalid("wire_name", known_as, f"endpoint {target.model.endpoint!r}", remedy)
        return WireRequest(
            method="POST",
            url=operation_url(target, "invoke"),
            headers={
                "content-type": "application/json",
                "accept": "application/json",
                **key_header(target, "authorization"),
            },
            body=body_bytes(_body(request, shape, target.model.wire_name)),
            timeout_seconds=target.endpoint.timeout_seconds,
        )

    def decode_vectors(self, response: WireResponse, origin: Origin, *, texts: int) -> EmbeddingReply:
        """The vectors of a 2xx answer; see `EmbeddingDialect`.

        Raises:
            Broken: it cannot be read, or holds another number of vectors or of several widths.
        """
        request_id = request_id_of(response.headers)
        answer = answer_of(response.body, response.headers, origin.endpoint)
        vectors = tuple(finite_vector(value) for value in _found(answer))
        widths = {len(vector) for vector in vectors}
        if len(vectors) != texts or len(widths) != 1 or 0 in widths:
            message = f"{texts} texts were embedded as {len(vectors)} vectors of the widths {sorted(widths)}"
            raise Broken(origin.endpoint, message, request_id=request_id)
        counted = count_at(answer, "inputTextTokenCount")
        if counted is None:
            counted = _header_count(response.headers.get(_COUNT_HEADER, ""))
        # Nothing is generated, so nothing is put out: a known zero, where the input is known.
        usage = Usage(input_tokens=counted, output_tokens=None if counted is None else 0)
        return EmbeddingReply(vectors=vectors, usage=usage, model=origin.model, request_id=request_id)

    def error(self, response: WireResponse, endpoint_name: str) -> ProviderError:
        """What a non-2xx answer means; never raises."""
        return error_of_response(endpoint_name, response)


def _body(request: EmbeddingRequest, shape: EmbeddingShape, model_name: str) -> JsonObject:
    if shape.startswith("cohere"):
        return _cohere(request, shape)
    if len(request.texts) != 1:
        remedy = "this model embeds one text a request: ask `texts_at_once` first"
        raise ConfigurationInvalid("texts", str(len(request.texts)), f"model {model_name!r}", remedy)
    text = request.texts[0]
    if shape == "nova":
        return _nova(text, request)
    body: JsonObject = {"inputText": text}
    if shape == "titan_v2":
        body["normalize"] = True
        if request.dimensions is not None:
            body["dimensions"] = request.dimensions
    return body


def _cohere(request: EmbeddingRequest, shape: EmbeddingShape) -> JsonObject:
    kind = "search_query" if request.purpose == "query" else "search_document"
    body: JsonObject = {"texts": list(request.texts), "input_type": kind, "truncate": "NONE"}
    if request.dimensions is not None and shape == "cohere_v4":
        body["output_dimension"] = request.dimensions
    return body


def _nova(text: str, request: EmbeddingRequest) -> JsonObject:
    asked: JsonObject = {
        "embeddingPurpose": "GENERIC_RETRIEVAL" if request.purpose == "query" else "GENERIC_INDEX",
        "text": {"truncationMode": "NONE", "value": text},
    }
    if request.dimensions is not None:
        asked["embeddingDimension"] = request.dimensions
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": asked}


def _found(answer: JsonObject) -> Sequence[Json]:
    """The vectors as the vendors lay them out: Titan's one, Cohere's list or lists by type, Nova's objects."""
    if "embedding" in answer:
        return [answer["embedding"]]
    found = answer.get("embeddings")
    if isinstance(found, dict):
        found = found.get("float")
    values = found if isinstance(found, list) else []
    return [object_at(value).get("embedding") if isinstance(value, dict) else value for value in values]


def _header_count(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None  # noqa: PLR2004
