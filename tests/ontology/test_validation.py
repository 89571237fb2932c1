"""What a type allows, and how an entity gets its identifier."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontology.entities import derive_entity_id
from ontology.exceptions import EntityInvalid
from ontology.schema import load_schema
from ontology.validation import entity_problems, identified_entity, link_problems

SCHEMA = load_schema(Path(__file__).with_name("licences.yaml"))


def package(**properties):
    given_ = {"name": "requests", "version": "2.0"} | properties
    return identified_entity(SCHEMA, organisation="acme", type_name="Package", properties=given_)


def test_the_same_identity_is_the_same_entity_whatever_else_is_said() -> None:
    one, same = package(), package(keyword=("http", "web"), audited=True)

    assert one.entity_id == same.entity_id
    assert one.entity_id.startswith("Package-")
    assert "requests" not in one.entity_id
    assert one.name == "requests 2.0"
    assert package(version="2.1").entity_id != one.entity_id


names = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)


@given(st.tuples(names, names, names, names), st.tuples(names, names, names, names))
def test_identifiers_are_equal_only_for_equal_organisation_type_and_identity(one, other) -> None:
    def derived(parts) -> str:
        organisation, type_name, name, version = parts
        return derive_entity_id(organisation, type_name, {"name": name, "version": version})

    assert (derived(one) == derived(other)) == (one == other)
    organisation, type_name, name, version = one
    assert derived(one) == derive_entity_id(organisation, type_name, {"version": version, "name": name})


def test_one_and_the_text_1_tell_two_things_apart() -> None:
    ids = {derive_entity_id("acme", "T", {"k": value}) for value in (1, "1", True, "true", 1.0)}
    assert len(ids) == 5


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"nam": "x"}, "'nam' is no property of 'Package'; did you mean 'name'?"),
        ({"has_license": "MIT"}, "'has_license' is a link"),
        ({"downloads": "5"}, "'downloads': '5' is no integer"),
        ({"downloads": True}, "'downloads': True is no integer"),
        ({"audited": 1}, "'audited': 1 is no boolean"),
        ({"score": "1"}, "'score': '1' is no float"),
        ({"released": "2026-13-01"}, "no date, such as"),
        ({"released": "20260101"}, "no date, such as"),
        ({"homepage": "not an address"}, "no absolute IRI"),
        ({"version": ("1", "2")}, "'version' can have one value, not 2"),
        ({"version": ()}, "'version' is missing"),
        ({"name": 5}, "'name': 5 is no text"),
    ],
)
def test_what_a_type_does_not_allow_is_refused_in_words(properties, reason: str) -> None:
    with pytest.raises(EntityInvalid) as caught:
        package(**properties)
    assert reason in str(caught.value)


def test_what_a_type_allows_is_taken() -> None:
    entity = package(downloads=5, score=1, audited=False, released="2026-01-31", homepage="https://a.org/b")

    assert entity.properties["score"] == (1.0,)
    assert isinstance(entity.latest("score"), float)
    assert entity_problems(SCHEMA, entity) == []


def test_words_outside_an_enumeration_are_answered_with_the_nearest() -> None:
    with pytest.raises(EntityInvalid, match="'permisive' is no Strength; did you mean 'permissive'"):
        identified_entity(
            SCHEMA,
            organisation="acme",
            type_name="License",
            properties={"name": "M", "spdx": "M", "strength": "permisive"},
        )


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(EntityInvalid) as caught:
        identified_entity(SCHEMA, organisation="acme", type_name="Package", properties={"zzz": 1, "downloads": "x"})
    assert str(caught.value).count(";") >= 3


def test_unknown_and_abstract_types_are_refused() -> None:
    with pytest.raises(EntityInvalid, match="did you mean 'Package'"):
        identified_entity(SCHEMA, organisation="acme", type_name="Packge", properties={})
    with pytest.raises(EntityInvalid, match="abstract"):
        identified_entity(SCHEMA, organisation="acme", type_name="Named", properties={"name": "x"})


def test_a_link_joins_the_types_its_schema_names_and_their_kinds() -> None:
    assert link_problems(SCHEMA, "Package", "has_license", "License") == []
    assert link_problems(SCHEMA, "Plugin", "depends_on", "Plugin") == []
    assert link_problems(SCHEMA, "Package", "has_licence", "License") == [
        "'has_licence' is no link of 'Package'; did you mean 'has_license'?"
    ]
    assert link_problems(SCHEMA, "License", "has_license", "Package") == [
        "'has_license' is no link of 'License'; known here: imposes"
    ]
    assert link_problems(SCHEMA, "Package", "has_license", "Package") == [
        "'has_license' leads from 'Package' to 'License', not to 'Package'"
    ]
    assert len(link_problems(SCHEMA, "Nothing", "has_license", "Nowhere")) == 2
