"""Vectors in the journal come back as they were handed out, and what is no vector is refused."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.metering.packed_vectors import PackedVectors
from harness.models.embeddings import EmbeddingReply
from harness.models.usage import Usage

numbers = st.floats(-1e30, 1e30, allow_nan=False)
vectors = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(numbers, min_size=width, max_size=width), min_size=1, max_size=5)
)


def reply_of(rows, usage=None):
    return EmbeddingReply(vectors=tuple(map(tuple, rows)), usage=usage or Usage(7, 0), model="m", request_id="r")


@given(vectors)
def test_vectors_are_rounded_to_float32_once_and_kept_through_json(rows):
    packed = PackedVectors.of(reply_of(rows))
    expected = tuple(tuple(array("f", row)) for row in rows)
    assert packed.vectors() == expected
    again = PackedVectors.model_validate_json(packed.model_dump_json())
    assert again == packed
    assert again.vectors() == expected
    assert PackedVectors.of(reply_of(expected)).float32 == packed.float32
    assert (again.usage, again.model, again.request_id) == (Usage(7, 0), "m", "r")


def test_the_journal_s_bytes_are_little_endian_floats():
    assert PackedVectors.of(reply_of([[1.0], [-2.0]])).float32 == "AACAPwAAAMA="  # 0000803f 000000c0


@pytest.mark.parametrize("rows", [[], [[]], [[1.0], []], [[1.0, 2.0], [1.0]], [[1e39]], [[float("nan")]]])
def test_what_is_no_vector_in_float32_is_refused(rows):
    with pytest.raises(ValueError, match=r"width|finite"):
        PackedVectors.of(reply_of(rows))


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (Usage(7), Usage(7, 0)),
        (Usage(7, 2), Usage(7, 2)),
        (Usage(), Usage()),
        (Usage(7, None, cache_read_tokens=3), Usage(7, 0, cache_read_tokens=3)),
    ],
)
def test_no_output_is_known_to_be_none_only_where_the_input_is_known(said, kept):
    assert PackedVectors.of(reply_of([[1.0]], said)).usage == kept
