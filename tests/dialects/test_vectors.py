"""Vectors that no float holds are no vectors, whoever sent them."""

import json

import pytest

from harness.dialects.known_dialects import EMBEDDING_DIALECTS
from harness.dialects.vectors import finite_vector
from harness.dialects.wire import WireResponse
from harness.exceptions import Broken
from harness.models.catalogue import DialectName
from tests.dialects.wire_targets import origin_of

HUGE = 10**400


@pytest.mark.parametrize("value", [[HUGE], [1, None], [1, True], ["a"], "AAAA", None, [], {}])
def test_what_is_no_list_of_numbers_is_empty(value):
    assert finite_vector(value) == ()


def test_numbers_become_floats():
    assert finite_vector([1, -0.5]) == (1.0, -0.5)


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (DialectName.OPENAI_CHAT, {"data": [{"embedding": [HUGE]}]}),
        (DialectName.OPENAI_CHAT, {"embeddings": [[HUGE]]}),
        (DialectName.GEMINI, {"embeddings": [{"values": [HUGE]}]}),
        (DialectName.GEMINI, {"predictions": [{"embeddings": {"values": [HUGE]}}]}),
        (DialectName.BEDROCK_CONVERSE, {"embedding": [HUGE]}),
        (DialectName.BEDROCK_CONVERSE, {"embeddings": [[HUGE]]}),
    ],
)
def test_a_number_beyond_floats_is_a_broken_answer(dialect, body):
    with pytest.raises(Broken):
        EMBEDDING_DIALECTS[dialect].decode_vectors(
            WireResponse(200, {}, json.dumps(body).encode()), origin_of(), texts=1
        )
