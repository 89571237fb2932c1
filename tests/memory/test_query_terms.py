import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.query_terms import MAX_TERMS, query_terms


def test_question_words_are_dropped():
    assert query_terms("When did Ada move to Paris?") == ["when", "ada", "move", "paris"][1:]


def test_a_query_of_question_words_alone_keeps_them():
    assert query_terms("who are you") == ["who", "are", "you"]


@pytest.mark.parametrize("query", ['text:"x" OR *', "NEAR(a b)", "-a ^b", "' OR 1=1 --", "a AND (b"])
def test_operators_do_not_come_through(query):
    assert all(term.isalnum() for term in query_terms(query))


@given(st.text())
def test_any_text_gives_a_bounded_number_of_plain_words(query):
    terms = query_terms(query)
    assert len(terms) <= MAX_TERMS
    assert len(set(terms)) == len(terms)
    assert all('"' not in term and "\x00" not in term and term.encode() for term in terms)
