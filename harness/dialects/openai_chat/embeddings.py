"""Embeddings as OpenAI and most servers there are make them, and as Cohere's own endpoint answers.

Whether a text is a question or a document is told to servers with a word for it (the quirk `purpose_field`) and left
out elsewhere. Vectors arrive as numbers or, in base64, as little-endian floats; Perplexity sends signed bytes.

Source: https://platform.openai.com/docs/api-reference/embeddings
"""

import base64
import binascii
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.dialects.answer_body import object_of_body
from harness.dialects.dialect import WireTarget
from harness.dialects.openai_chat.address import post_of
from harness.dialects.openai_chat.quirks import OpenAIChatQuirks
from harness.dialects.openai_chat.usage import usage_of
from harness.dialects.provider_errors import error_in_answer, error_of_response
from harness.dialects.request_ids import request_id_of
from harness.dialects.vectors import finite_vector
from harness.dialects.wire import WireRequest, WireResponse
from harness.dialects.wire_json import body_bytes, count_at, object_at, objects_at, text_at
from harness.exceptions import Broken, ProviderError
from harness.json_values import Json, JsonObject
from harness.models.catalogue import Endpoint, Model
from harness.models.embeddings import EmbeddingReply, EmbeddingRequest
from harness.models.messages import Origin
from harness.models.usage import Usage

_FLOAT_BYTES = 4
# Components of embeddings are far inside of this; signed bytes taken for floats are far outside almost at once.
_LARGEST, _SMALLEST = 1e6, 1e-20


class OpenAIEmbeddings:
    """The `EmbeddingDialect` of this wire; it has no state."""

    def texts_at_once(self, model: Model, endpoint: Endpoint | None = None) -> int:
        """How many texts one request may hold at most: OpenAI's 2,048, or what the endpoint's quirks say."""
        quirks = OpenAIChatQuirks() if endpoint is None else OpenAIChatQuirks.of(model.endpoint, endpoint)
        return quirks.texts_at_once

    def encode_texts(self, request: EmbeddingRequest, target: WireTarget) -> WireRequest:
        """The request as bytes; see `EmbeddingDialect`.

        Raises:
            ConfigurationInvalid: the endpoint has a quirk that this dialect does not know.
            KeyRefused: the key holds characters that no HTTP header can.
        """
        quirks = OpenAIChatQuirks.of(target.model.endpoint, target.endpoint)
        body: JsonObject = {"model": target.model.wire_name, "input": list(request.texts)}
        if request.dimensions is not None:
            body[quirks.dimensions_field] = request.dimensions
        if quirks.embedding_format is not None:
            body["encoding_format"] = quirks.embedding_format
        if quirks.purpose_field is not None and request.purpose is not None:
            body[quirks.purpose_field] = request.purpose
        return post_of(target, quirks, quirks.embeddings_path, body_bytes(body), accept="application/json")

    def decode_vectors(self, response: WireResponse, origin: Origin, *, texts: int) -> EmbeddingReply:
        """The vectors of a 2xx answer; see `EmbeddingDialect`.

        Raises:
            Broken: it cannot be read, or holds another number of vectors or of several widths.
            ProviderError: it is an error in spite of its status.
        """
        broken = _Broken(origin, response.headers)
        body = object_of_body(response.body, response.headers, origin.endpoint)
        if body.get("error") and not body.get("data"):
            raise error_in_answer(origin.endpoint, body, response.headers)
        try:
            vectors = tuple(_vector(value) for value in _in_order(body))
        except ValueError as error:
            raise broken(str(error)) from error
        if len(vectors) != texts:
            raise broken(f"{len(vectors)} vectors for {texts} texts")
        if len({len(vector) for vector in vectors}) > 1 or not all(vectors):
            raise broken("the vectors are of several widths, or of none")
        return EmbeddingReply(
            vectors=vectors,
            usage=_usage(body),
            model=text_at(body, "model") or origin.model,
            request_id=request_id_of(response.headers),
        )

    def error(self, response: WireResponse, endpoint_name: str) -> ProviderError:
        """What a non-2xx answer means; never raises."""
        return error_of_response(endpoint_name, response)


class _Broken:
    """The error of one answer."""

    def __init__(self, origin: Origin, headers: Mapping[str, str]) -> None:
        self._origin = origin
        self._headers = headers

    def __call__(self, message: str) -> Broken:
        return Broken(self._origin.endpoint, message, request_id=request_id_of(self._headers))


def _in_order(body: JsonObject) -> Sequence[Json]:
    """The vectors as they were sent, in the order of the texts.

    Raises:
        ValueError: the places that they say are not those of a list.
    """
    data = objects_at(body, "data")
    if not data:
        cohere = object_at(body, "embeddings").get("float", body.get("embeddings"))
        return cohere if isinstance(cohere, list) else []
    if not any("index" in each for each in data):
        return [each.get("embedding") for each in data]
    places = [count_at(each, "index") for each in data]
    by_place = {place: each.get("embedding") for place, each in zip(places, data, strict=True)}
    if set(by_place) != set(range(len(data))):
        raise ValueError(f"the {len(data)} vectors do not say the places 0 to {len(data) - 1}, each once")
    return [by_place[place] for place in range(len(data))]


def _vector(value: Json) -> tuple[float, ...]:
    """One vector.

    Raises:
        ValueError: it is neither a list of finite numbers nor base64 of some.
    """
    if isinstance(value, str):
        return _decoded(value)
    found = finite_vector(value)
    if not found:
        raise ValueError("a vector is no list of numbers")
    return found


def _decoded(text: str) -> tuple[float, ...]:
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"a vector is no base64 ({error})") from error
    if len(content) % _FLOAT_BYTES == 0:
        floats = struct.unpack(f"<{len(content) // _FLOAT_BYTES}f", content)
        if all(_plausible(each) for each in floats):
            return floats
    return tuple(float(each) for each in struct.unpack(f"{len(content)}b", content))


def _plausible(component: float) -> bool:
    return component == 0 or (math.isfinite(component) and _SMALLEST < abs(component) < _LARGEST)


def _usage(body: JsonObject) -> Usage:
    """Tokens of the texts; nothing is generated, so the output is zero where the input is known."""
    usage = usage_of(body)
    if usage.input_tokens is None:
        usage = Usage(input_tokens=count_at(object_at(body, "meta", "billed_units"), "input_tokens"))
    return usage if usage.input_tokens is None else replace(usage, output_tokens=usage.output_tokens or 0)
