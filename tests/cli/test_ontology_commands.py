import pytest

from ontology import Batch, Provenance, Statement, identified_entity
from tests.cli.hello_project import HelloProject


@pytest.fixture
def project(tmp_path):
    project = HelloProject(tmp_path, ontology=True)
    house = project.house()
    assert house.schema is not None
    package = identified_entity(
        house.schema,
        organisation="default",
        type_name="Package",
        properties={"name": "requests", "version": "2.0", "keyword": ("http", "evil\u202e")},
    )
    licence = identified_entity(
        house.schema, organisation="default", type_name="License", properties={"name": "MIT License", "spdx": "MIT"}
    )
    link = Statement(subject_id=package.entity_id, property="has_license", object_id=licence.entity_id)
    house.entities.write(
        Batch(
            organisation="default",
            principal="ada",
            provenance=Provenance(source="requests/LICENSE", run_id="r1", step="remember", trust="document"),
            entities=(package, licence),
            statements=(link,),
        )
    )
    house.databases.close()
    project.package, project.licence = package.entity_id, licence.entity_id
    return project


def test_a_query_shows_entities_with_their_links(project):
    said = project.say("ontology", "query", "Package ->has_license License spdx=MIT")
    assert said.code == 0
    assert "Package requests 2.0" in said.out
    assert f"-> has_license License MIT  [{project.licence}]" in said.out
    (found,) = project.say("ontology", "query", "License", "<-has_license", "Package", "--json").lines
    assert found["entity"]["entity_id"] == project.licence
    assert [(each["direction"], each["other_id"]) for each in found["links"]] == [("in", project.package)]


def test_hidden_characters_are_shown_as_escapes(project):
    said = project.say("ontology", "query", "Package")
    assert "\\u202e" in said.out
    assert "\u202e" not in said.out


def test_a_query_that_fits_nothing_says_so_and_one_that_is_cut_too(project):
    nothing = project.say("ontology", "query", "Package name=other")
    assert (nothing.code, nothing.out) == (0, "")
    assert "nothing fits" in nothing.err
    assert "more than 1" in project.say("ontology", "query", "*", "--limit", "1").err


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [("Pakage", "'Package'"), ("Package nme=x", "'name'"), ("Package ->has_licence License", "'has_license'")],
)
def test_a_wrong_name_is_answered_with_the_nearest(project, pattern, hint):
    said = project.say("ontology", "query", pattern)
    assert (said.code, said.out) == (2, "")
    assert hint in said.err
    assert "^" in said.err


def test_an_entity_is_shown_with_what_was_said_and_by_whom(project):
    shown = project.say("ontology", "show", project.package)
    assert f"-> has_license License MIT  [{project.licence}]" in shown.out
    assert "requests/LICENSE; run r1, step remember" in shown.out
    found = project.say("ontology", "show", project.licence, "--json").object
    assert found["links"][0]["other_name"] == "requests 2.0"
    assert {each["property"] for each in found["assertions"]} >= {"spdx", "name"}


def test_an_entity_that_is_not_there_is_refused(project):
    said = project.say("ontology", "show", "Package-none")
    assert (said.code, said.out) == (2, "")


def test_a_schema_is_shown_by_its_types(project):
    said = project.say("ontology", "check")
    assert said.code == 0
    assert "has_license -> License" in said.out
    assert "5 types" in said.err
    assert set(project.say("ontology", "check", "--json").object["types"]) >= {"Package", "License"}


def test_every_mistake_in_a_schema_is_found_by_its_place(project, tmp_path):
    file = tmp_path / "broken.yaml"
    text = (project.folder / "ontology.yaml").read_text(encoding="utf-8")
    file.write_text(text.replace("range: License", "range: Licence").replace("range: Strength", "range: Strenth"))
    said = project.say("ontology", "check", str(file))
    assert (said.code, said.out) == (3, "")
    assert all(line.startswith(f"{file}:") for line in said.err.splitlines())
    assert "'License'" in said.err
    assert "'Strength'" in said.err


def test_a_project_without_an_ontology_is_told_to_name_a_file(tmp_path):
    said = HelloProject(tmp_path).say("ontology", "check")
    assert said.code == 2
    assert "name a schema file" in said.err
