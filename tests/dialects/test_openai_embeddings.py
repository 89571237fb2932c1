"""Vectors in the order of the texts, whatever form they come in, and beside an independent reading of real answers."""

import base64
import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.embedding_create_params import EmbeddingCreateParams
from pydantic import TypeAdapter

from harness.dialects.openai_chat.embeddings import OpenAIEmbeddings
from harness.dialects.wire import WireResponse
from harness.exceptions import Broken, ConfigurationInvalid, QuotaSpent, RequestRefused
from harness.models.catalogue import Endpoint, Model, builtin_catalogue
from harness.models.embeddings import EmbeddingRequest
from harness.models.usage import Usage
from tests import recorded_traffic
from tests.dialects.wire_targets import origin_of, target_of

EMBEDDINGS = OpenAIEmbeddings()
MODEL = Model(endpoint="there", wire_name="embed/a:b", context_tokens=100)


def encoded(request, **quirks):
    endpoint = Endpoint(base_url="http://x/v1", quirks=quirks)
    return EMBEDDINGS.encode_texts(request, target_of(MODEL, endpoint, base_url="http://y/v1/", api_key="k"))


def decoded(body, texts, headers=None):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return EMBEDDINGS.decode_vectors(WireResponse(200, headers or {}, body), origin_of(), texts=texts)


def as_base64(numbers, form="f"):
    return base64.b64encode(struct.pack(f"<{len(numbers)}{form}", *numbers)).decode()


def answer(*vectors, **more):
    return {"data": [{"index": place, "embedding": vector} for place, vector in enumerate(vectors)], **more}


def test_a_request_holds_the_texts_and_what_was_asked_and_nothing_else():
    wire = encoded(EmbeddingRequest(texts=("a", "Grüße"), purpose="query"))
    assert (wire.method, wire.url, wire.headers["authorization"]) == ("POST", "http://y/v1/embeddings", "Bearer k")
    assert json.loads(wire.body) == {"model": "embed/a:b", "input": ["a", "Grüße"]}
    more = encoded(
        EmbeddingRequest(texts=("a",), purpose="document", dimensions=8),
        embedding_format="base64",
        purpose_field="input_type",
        dimensions_field="output_dimension",
        embeddings_path="deployments/{model}/embeddings",
        query="api-version=1",
    )
    assert more.url == "http://y/v1/deployments/embed%2Fa%3Ab/embeddings?api-version=1"
    assert json.loads(more.body) == {
        "model": "embed/a:b",
        "input": ["a"],
        "output_dimension": 8,
        "encoding_format": "base64",
        "input_type": "document",
    }


def test_openais_own_types_know_every_field_of_a_body():
    quirks = dict(builtin_catalogue().endpoints["openai"].quirks)
    body = json.loads(encoded(EmbeddingRequest(texts=("a", "b"), dimensions=8), **quirks).body)
    checked = TypeAdapter(EmbeddingCreateParams).validate_python(body)
    assert {**checked, "input": list(checked["input"])} == body


def test_how_many_texts_go_at_once_is_said_by_the_endpoint():
    assert EMBEDDINGS.texts_at_once(MODEL) == 2048
    assert EMBEDDINGS.texts_at_once(MODEL, Endpoint(base_url="http://x", quirks={"texts_at_once": "16"})) == 16
    with pytest.raises(ConfigurationInvalid, match="texts_at_onze"):
        EMBEDDINGS.texts_at_once(MODEL, Endpoint(base_url="http://x", quirks={"texts_at_onze": "16"}))


def test_vectors_stand_in_the_order_of_their_texts():
    data = [{"index": 1, "embedding": [2, 2.5]}, {"index": 0, "embedding": [1.0, 1.5]}]
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    reply = decoded({"model": "m", "data": data, "usage": usage}, 2, {"x-request-id": "req_1"})
    assert reply.vectors == ((1.0, 1.5), (2.0, 2.5))
    assert (reply.usage, reply.model, reply.request_id) == (Usage(7, 0), "m", "req_1")


def test_usage_that_was_not_given_is_unknown():
    reply = decoded(answer([1.0]), 1)
    assert reply.usage == Usage()
    assert reply.model == "wire"


def test_coheres_own_answer_is_read_too():
    body = {"embeddings": {"float": [[1.0], [2.0]]}, "meta": {"billed_units": {"input_tokens": 4}}}
    reply = decoded(body, 2)
    assert (reply.vectors, reply.usage) == (((1.0,), (2.0,)), Usage(4, 0))


components = st.floats(-1, 1, width=32).filter(lambda each: each == 0 or abs(each) > 1e-15)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(components, min_size=1, max_size=40))
def test_floats_in_base64_are_the_same_numbers(numbers):
    assert decoded(answer(as_base64(numbers)), 1).vectors == (tuple(numbers),)


def test_signed_bytes_in_base64_are_not_taken_for_floats():
    numbers = [(place * 37) % 255 - 127 for place in range(256)]
    assert decoded(answer(as_base64(numbers, "b")), 1).vectors == (tuple(map(float, numbers)),)
    assert decoded(answer(as_base64([1, -2, 3], "b")), 1).vectors == ((1.0, -2.0, 3.0),)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[1]",
        {},
        {"data": []},
        answer([1.0]),
        answer([1.0], [1.0], [1.0]),
        answer([1.0], [1.0, 2.0]),
        answer([], []),
        answer([1.0], ["1"]),
        answer([1.0], [True]),
        answer([1.0], None),
        answer([1.0], "no base64!"),
        b'{"data": [{"index": 0, "embedding": [NaN]}, {"index": 1, "embedding": [1.0]}]}',
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}]},
        {"data": [{"index": 1, "embedding": [1.0]}, {"index": 2, "embedding": [1.0]}]},
        {"data": [{"index": 1, "embedding": [1.0]}, {"embedding": [1.0]}]},
    ],
)
def test_an_answer_that_is_not_one_vector_for_each_text_is_broken(body):
    with pytest.raises(Broken):
        decoded(body, 2)


def test_an_error_in_spite_of_its_status_is_that_error():
    with pytest.raises(QuotaSpent):
        decoded({"error": {"message": "m", "code": "insufficient_quota"}}, 1)


def test_every_recorded_answer_says_the_same_as_an_independent_reading():
    records = recorded_traffic.recorded("embeddings")
    read = 0
    for record in records:
        response = recorded_traffic.response_of(record)
        if record["status"] != 200:
            assert type(EMBEDDINGS.error(response, "there")).__name__ in ("RequestRefused", "KeyRefused"), record["id"]
            continue
        body, asked = json.loads(record["body"]), record["request"]
        texts = asked.get("input", asked.get("texts"))
        reply = EMBEDDINGS.decode_vectors(response, origin_of(), texts=len(texts) if isinstance(texts, list) else 1)
        assert reply.vectors == expected_vectors(record, body), record["id"]
        tokens = (body.get("usage") or {}).get(
            "prompt_tokens", body.get("meta", {}).get("billed_units", {}).get("input_tokens")
        )
        assert (reply.usage.input_tokens, reply.usage.output_tokens) == (tokens, 0), record["id"]
        read += 1
    assert read >= 14


def expected_vectors(record, body):
    if "data" not in body:
        return tuple(tuple(vector) for vector in body["embeddings"]["float"])
    rows = sorted(body["data"], key=lambda row: row["index"])
    return tuple(expected_vector(record, row["embedding"]) for row in rows)


def expected_vector(record, value):
    if isinstance(value, list):
        return tuple(value)
    packed = base64.b64decode(value)
    if record["provider"] == "perplexity":
        return tuple(map(float, struct.unpack(f"{len(packed)}b", packed)))
    return struct.unpack(f"<{len(packed) // 4}f", packed)


def test_a_model_that_is_not_there_is_refused():
    body = b'{"error": {"code": "model_not_found", "message": "no such model", "type": "invalid_request_error"}}'
    assert type(EMBEDDINGS.error(WireResponse(404, {}, body), "there")) is RequestRefused
