import json

import pytest

from harness.dialects.bedrock_converse.embeddings import BedrockEmbeddings
from harness.dialects.wire import WireResponse
from harness.exceptions import Broken, ConfigurationInvalid, KeyRefused, RateLimited
from harness.models.catalogue import Endpoint, Model
from harness.models.embeddings import EmbeddingRequest
from harness.models.usage import Usage
from tests import recorded_traffic
from tests.dialects.wire_targets import origin_of, target_of

EMBEDDINGS = BedrockEmbeddings()
URL = "https://bedrock-runtime.us-east-1.amazonaws.com"
ORIGIN = origin_of("bedrock_converse", model="amazon.titan-embed-text-v2:0")
TITAN_1, TITAN_2 = "amazon.titan-embed-text-v1", "amazon.titan-embed-text-v2:0"
COHERE_3, COHERE_4 = "cohere.embed-english-v3", "us.cohere.embed-v4:0"
NOVA = "amazon.nova-2-multimodal-embeddings-v1:0"


def encoded(request, model, *, api_key=None, **quirks):
    endpoint = Endpoint(dialect="bedrock_converse", base_url=URL, quirks=quirks, timeout_seconds=7)
    named = Model(endpoint="there", wire_name=model, context_tokens=8000)
    return EMBEDDINGS.encode_texts(request, target_of(named, endpoint, base_url=URL, api_key=api_key))


def decoded(answer, *, texts=1, headers=None):
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return EMBEDDINGS.decode_vectors(WireResponse(200, headers or {}, body), ORIGIN, texts=texts)


@pytest.mark.parametrize(
    ("model", "asked", "body"),
    [
        (TITAN_1, {"dimensions": 256}, {"inputText": "a"}),
        (TITAN_2, {}, {"inputText": "a", "normalize": True}),
        (TITAN_2, {"dimensions": 256}, {"inputText": "a", "normalize": True, "dimensions": 256}),
        (COHERE_3, {"dimensions": 256}, {"texts": ["a"], "input_type": "search_document", "truncate": "NONE"}),
        (
            COHERE_4,
            {"dimensions": 512, "purpose": "query"},
            {"texts": ["a"], "input_type": "search_query", "truncate": "NONE", "output_dimension": 512},
        ),
        (
            NOVA,
            {"dimensions": 384, "purpose": "query"},
            {
                "taskType": "SINGLE_EMBEDDING",
                "singleEmbeddingParams": {
                    "embeddingPurpose": "GENERIC_RETRIEVAL",
                    "text": {"truncationMode": "NONE", "value": "a"},
                    "embeddingDimension": 384,
                },
            },
        ),
    ],
)
def test_each_vendors_models_get_their_own_body(model, asked, body):
    assert json.loads(encoded(EmbeddingRequest(texts=("a",), **asked), model).body) == body


def test_a_request_goes_to_the_models_own_address_with_the_key():
    wire = encoded(EmbeddingRequest(texts=("a",)), TITAN_2, api_key="k")
    assert (wire.method, wire.url) == ("POST", f"{URL}/model/amazon.titan-embed-text-v2%3A0/invoke")
    assert (wire.headers["authorization"], wire.timeout_seconds) == ("Bearer k", 7)
    with pytest.raises(KeyRefused):
        encoded(EmbeddingRequest(texts=("a",)), TITAN_2, api_key="k\nk")


@pytest.mark.parametrize(("model", "most"), [(TITAN_2, 1), (COHERE_3, 96), (COHERE_4, 96), (NOVA, 1), ("arn:x", 1)])
def test_how_many_texts_go_at_once_follows_the_model(model, most):
    assert EMBEDDINGS.texts_at_once(Model(endpoint="there", wire_name=model, context_tokens=1)) == most


def test_a_model_that_nobody_knows_needs_a_quirk():
    request = EmbeddingRequest(texts=("a",))
    with pytest.raises(ConfigurationInvalid, match="titan_v2"):
        encoded(request, "arn:aws:bedrock:x")
    assert json.loads(encoded(request, "arn:aws:bedrock:x", embeddings="titan_v1").body) == {"inputText": "a"}
    assert "texts" in json.loads(encoded(request, "arn:aws:bedrock:x", known_as=COHERE_3).body)


def test_several_texts_for_a_model_that_takes_one_are_refused():
    with pytest.raises(ConfigurationInvalid, match="texts_at_once"):
        encoded(EmbeddingRequest(texts=("a", "b")), TITAN_2)


def test_vectors_come_in_the_order_of_the_texts_with_what_they_used():
    headers = {"x-amzn-bedrock-input-token-count": "5", "x-amzn-requestid": "r-1"}
    reply = decoded({"embeddings": [[1, 2.5], [3, 4]]}, texts=2, headers=headers)
    assert (reply.vectors, reply.usage) == (((1.0, 2.5), (3.0, 4.0)), Usage(input_tokens=5, output_tokens=0))
    assert (reply.model, reply.request_id) == (ORIGIN.model, "r-1")
    assert decoded({"embedding": [0.5], "inputTextTokenCount": 4}).usage.input_tokens == 4
    assert decoded({"embeddings": {"float": [[1, 2]]}}).vectors == ((1.0, 2.0),)
    assert decoded({"embeddings": [{"embeddingType": "TEXT", "embedding": [1]}]}).vectors == ((1.0,),)


@pytest.mark.parametrize("headers", [{}, {"x-amzn-bedrock-input-token-count": "-1"}])
def test_usage_that_was_not_given_is_unknown(headers):
    assert decoded({"embedding": [1]}, headers=headers).usage == Usage()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        {},
        {"embedding": []},
        {"embedding": ["a"]},
        {"embedding": [True]},
        b'{"embedding": [NaN]}',
        {"embeddings": [[1], [2]]},
        {"embeddings": {"int8": [[1]]}},
        {"embeddings": 3},
    ],
)
def test_what_is_no_vector_for_each_text_is_broken(answer):
    with pytest.raises(Broken):
        decoded(answer)


def test_vectors_of_several_widths_are_broken():
    with pytest.raises(Broken, match="widths"):
        decoded({"embeddings": [[1], [2, 3]]}, texts=2)


def test_errors_are_those_of_converse():
    response = WireResponse(429, {"x-amzn-errortype": "ThrottlingException"}, b'{"message": "slow"}')
    assert isinstance(EMBEDDINGS.error(response, "there"), RateLimited)


@pytest.fixture(scope="module")
def recorded_embeddings():
    records = recorded_traffic.recorded("bedrock.invoke")
    return [record for record in records if "embed" in record["model"] and record["status"] == 200]


def test_every_recorded_embedding_is_the_bodys(recorded_embeddings):
    assert len(recorded_embeddings) == 18
    for record in recorded_embeddings:
        request, answer = record["request"], json.loads(record["body"])
        texts = len(request["texts"]) if "texts" in request else 1
        found = answer.get("embeddings", answer.get("embedding"))
        if isinstance(found, dict):
            found = found["float"]
        if isinstance(found[0], dict):
            found = [each["embedding"] for each in found]
        expected = found if isinstance(found[0], list) else [found]
        reply = EMBEDDINGS.decode_vectors(recorded_traffic.response_of(record), ORIGIN, texts=texts)
        assert [list(vector) for vector in reply.vectors] == expected, record["id"]
        counted = record["response_headers"]["x-amzn-bedrock-input-token-count"]
        assert reply.usage.input_tokens == int(counted), record["id"]
        assert reply.usage.known
        with pytest.raises(Broken):
            EMBEDDINGS.decode_vectors(recorded_traffic.response_of(record), ORIGIN, texts=texts + 1)


def test_our_bodies_are_the_recorded_ones(recorded_embeddings):
    """What other clients sent for the same question, and was answered, is what we send; cutting is never asked for."""
    same = 0
    for record in recorded_embeddings:
        sent = record["request"]
        texts = sent.get("texts") or [sent.get("inputText") or sent["singleEmbeddingParams"]["text"]["value"]]
        purpose = "query" if "search_query" in str(sent) or "RETRIEVAL" in str(sent) else None
        asked = EmbeddingRequest(
            texts=tuple(texts), purpose=purpose, dimensions=sent.get("dimensions", sent.get("output_dimension"))
        )
        ours = json.loads(encoded(asked, record["model"]).body)
        assert set(sent) <= set(ours), record["id"]
        same += ours == sent
    assert same >= 10
