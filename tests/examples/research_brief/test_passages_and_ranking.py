"""Documents in passages, and which of them have the words of a query."""

from hypothesis import given
from hypothesis import strategies as st

from examples.research_brief.documents import Document
from examples.research_brief.passages import PASSAGE_CHARACTERS, Passage, passages_of
from examples.research_brief.ranking import MOST_OF_ONE_SOURCE, Ranking, terms


def passages(text):
    return list(passages_of(Document(source="docs/a.md", text=text)))


def test_a_passage_says_under_which_heading_it_stands():
    found = passages("before\n\n# One\n\nfirst\n\nsecond\n\n```\n# no heading\n```\n## Two ##\nthird")
    assert [(each.place, each.text) for each in found] == [
        ("start", "before"),
        ("One", "first\n\nsecond\n\n```\n# no heading\n```"),
        ("Two", "third"),
    ]


@given(st.text(alphabet="ab# \n`", max_size=3000))
def test_every_word_of_a_document_is_in_a_passage_once_and_none_is_too_long(text):
    found = passages(text)
    assert all(0 < len(each.text) <= PASSAGE_CHARACTERS for each in found)
    shown = "".join("".join(each.text.split()) for each in found)
    kept = "".join(text.split())
    assert len(shown) <= len(kept)
    if "#" not in text:
        assert shown == kept


def test_words_in_lower_case_without_their_commonest_endings():
    assert terms("Resumed runs, RESUMING a run's pass_word") == [
        "resum",
        "run",
        "resum",
        "a",
        "run",
        "s",
        "pas",
        "word",
    ]


def a_passage(text, source="a", place="start"):
    return Passage(source=source, place=place, text=text)


def test_the_rarer_word_counts_more_and_what_has_none_is_left_out():
    ranking = Ranking(
        [
            a_passage("run run run", "docs/1"),
            a_passage("run checkpoint", "docs/2"),
            a_passage("run it", "docs/3"),
            a_passage("else", "docs/4"),
        ]
    )
    assert ranking.best("checkpoint of a run", 9)[0].source == "docs/2"
    assert "docs/4" not in {each.source for each in ranking.best("run", 9)}
    assert ranking.best("nothing there", 3) == ()


def test_one_source_does_not_fill_the_answer():
    ranking = Ranking([*(a_passage(f"run {n}", "a") for n in range(9)), a_passage("run and other things", "b")])
    found = [each.source for each in ranking.best("run", 6)]
    assert found.count("a") == MOST_OF_ONE_SOURCE
    assert "b" in found


def test_a_heading_and_a_name_can_be_searched_too():
    ranking = Ranking([a_passage("it is so", "package:httpx"), a_passage("it is so", "docs/b.md", "Retries")])
    assert [each.source for each in ranking.best("httpx", 3)] == ["package:httpx"]
    assert [each.source for each in ranking.best("retry retries", 3)] == ["docs/b.md"]


def test_nothing_to_search_finds_nothing():
    assert Ranking([]).best("run", 3) == ()
