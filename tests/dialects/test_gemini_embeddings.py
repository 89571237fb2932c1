import json

import pytest
from google.genai import types

from harness.dialects.gemini.embeddings import GeminiEmbeddings
from harness.dialects.wire import WireResponse
from harness.exceptions import Broken, KeyRefused, RateLimited, RequestRefused
from harness.models.catalogue import Endpoint, Model
from harness.models.embeddings import EmbeddingRequest
from tests import recorded_traffic
from tests.dialects.wire_targets import origin_of, target_of

EMBEDDINGS = GeminiEmbeddings()
OURS = origin_of("gemini", model="asked")


def sent(request, *, model="gemini-embedding-001", api_key="k", **quirks):
    endpoint = Endpoint(dialect="gemini", base_url="http://x/v1beta", quirks=quirks)
    model = Model(endpoint="there", wire_name=model, context_tokens=100)
    return EMBEDDINGS.encode_texts(request, target_of(model, endpoint, base_url="http://x/v1beta", api_key=api_key))


def vectors(answer, texts=1):
    return EMBEDDINGS.decode_vectors(WireResponse(200, {}, json.dumps(answer).encode()), OURS, texts=texts)


def test_the_gemini_api_is_asked_for_a_batch():
    wire = sent(EmbeddingRequest(texts=("a", "b"), purpose="query", dimensions=8))
    assert wire.url == "http://x/v1beta/models/gemini-embedding-001:batchEmbedContents"
    assert wire.headers["x-goog-api-key"] == "k"
    asked = json.loads(wire.body)["requests"]
    assert asked == [
        {
            "model": "models/gemini-embedding-001",
            "content": {"parts": [{"text": text}]},
            "taskType": "RETRIEVAL_QUERY",
            "outputDimensionality": 8,
        }
        for text in "ab"
    ]
    for each in asked:
        types.Content.model_validate(each.pop("content"))
        each.pop("model")
        types.EmbedContentConfig.model_validate(each)


def test_what_was_not_asked_is_not_sent():
    assert json.loads(sent(EmbeddingRequest(texts=("a",))).body)["requests"][0].keys() == {"model", "content"}
    body = json.loads(sent(EmbeddingRequest(texts=("a",)), served_by="vertex", model="text-embedding-005").body)
    assert body == {"instances": [{"content": "a"}]}


def test_vertex_is_asked_to_predict_and_its_newer_models_for_one_content():
    request = EmbeddingRequest(texts=("a",), purpose="document", dimensions=8)
    wire = sent(request, model="text-embedding-005", served_by="vertex", api_key=None)
    assert wire.url.endswith("/models/text-embedding-005:predict")
    assert "x-goog-api-key" not in wire.headers
    assert json.loads(wire.body) == {
        "instances": [{"content": "a", "task_type": "RETRIEVAL_DOCUMENT"}],
        "parameters": {"outputDimensionality": 8},
    }
    assert sent(request, served_by="vertex").url.endswith("gemini-embedding-001:predict")
    newer = sent(request, model="gemini-embedding-2-preview", served_by="vertex")
    assert newer.url.endswith("/models/gemini-embedding-2-preview:embedContent")
    assert json.loads(newer.body) == {
        "content": {"parts": [{"text": "a"}]},
        "embedContentConfig": {"taskType": "RETRIEVAL_DOCUMENT", "outputDimensionality": 8},
    }


@pytest.mark.parametrize(
    ("name", "served_by", "count"),
    [
        ("gemini-embedding-001", "gemini", 100),
        ("gemini-embedding-001", "vertex", 1),
        ("text-embedding-005", "vertex", 5),
    ],
)
def test_a_request_holds_as_many_texts_as_the_service_takes(name, served_by, count):
    model = Model(endpoint="there", wire_name=name, context_tokens=9)
    endpoint = Endpoint(dialect="gemini", base_url="http://x", quirks={"served_by": served_by})
    assert EMBEDDINGS.texts_at_once(model, endpoint) == count
    assert EMBEDDINGS.texts_at_once(model) == 100


def test_vectors_come_in_order_from_each_of_the_three_methods():
    batch = vectors({"embeddings": [{"values": [1, 2.5]}, {"values": [3, 4]}]}, texts=2)
    assert batch.vectors == ((1.0, 2.5), (3.0, 4.0))
    assert (batch.model, batch.usage.input_tokens, batch.usage.output_tokens) == ("asked", None, None)
    counted = [{"embeddings": {"values": [n], "statistics": {"token_count": n}}} for n in (2, 3)]
    predicted = vectors({"predictions": counted}, texts=2)
    assert predicted.vectors == ((2.0,), (3.0,))
    assert (predicted.usage.input_tokens, predicted.usage.output_tokens) == (5, 0)
    single = vectors({"embedding": {"values": [1]}, "usageMetadata": {"promptTokenCount": 4}})
    assert (single.vectors, single.usage.input_tokens) == (((1.0,),), 4)


def test_tokens_that_are_not_counted_for_each_text_are_unknown():
    counted = [{"embeddings": {"values": [1], "statistics": {"token_count": 2}}}, {"embeddings": {"values": [1]}}]
    assert vectors({"predictions": counted}, texts=2).usage.input_tokens is None


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"embeddings": []},
        {"embeddings": [{"values": [1]}]},
        {"embeddings": [{"values": [1]}, {"values": [1, 2]}]},
        {"embeddings": [{"values": []}, {"values": []}]},
        {"embeddings": [{"values": [1]}, {"values": ["x"]}]},
        {"embeddings": [{"values": [1]}, {"values": [True]}]},
        {"embeddings": [{"values": [1]}, {"values": [10**400]}]},
    ],
)
def test_anything_but_one_vector_a_text_of_one_width_is_broken(answer):
    with pytest.raises(Broken):
        vectors(answer, texts=2)


def test_an_answer_that_is_no_json_or_an_error_is_said_so():
    with pytest.raises(Broken):
        EMBEDDINGS.decode_vectors(WireResponse(200, {}, b"<html>"), OURS, texts=1)
    with pytest.raises(RateLimited):
        vectors({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "m"}})
    with pytest.raises(KeyRefused):
        sent(EmbeddingRequest(texts=("a",)), api_key="a\nb")


def test_recorded_vectors_are_those_of_an_independent_reading():
    records = recorded_traffic.recorded("gemini.embeddings")
    assert {record["status"] for record in records} == {200, 404}
    for record in records:
        response = recorded_traffic.response_of(record)
        if record["status"] != 200:
            assert type(EMBEDDINGS.error(response, "there")) is RequestRefused
            continue
        body = json.loads(record["body"])
        found = body.get("embeddings") or [each["embeddings"] for each in body["predictions"]]
        counts = [each["statistics"]["token_count"] for each in found if "statistics" in each]
        reply = EMBEDDINGS.decode_vectors(response, OURS, texts=len(found))
        assert reply.vectors == tuple(tuple(map(float, each["values"])) for each in found), record["id"]
        assert reply.usage.input_tokens == (sum(counts) if counts else None), record["id"]
