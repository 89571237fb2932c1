"""What every vector index promises; the exact one is the reference for the others."""

import numpy as np
import pytest

from memory.exact_index import ExactIndex
from memory.exceptions import VectorsRefused
from memory.spaces import EmbeddingSpace, collection_name

SPACE = EmbeddingSpace(name="eight", model_digest="a", dimensions=8, pooling="mean")
OTHER = EmbeddingSpace(name="another", model_digest="b", dimensions=8, pooling="mean")


def vectors(count, seed=0):
    return np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)


def test_the_nearest_come_first_with_their_cosine(index):
    stored = vectors(50)
    index.upsert("acme", SPACE, [str(n) for n in range(50)], stored)
    hits = index.query("acme", SPACE, stored[7] * 3, 5)
    assert hits[0].id == "7"
    assert hits[0].similarity == pytest.approx(1.0, abs=1e-5)
    assert [hit.similarity for hit in hits] == sorted((hit.similarity for hit in hits), reverse=True)
    lengths = np.linalg.norm(stored, axis=1)
    for hit in hits:
        row = int(hit.id)
        cosine = stored[row] @ stored[7] / lengths[row] / lengths[7]
        assert hit.similarity == pytest.approx(float(cosine), abs=1e-5)


def test_it_agrees_with_the_reference(index, tmp_path):
    reference = ExactIndex(tmp_path / "reference")
    for one in (index, reference):
        one.upsert("acme", SPACE, [str(n) for n in range(300)], vectors(300))
    for target in vectors(20, seed=1):
        expected = [hit.id for hit in reference.query("acme", SPACE, target, 10)]
        assert [hit.id for hit in index.query("acme", SPACE, target, 10)] == expected
    reference.close()


def test_an_id_written_again_has_its_new_vector(index):
    first, second = vectors(2)
    index.upsert("acme", SPACE, ["a"], first.reshape(1, -1))
    index.upsert("acme", SPACE, ["a"], second.reshape(1, -1))
    assert index.count("acme", SPACE) == 1
    assert index.query("acme", SPACE, second, 1)[0].similarity == pytest.approx(1.0, abs=1e-5)


def test_organisations_and_spaces_are_apart(index):
    row = vectors(1)
    index.upsert("acme", SPACE, ["a"], row)
    for organisation, space in (("bolt", SPACE), ("acme", OTHER)):
        assert index.query(organisation, space, row[0], 5) == []
        assert index.count(organisation, space) == 0
        assert index.ids(organisation, space) == []
        index.delete(organisation, space, ["a"])
        index.drop(organisation, space)
    assert index.ids("acme", SPACE) == ["a"]


def test_what_was_deleted_is_not_found(index):
    index.upsert("acme", SPACE, ["a", "b", "c"], vectors(3))
    index.delete("acme", SPACE, ["b", "never there"])
    assert sorted(index.ids("acme", SPACE)) == ["a", "c"]
    assert {hit.id for hit in index.query("acme", SPACE, vectors(3)[1], 3)} == {"a", "c"}


def test_a_dropped_collection_can_be_filled_anew(index):
    index.upsert("acme", SPACE, ["a"], vectors(1))
    index.drop("acme", SPACE)
    assert index.count("acme", SPACE) == 0
    index.upsert("acme", SPACE, ["b"], vectors(1))
    assert index.ids("acme", SPACE) == ["b"]


def test_asking_for_more_than_there_are_or_for_none(index):
    index.upsert("acme", SPACE, ["a", "b"], vectors(2))
    assert len(index.query("acme", SPACE, vectors(1)[0], 1_000_000)) == 2
    assert index.query("acme", SPACE, vectors(1)[0], 0) == []


def test_a_reopened_index_has_what_it_had(index, tmp_path):
    index.upsert("acme", SPACE, ["a", "b"], vectors(2))
    index.close()
    again = type(index)(tmp_path / "vectors")
    assert again.query("acme", SPACE, vectors(2)[1], 1)[0].id == "b"
    again.close()


def test_two_openings_of_the_exact_index_see_each_other(tmp_path):
    first, second = ExactIndex(tmp_path), ExactIndex(tmp_path)
    first.upsert("acme", SPACE, ["a"], vectors(1))
    assert len(second.query("acme", SPACE, vectors(1)[0], 5)) == 1
    first.upsert("acme", SPACE, ["b"], vectors(1, seed=3))
    assert len(second.query("acme", SPACE, vectors(1)[0], 5)) == 2
    first.close()
    second.close()


@pytest.mark.parametrize(
    "broken",
    [
        np.zeros((1, 7), np.float32),
        np.zeros((2, 8), np.float32),
        np.full((1, 8), np.nan, np.float32),
        np.full((1, 8), np.inf, np.float32),
    ],
)
def test_vectors_of_another_shape_or_without_a_value_are_refused(index, broken):
    with pytest.raises(VectorsRefused, match="eight"):
        index.upsert("acme", SPACE, ["a"], broken)
    assert index.count("acme", SPACE) == 0


def test_an_id_twice_in_a_batch_is_refused(index):
    with pytest.raises(VectorsRefused, match="twice"):
        index.upsert("acme", SPACE, ["a", "a"], vectors(2))


def test_a_vector_of_nothing_can_be_stored_and_asked_for(index):
    index.upsert("acme", SPACE, ["nothing", "a"], np.vstack([np.zeros((1, 8), np.float32), vectors(1)]))
    assert index.query("acme", SPACE, vectors(1)[0], 1)[0].id == "a"
    assert len(index.query("acme", SPACE, np.zeros(8, np.float32), 2)) == 2


def test_a_collection_is_named_by_a_digest_whatever_the_organisation_is_called():
    names = {collection_name(name, SPACE) for name in ("acme", "../../etc", "a" * 5000, "ÄÖ", "acme ")}
    assert len(names) == 5
    assert all(len(name) == 52 and name.isascii() and "/" not in name for name in names)


def test_the_space_is_told_by_the_model_and_not_by_its_name():
    same = EmbeddingSpace(name="renamed", model_digest="a", dimensions=8, pooling="mean")
    assert same.digest == SPACE.digest != OTHER.digest
