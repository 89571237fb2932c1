"""A quote stands in the source it names, or what rests on it is refused."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from examples.research_brief.answers import Answer, check_answer
from examples.research_brief.citations import check_citations, one_space, why_refused

QUOTE = "The gate opens at nine and closes at five."


@pytest.fixture
def check(gathered, install, context):
    install("painted", "The gate was painted in the year of the flood.")
    gathered()
    return lambda *paragraphs: check_citations({"paragraphs": list(paragraphs)}, "gates", context)


def paragraph(text="It opens at nine.", *citations, source="docs/gate.md", quote=QUOTE):
    return {"text": text, "citations": list(citations) or [{"source": source, "quote": quote}]}


def test_a_quote_stands_however_it_is_broken_into_lines(check):
    brief = check(paragraph(quote="The gate\n opens   at nine"))
    assert [each.citations for each in brief.paragraphs] == [(1,)]
    assert brief.citations[0].quote == "The gate opens at nine"
    assert not brief.refused


@pytest.mark.parametrize(
    ("source", "quote", "reason"),
    [
        ("docs/gate.md", "The gate opens at ten", "does not stand"),
        ("docs/gate.md", "the gate opens at nine", "does not stand"),
        ("docs/gate.md", "The gate was painted in the year", "does not stand"),
        ("docs/other.md", QUOTE, "there is no source"),
        ("docs/../docs/gate.md", QUOTE, "there is no source"),
        ("docs/gate.md", "The gate", "less than 4 words"),
        ("docs/gate.md", "", "less than 4 words"),
    ],
)
def test_a_paragraph_whose_citation_does_not_stand_is_refused_and_listed(check, source, quote, reason):
    brief = check(paragraph(), paragraph("It says more.", source=source, quote=quote))
    assert [each.text for each in brief.paragraphs] == ["It opens at nine."]
    (refused,) = brief.refused
    assert refused.text == "It says more."
    assert reason in refused.reasons[0]


def test_one_citation_that_does_not_stand_is_enough(check):
    good, bad = {"source": "docs/gate.md", "quote": QUOTE}, {"source": "package:painted", "quote": QUOTE}
    assert check(paragraph("Both.", good, bad)).paragraphs == ()


def test_citations_are_numbered_in_their_order_each_once(check):
    painted = {"source": "package:painted", "quote": "painted in the year of"}
    gate = {"source": "docs/gate.md", "quote": QUOTE}
    brief = check(paragraph("a", gate), paragraph("b", painted, gate, painted))
    assert [each.citations for each in brief.paragraphs] == [(1,), (2, 1)]
    assert [(each.number, each.source) for each in brief.citations] == [(1, "docs/gate.md"), (2, "package:painted")]


@pytest.mark.parametrize(
    "nothing", [None, "a text", [], {"steps": []}, {"paragraphs": [{"text": "x"}]}, {"c": {"paragraphs": []}}]
)
def test_what_is_no_brief_is_refused_whole(gathered, context, nothing):
    gathered()
    brief = check_citations(nothing, "gates", context)
    assert (brief.paragraphs, brief.citations) == ((), ())
    assert brief.refused[0].reasons == ("the plan's last step wrote no brief",)


def test_a_paragraph_that_says_or_cites_nothing_is_refused(check):
    brief = check(paragraph(" \n"), {"text": "Trust me.", "citations": []})
    assert [each.reasons for each in brief.refused] == [("it says nothing",), ("it cites nothing",)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60), st.sampled_from(["docs/gate.md", "package:painted", "docs/x.md"]))
def test_what_is_kept_always_stands(quote, source):
    texts = {"docs/gate.md": QUOTE, "package:painted": "The gate was painted."}
    if why_refused(source, quote, texts) is None:
        assert one_space(quote) in texts[source]


def test_an_agents_answer_without_its_quote_is_no_answer(gathered, context):
    gathered()
    stands = check_answer(Answer(answer="At nine.", source="docs/gate.md", quote="The gate opens at nine"), context)
    assert (stands.stands, stands.answer, stands.reason) == (True, "At nine.", "")
    made_up = check_answer(Answer(answer="At ten.", source="docs/gate.md", quote="The gate opens at ten"), context)
    assert (made_up.stands, made_up.answer, made_up.source, made_up.quote) == (False, "", "", "")
    assert "does not stand" in made_up.reason
    assert not check_answer(Answer(answer=" ", source="docs/gate.md", quote=QUOTE), context).stands
