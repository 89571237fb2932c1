import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.ranking import fuse, scaled

SCORES = st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.floats(0, 100), max_size=12)


def test_what_both_find_stands_before_what_one_finds_better():
    ranked = fuse({"both": 8.0, "words": 10.0, "weak": 0.0}, {"both": 0.9, "meaning": 1.0, "far": 0.1})
    assert ranked[0].id == "both"
    assert {candidate.id: candidate.dense for candidate in ranked}["words"] is None


def test_the_weight_decides_between_words_and_meaning():
    words, meaning = {"w": 5.0, "m": 1.0}, {"m": 0.9, "w": 0.1}
    assert fuse(words, meaning, lexical_weight=0.9)[0].id == "w"
    assert fuse(words, meaning, lexical_weight=0.1)[0].id == "m"


def test_equal_scores_are_all_the_best():
    assert scaled({"a": 2.0, "b": 2.0}) == {"a": 1.0, "b": 1.0}
    assert scaled({}) == {}


def test_a_floor_keeps_the_worst_candidate_above_nothing():
    assert scaled({"a": 4.0, "b": 1.0}, floor=0.0) == {"a": 1.0, "b": pytest.approx(0.25)}


@given(lexical=SCORES, dense=SCORES)
def test_every_candidate_is_ranked_once_and_in_an_order_that_never_depends_on_chance(lexical, dense):
    ranked = fuse(lexical, dense)
    assert sorted(candidate.id for candidate in ranked) == sorted(lexical.keys() | dense.keys())
    assert all(0.0 <= candidate.score <= 1.0 for candidate in ranked)
    turned = fuse(dict(reversed(lexical.items())), dict(reversed(dense.items())))
    assert turned == ranked


@given(scores=SCORES, factor=st.floats(0.5, 20))
def test_the_unit_of_a_score_does_not_matter(scores, factor):
    larger = scaled({key: score * factor for key, score in scores.items()}, floor=0.0)
    assert larger == pytest.approx(scaled(scores, floor=0.0), abs=1e-9)
