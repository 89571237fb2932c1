import pytest

from memory import Kind, NewRecord, Provenance, Scope, Trust
from tests.cli.hello_project import HelloProject

TRICK = "Licence of parcels\x1b[2J \u202eevil"


def record(text, place, *, person=None, kind=Kind.FACT, trust=Trust.DOCUMENT):
    return NewRecord(
        scope=Scope(organisation="default", person=person),
        text=text,
        kind=kind,
        author="scripted",
        provenance=Provenance(
            source="doc:1", principal="ada", place=place, run_id="r1", step="write", model="scripted"
        ),
        trust=trust,
    )


@pytest.fixture
def project(tmp_path):
    project = HelloProject(tmp_path)
    house = project.house()
    house.memory.remember(
        [
            record("Parcels of ice cream are kept below minus eighteen degrees.", "1"),
            record("Grace prefers tea.", "2", person="grace", kind=Kind.PREFERENCE, trust=Trust.STATED),
            record(TRICK, "3"),
        ]
    )
    house.memory.close()
    house.databases.close()
    return project


def test_a_search_shows_the_best_first_with_where_it_came_from(project):
    first = project.say("memory", "search", "how cold is ice cream kept", "--json").lines[0]
    assert first["text"].startswith("Parcels of ice cream")
    assert (first["kind"], first["trust"], first["degraded"]) == ("fact", "document", None)
    assert first["provenance"]["run_id"] == "r1"
    assert 0 < first["score"] <= 1
    assert first["why"] is None
    explained = project.say("memory", "search", "ice cream", "--explain")
    assert "half of each" in explained.out


def test_hidden_characters_of_a_document_are_shown_as_escapes(project):
    said = project.say("memory", "search", "licence of parcels", "--k", "3")
    assert "\\u001b[2J" in said.out
    assert "\\u202e" in said.out
    assert "\x1b" not in said.out
    assert "\u202e" not in said.out + project.say("memory", "search", "licence of parcels", "--json").out


def test_nobody_finds_or_reads_what_is_another_person_s(project):
    hits = project.say("memory", "search", "tea", "--json", person="grace").lines
    grace_s = next(hit["record_id"] for hit in hits if "tea" in hit["text"])
    assert all("tea" not in hit["text"] for hit in project.say("memory", "search", "tea", "--json").lines)
    assert project.say("memory", "show", grace_s).code == 2
    assert project.say("memory", "show", grace_s, person="grace").code == 0


def test_a_search_keeps_to_kinds_and_number(project):
    assert len(project.say("memory", "search", "parcels", "--k", "1", "--json").lines) == 1
    found = project.say("memory", "search", "tea", "--kind", "preference", "--json", person="grace").lines
    assert {hit["kind"] for hit in found} == {"preference"}
    assert project.say("memory", "search", "tea", "--kind", "opinion").code == 2
    assert project.say("memory", "search", "tea", "--k", "0").code == 2


def test_an_empty_question_is_refused(project):
    said = project.say("memory", "search", "  ")
    assert said.code == 2
    assert "nothing to look for" in said.err


def test_a_record_is_shown_with_its_provenance(project):
    (hit,) = project.say("memory", "search", "ice cream", "--k", "1", "--json").lines
    shown = project.say("memory", "show", hit["record_id"])
    for word in ("doc:1", "write", "scripted", "document", "minus eighteen"):
        assert word in shown.out
    found = project.say("memory", "show", hit["record_id"], "--json").object
    assert [each["version_id"] for each in found["versions"]] == [found["version_id"]]


def test_a_record_that_is_not_there_is_refused(project):
    said = project.say("memory", "show", "rec_none")
    assert (said.code, said.out) == (2, "")


def test_vectors_that_are_gone_are_found_and_made_anew(project):
    assert project.say("memory", "verify").code == 0
    house = project.house()
    space = house.memory._searcher._embedder.space
    house.memory._index.delete("default", space, house.memory._index.ids("default", space)[:2])
    house.memory.close()
    house.databases.close()
    broken = project.say("memory", "verify", "--json")
    assert broken.code == 1
    assert len(broken.object["missing"]) == 2
    assert "--repair" in project.say("memory", "verify").err
    mended = project.say("memory", "verify", "--repair", "--json")
    assert mended.code == 0
    assert mended.object["clean"] is True
