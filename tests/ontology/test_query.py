"""The query language: what it finds, and how it answers a mistake."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontology.entities import AsOf, Batch, Provenance, Statement
from ontology.entity_store import EntityStore
from ontology.exceptions import QueryInvalid
from ontology.patterns import LinkPattern, Pattern
from ontology.query import Answers, ask, parse_query
from ontology.schema import load_schema
from ontology.validation import identified_entity

SCHEMA = load_schema(Path(__file__).with_name("licences.yaml"))


def thing(type_name: str, **properties):
    return identified_entity(SCHEMA, organisation="acme", type_name=type_name, properties=properties)


@pytest.fixture
def filled(store: EntityStore) -> EntityStore:
    requests = thing("Package", name="requests", version="2.0", downloads=5)
    flake = thing("Plugin", name="flake x", version="1")
    mit, gpl = thing("License", name="MIT License", spdx="MIT"), thing("License", name="GNU GPL", spdx="GPL-3.0")
    notice = thing("Obligation", text="Keep the notice")

    def link(subject, name: str, other) -> Statement:
        return Statement(subject_id=subject.entity_id, property=name, object_id=other.entity_id)

    store.write(
        Batch(
            organisation="acme",
            principal="ada",
            provenance=Provenance(source="test"),
            entities=(requests, flake, mit, gpl, notice),
            statements=(
                link(requests, "has_license", mit),
                link(flake, "has_license", gpl),
                link(flake, "depends_on", requests),
                link(mit, "imposes", notice),
            ),
        )
    )
    return store


def answers(store: EntityStore, query: str, **options) -> Answers:
    return ask(store, "acme", parse_query(query, SCHEMA), **options)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["GPL-3.0", "MIT", "Keep the notice", "requests 2.0", "flake x 1"]),
        ("*", ["GPL-3.0", "MIT", "Keep the notice", "requests 2.0", "flake x 1"]),
        ("Package", ["requests 2.0", "flake x 1"]),
        ("Plugin", ["flake x 1"]),
        ("Package name=requests", ["requests 2.0"]),
        ('Package name="flake x"', ["flake x 1"]),
        ("Package name=requests name=other", ["requests 2.0"]),
        ("Package downloads=5", ["requests 2.0"]),
        ('Package downloads="5"', []),
        ("Package version=2.0", ["requests 2.0"]),
        ("Package ~REQ", ["requests 2.0"]),
        ('~"keep notice"', ["Keep the notice"]),
        ("Package ->has_license License spdx=MIT", ["requests 2.0"]),
        ("Package->has_license License spdx=GPL-3.0", ["flake x 1"]),
        ("License <-has_license Plugin", ["GPL-3.0"]),
        ("License <- has_license", ["GPL-3.0", "MIT"]),
        ("Obligation <-imposes License <-has_license Package name=requests", ["Keep the notice"]),
        ("Obligation <-imposes * <-has_license * <-depends_on Plugin", ["Keep the notice"]),
        ("Package ->depends_on ->has_license License spdx=GPL-3.0", []),
    ],
)
def test_a_query_finds(filled: EntityStore, query: str, names: list[str]) -> None:
    assert [each.entity.name for each in answers(filled, query).answers] == names


def test_an_answer_names_what_its_links_lead_to_and_come_from(filled: EntityStore) -> None:
    (answer,) = answers(filled, "License spdx=MIT").answers

    assert [(each.direction, each.link.type, each.other_type, each.other_name) for each in answer.links] == [
        ("out", "imposes", "Obligation", "Keep the notice"),
        ("in", "has_license", "Package", "requests 2.0"),
    ]


def test_a_limit_says_that_there_is_more(filled: EntityStore) -> None:
    assert answers(filled, "*", limit=5).more is False
    limited = answers(filled, "*", limit=4)
    assert (len(limited.answers), limited.more) == (4, True)


def test_a_question_about_the_past_is_answered_from_it(filled: EntityStore, clock) -> None:
    before = clock()
    (answer,) = answers(filled, "Package name=requests").answers
    clock.forward(days=1)
    filled.retract("acme", answer.links[0].link.assertion_id, principal="ada", reason="wrong")

    query = "Package ->has_license License spdx=MIT"
    assert answers(filled, query).answers == ()
    assert [each.entity.name for each in answers(filled, query, as_of=AsOf(recorded_at=before)).answers] == [
        "requests 2.0"
    ]


@pytest.mark.parametrize(
    ("query", "column", "reason"),
    [
        ("Packge", 1, "'Packge' is no type of 'licences'; did you mean 'Package'?"),
        ("Package nam=x", 9, "'nam' is no property of Package; did you mean 'name'?"),
        ("  Package ->has_licence", 13, "'has_licence' is no link of Package; did you mean 'has_license'?"),
        ("License <-imposes Package", 11, "'imposes' is no link of Package"),
        ("Package ->has_license Licence", 23, "did you mean 'License'"),
        ("Package License", 9, "a type stands once"),
        ("name=x Package", 8, "a type stands once"),
        ('Package name="x', 9, "a quote is not closed"),
        ("Package name=", 9, "a value is missing"),
        ("Package -> ", 9, "an arrow is followed by the name of a link"),
        ("Package ?", 9, "expected a type"),
        ("Package name=a\x00b", 15, "a character that no database keeps"),
        (r'Package ~"\ud800"', 10, "a character that no database keeps"),
        (r'Package name="\q"', 15, "not a text in JSON's quotes"),
        ("Package" + " ->depends_on" * 9, 113, "ask in parts"),
    ],
)
def test_a_mistake_is_told_with_its_column_and_a_remedy(query: str, column: int, reason: str) -> None:
    with pytest.raises(QueryInvalid) as caught:
        parse_query(query, SCHEMA)

    assert reason in caught.value.reason
    assert caught.value.column == column
    assert str(caught.value).splitlines()[1].startswith(" " * (column - 1) + "^ ")


def test_without_a_schema_any_name_is_taken() -> None:
    assert parse_query("Thing a=1 ->likes") == Pattern(
        types=("Thing",), values={"a": ("1", 1, 1.0)}, links=(LinkPattern(types=("likes",)),)
    )


@given(st.text(max_size=60) | st.text('Package=->has_license<~"* \\x1', max_size=60))
def test_any_text_is_a_query_or_a_mistake_within_it(text: str) -> None:
    found = 1
    try:
        parse_query(text, SCHEMA)
    except QueryInvalid as error:
        found = error.column
    assert 1 <= found <= len(text) + 1
