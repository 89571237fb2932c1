"""What the port of the entity store promises, asked of each database."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import Engine, select

from ontology import tables
from ontology.databases import open_database, sqlite_url
from ontology.entities import LABEL, AsOf, Batch, Entity, Provenance, Statement, derive_entity_id
from ontology.entity_store import EntityStore
from ontology.exceptions import AssertionNotFound, DatabaseUnavailable, EntityInvalid, EntityNotFound
from ontology.patterns import LinkPattern, Pattern
from ontology.sql_entity_store import SqlEntityStore

PROVENANCE = Provenance(source="METADATA", run_id="run-1", step="classify", model="small", trust="document")
OTHER = Provenance(source="LICENSE", quote="Permission is hereby granted", trust="tool")


def package(name, organisation="acme", **properties) -> Entity:
    entity_id = derive_entity_id(organisation, "Package", {"name": name})
    values = {key: value if isinstance(value, tuple) else (value,) for key, value in properties.items()}
    return Entity(entity_id=entity_id, organisation=organisation, type="Package", name=name, properties=values)


def licence(spdx, organisation="acme", **properties) -> Entity:
    entity_id = derive_entity_id(organisation, "License", {"spdx": spdx})
    values = {key: (value,) for key, value in properties.items()}
    return Entity(entity_id=entity_id, organisation=organisation, type="License", name=spdx, properties=values)


def link(subject: Entity, name: str, other: Entity, **said) -> Statement:
    return Statement(subject_id=subject.entity_id, property=name, object_id=other.entity_id, **said)


def value(subject: Entity, name: str, given, **said) -> Statement:
    return Statement(subject_id=subject.entity_id, property=name, value=given, **said)


def batch(*parts, organisation="acme", provenance=PROVENANCE) -> Batch:
    return Batch(
        organisation=organisation,
        principal="ada",
        provenance=provenance,
        entities=tuple(each for each in parts if isinstance(each, Entity)),
        statements=tuple(each for each in parts if isinstance(each, Statement)),
    )


def test_a_written_entity_comes_back_equal_with_every_type_of_value(store: EntityStore) -> None:
    entity = package("requests", a="text", b=5, c=2.5, d=True, e=1.0, f=1, g=("x", "ü€𐀀\n\"'\\"), h=10**30, i="")

    store.write(batch(entity))

    found = store.entity("acme", entity.entity_id)
    assert found.model_dump() == {**entity.model_dump(), "properties": found.model_dump()["properties"]}
    assert {key: set(each) for key, each in found.properties.items()} == {
        key: set(each) for key, each in entity.properties.items()
    }
    assert [type(found.latest(key)) for key in "abcdefh"] == [str, int, float, bool, float, int, int]


def test_what_was_never_written_is_not_found(store: EntityStore) -> None:
    with pytest.raises(EntityNotFound):
        store.entity("acme", "Package-0")
    with pytest.raises(EntityNotFound):
        store.history("acme", "Package-0")
    with pytest.raises(AssertionNotFound):
        store.retract("acme", "nothing-0", principal="ada", reason="wrong")
    assert store.entities("acme") == []
    assert store.entities_by_id("acme", ["Package-0"]) == {}


def test_writing_the_same_again_adds_nothing_and_keeps_who_said_it_first(store: EntityStore, clock) -> None:
    mit = licence("MIT")
    requests = package("requests", version="2.0", keyword=("http", "web"))
    first = store.write(batch(requests, mit, link(requests, "has_license", mit)))
    before = store.history("acme", requests.entity_id)
    clock.forward(days=1)

    again = store.write(
        batch(
            requests, mit, link(requests, "has_license", mit), provenance=PROVENANCE.model_copy(update={"run_id": "2"})
        )
    )

    assert (first.entities, first.assertions) == (2, 6)
    assert (again.entities, again.assertions) == (0, 0)
    assert store.history("acme", requests.entity_id) == before


def test_the_same_twice_in_one_batch_is_one_row(store: EntityStore) -> None:
    requests = package("requests")

    written = store.write(batch(requests, requests, value(requests, "version", "1"), value(requests, "version", "1")))

    assert (written.entities, written.assertions) == (1, 2)


def test_another_source_of_the_same_is_another_assertion_and_one_value(store: EntityStore) -> None:
    requests = package("requests", version="2.0")
    store.write(batch(requests))

    written = store.write(batch(value(requests, "version", "2.0", provenance=OTHER)))

    assert written.assertions == 1
    assert store.entity("acme", requests.entity_id).properties["version"] == ("2.0",)
    history = [each for each in store.history("acme", requests.entity_id) if each.property == "version"]
    assert {each.provenance.source: each.provenance for each in history} == {"METADATA": PROVENANCE, "LICENSE": OTHER}


def test_a_new_value_stands_beside_the_old_and_is_the_latest(store: EntityStore, clock) -> None:
    requests = package("requests", version="2.0")
    store.write(batch(requests))
    clock.forward(seconds=1)

    store.write(batch(package("requests", version="1.0")))

    found = store.entity("acme", requests.entity_id)
    assert found.properties["version"] == ("2.0", "1.0")
    assert found.latest("version") == "1.0"
    assert found.latest("nothing") is None


def test_a_new_name_is_shown_and_the_old_one_is_kept(store: EntityStore, clock) -> None:
    requests = package("requests")
    store.write(batch(requests))
    then = clock()
    clock.forward(seconds=1)

    store.write(batch(requests.model_copy(update={"name": "Requests"})))

    assert store.entity("acme", requests.entity_id).name == "Requests"
    assert store.entity("acme", requests.entity_id, AsOf(recorded_at=then)).name == "requests"


def test_as_of_a_recorded_time_shows_what_was_known_then(store: EntityStore, clock) -> None:
    requests, mit = package("requests", version="1"), licence("MIT")
    started = clock()
    store.write(batch(requests, mit, link(requests, "has_license", mit)))
    clock.forward(days=1)
    (edge,) = store.links("acme", [requests.entity_id])
    retracted = store.retract("acme", edge.assertion_id, principal="grace", reason="misread")

    def known_at(moment) -> tuple[int, int]:
        as_of = AsOf(recorded_at=moment)
        return len(store.entities("acme", as_of=as_of)), len(store.links("acme", [requests.entity_id], as_of=as_of))

    assert known_at(started - timedelta(microseconds=1)) == (0, 0)
    assert known_at(started) == (2, 1)
    assert known_at(retracted.retracted_at - timedelta(microseconds=1)) == (2, 1)
    assert known_at(retracted.retracted_at) == (2, 0)
    assert store.links("acme", [requests.entity_id]) == []
    with pytest.raises(EntityNotFound):
        store.entity("acme", requests.entity_id, AsOf(recorded_at=started - timedelta(microseconds=1)))


def test_as_of_a_valid_time_shows_what_held_then(store: EntityStore, clock) -> None:
    requests, mit, apache = package("requests"), licence("MIT"), licence("Apache-2.0")
    changed = datetime(2020, 1, 1, tzinfo=UTC)
    store.write(
        batch(
            requests,
            mit,
            apache,
            link(requests, "has_license", mit, valid_to=changed),
            link(requests, "has_license", apache, valid_from=changed),
            value(requests, "owner", "grace", valid_from=clock() + timedelta(days=1)),
        )
    )

    def held_at(moment) -> list[str]:
        return [each.object_id for each in store.links("acme", [requests.entity_id], as_of=AsOf(valid_at=moment))]

    assert held_at(changed - timedelta(microseconds=1)) == [mit.entity_id]
    assert held_at(changed) == [apache.entity_id]
    assert held_at(None) == [apache.entity_id]
    assert store.entity("acme", requests.entity_id).properties == {}
    clock.forward(days=1)
    assert store.entity("acme", requests.entity_id).properties == {"owner": ("grace",)}


def test_the_same_in_two_times_is_two_assertions(store: EntityStore) -> None:
    requests = package("requests")
    years = [datetime(year, 1, 1, tzinfo=UTC) for year in (2020, 2021, 2023)]
    store.write(batch(requests))

    first = store.write(batch(value(requests, "owner", "grace", valid_from=years[0], valid_to=years[1])))
    second = store.write(batch(value(requests, "owner", "grace", valid_from=years[2])))

    assert (first.assertions, second.assertions) == (1, 1)
    between = store.entity("acme", requests.entity_id, AsOf(valid_at=datetime(2022, 1, 1, tzinfo=UTC)))
    assert between.properties == {}
    assert store.entity("acme", requests.entity_id).properties == {"owner": ("grace",)}


def test_a_retraction_keeps_who_when_and_why_and_is_made_once(store: EntityStore, clock) -> None:
    requests = package("requests", version="1")
    store.write(batch(requests))
    (said,) = [each for each in store.history("acme", requests.entity_id) if each.property == "version"]
    clock.forward(hours=1)

    first = store.retract("acme", said.assertion_id, principal="grace", reason="misread")
    clock.forward(hours=1)
    second = store.retract("acme", said.assertion_id, principal="ada", reason="again")

    assert first == second
    assert (first.retracted_by, first.retraction_reason) == ("grace", "misread")
    assert first.retracted_at == said.recorded_at + timedelta(hours=1)
    assert first.model_copy(update={"retracted_at": None, "retracted_by": None, "retraction_reason": None}) == said
    assert store.entity("acme", requests.entity_id).properties == {}


def test_what_was_retracted_can_be_said_again_also_at_the_same_moment(store: EntityStore) -> None:
    requests = package("requests", version="1")
    store.write(batch(requests))
    for round_ in range(3):
        (standing,) = [
            each
            for each in store.history("acme", requests.entity_id)
            if each.property == "version" and each.retracted_at is None
        ]
        store.retract("acme", standing.assertion_id, principal="ada", reason="wrong")
        assert store.write(batch(requests)).assertions == 1, round_

    assert store.entity("acme", requests.entity_id).properties == {"version": ("1",)}
    assert len([each for each in store.history("acme", requests.entity_id) if each.property == "version"]) == 4


def test_an_assertion_keeps_all_that_was_said(store: EntityStore, clock) -> None:
    requests = package("requests")
    since = datetime(2019, 5, 1, 8, tzinfo=UTC)
    statement = value(requests, "version", "1", valid_from=since, confidence=0.1, provenance=OTHER)

    store.write(batch(requests, statement).model_copy(update={"schema_digest": "5ca1ab1e"}))

    (said,) = [each for each in store.history("acme", requests.entity_id) if each.property == "version"]
    assert (said.value, said.object_id, said.valid_from, said.valid_to) == ("1", None, since, None)
    assert (said.confidence, said.provenance, said.principal, said.schema_digest) == (0.1, OTHER, "ada", "5ca1ab1e")
    assert (said.recorded_at, said.retracted_at, said.organisation) == (clock(), None, "acme")


def test_no_organisation_sees_or_touches_anothers(store: EntityStore) -> None:
    ours, theirs = package("requests", version="1"), package("requests", "globex", version="2")
    mit = licence("MIT")
    store.write(batch(ours, mit, link(ours, "has_license", mit)))
    store.write(batch(theirs, organisation="globex"))
    (edge,) = store.links("acme", [ours.entity_id])

    assert ours.entity_id != theirs.entity_id
    assert [each.organisation for each in store.entities("globex")] == ["globex"]
    assert store.links("globex", [ours.entity_id]) == []
    with pytest.raises(EntityNotFound):
        store.entity("globex", ours.entity_id)
    with pytest.raises(EntityNotFound):
        store.write(batch(link(theirs, "has_license", mit), organisation="globex"))
    with pytest.raises(AssertionNotFound):
        store.retract("globex", edge.assertion_id, principal="eve", reason="mine")
    with pytest.raises(ValidationError, match="is of 'acme', not of 'globex'"):
        batch(ours, organisation="globex")


def test_a_batch_with_one_bad_part_writes_nothing(store: EntityStore) -> None:
    requests, mit = package("requests", version="1"), licence("MIT")

    with pytest.raises(EntityNotFound, match=mit.entity_id):
        store.write(batch(requests, link(requests, "has_license", mit)))
    assert store.entities("acme") == []

    store.write(batch(requests))
    with pytest.raises(EntityInvalid, match="is of type 'Package', not 'License'"):
        store.write(batch(mit, requests.model_copy(update={"type": "License"})))
    assert [each.type for each in store.entities("acme")] == ["Package"]


def test_the_single_writes_write_one_thing(store: EntityStore) -> None:
    requests, mit = package("requests"), licence("MIT")
    who = {"principal": "ada", "provenance": PROVENANCE}

    assert store.upsert_entity(requests, **who).entities == 1
    assert store.upsert_entity(mit, **who).entities == 1
    assert store.assert_property("acme", value(requests, "version", "1"), **who).assertions == 1
    assert store.assert_link("acme", link(requests, "has_license", mit), **who).assertions == 1
    assert store.assert_link("acme", link(requests, "has_license", mit), **who).assertions == 0
    with pytest.raises(ValueError, match="use assert_link"):
        store.assert_property("acme", link(requests, "has_license", mit), **who)
    with pytest.raises(ValueError, match="use assert_property"):
        store.assert_link("acme", value(requests, "version", "2"), **who)

    assert store.entity("acme", requests.entity_id).properties == {"version": ("1",)}


def test_entities_come_by_type_then_name_whatever_its_case_then_identifier(store: EntityStore) -> None:
    names = ["b", "A", "a b", "ab", "Ärger", "zebra", "a"]
    store.write(batch(*(package(name) for name in names), licence("MIT")))

    found = store.entities("acme")

    assert [each.type for each in found] == ["License", *["Package"] * 7]
    assert [each.name for each in found[1:]] in (
        ["A", "a", "a b", "ab", "b", "zebra", "Ärger"],
        ["a", "A", "a b", "ab", "b", "zebra", "Ärger"],
    )
    assert [each.name for each in store.entities("acme", limit=3)] == [each.name for each in found[:3]]


def test_a_pattern_finds_by_type_value_and_text(store: EntityStore) -> None:
    store.write(
        batch(
            package("requests", version="1", downloads=1, summary="HTTP für Menschen"),
            package("httpx", version="2", downloads=2, summary="A next generation client, 100% typed"),
            licence("MIT", version="1"),
        )
    )

    def names(**pattern) -> list[str]:
        return [each.name for each in store.entities("acme", Pattern(**pattern))]

    assert names(types=("Package",)) == ["httpx", "requests"]
    assert names(types=("License", "Nothing")) == ["MIT"]
    assert names(values={"version": ("1",)}) == ["MIT", "requests"]
    assert names(types=("Package",), values={"version": ("1", "2"), "downloads": (2,)}) == ["httpx"]
    assert names(values={"downloads": ("1",)}) == []
    assert names(values={"downloads": (True,)}) == []
    assert names(values={"version": ()}) == []
    assert names(text="http") == ["httpx", "requests"]
    assert names(text="MENSCHEN FÜR") == ["requests"]
    assert names(text="100%") == ["httpx"]
    assert names(text="1_0") == []
    assert names(text="requests client") == []


def test_a_pattern_follows_links_along_and_against(store: EntityStore) -> None:
    mit, gpl = licence("MIT"), licence("GPL-3.0")
    web, http, tool = package("web"), package("http"), package("tool")
    store.write(
        batch(
            mit,
            gpl,
            web,
            http,
            tool,
            link(web, "has_license", mit),
            link(http, "has_license", gpl),
            link(web, "depends_on", http),
            link(tool, "depends_on", web),
        )
    )
    gpl_licensed = Pattern(links=(LinkPattern(types=("has_license",), other=Pattern(text="gpl")),))

    def names(*links: LinkPattern) -> list[str]:
        return [each.name for each in store.entities("acme", Pattern(links=links))]

    assert names(LinkPattern(types=("has_license",))) == ["http", "web"]
    assert names(LinkPattern(types=("depends_on",), other=gpl_licensed)) == ["web"]
    assert names(LinkPattern(types=("has_license",), direction="in")) == ["GPL-3.0", "MIT"]
    assert names(LinkPattern(direction="in", other=Pattern(values={"x": ("y",)}))) == []
    assert names(LinkPattern(types=("depends_on",), direction="in"), LinkPattern(types=("has_license",))) == [
        "http",
        "web",
    ]


def test_links_come_in_both_directions_in_order(store: EntityStore) -> None:
    mit, web, http = licence("MIT"), package("web"), package("http")
    store.write(
        batch(mit, web, http, link(web, "has_license", mit), link(http, "has_license", mit), link(web, "a", http))
    )

    ends = sorted([web.entity_id, http.entity_id])
    assert [each.subject_id for each in store.links("acme", [mit.entity_id], direction="in")] == ends
    assert [each.type for each in store.links("acme", [web.entity_id])] == ["a", "has_license"]
    assert [each.type for each in store.links("acme", [web.entity_id], types=["a"])] == ["a"]
    assert store.links("acme", []) == []
    (edge,) = store.links("acme", [web.entity_id], types=["a"])
    assert (edge.subject_id, edge.object_id, edge.provenance) == (web.entity_id, http.entity_id, PROVENANCE)


def test_more_entities_than_a_statement_takes_are_written_and_read(store: EntityStore) -> None:
    every = [package(f"p{number:04}", version=str(number)) for number in range(1100)]
    edges = [link(each, "depends_on", every[0]) for each in every]

    written = store.write(batch(*every, *edges))

    assert (written.entities, written.assertions) == (1100, 3300)
    assert [each.latest("version") for each in store.entities("acme")] == [str(number) for number in range(1100)]
    assert len(store.links("acme", [each.entity_id for each in every])) == 1100
    # On PostgreSQL this takes minutes when the planner was not told how full the tables are.
    linked = LinkPattern(types=("depends_on",), other=Pattern(types=("Package",), values={"version": ("0",)}))
    assert len(store.entities("acme", Pattern(types=("Package",), links=(linked,)))) == 1100
    assert len(store.entities_by_id("acme", [each.entity_id for each in every])) == 1100


def test_a_value_longer_than_an_index_takes_is_kept_and_found(store: EntityStore) -> None:
    text = "".join(chr(33 + (number * 7919) % 90) for number in range(50_000))
    store.write(batch(package("long", text=text)))

    assert [each.name for each in store.entities("acme", Pattern(values={"text": (text,)}))] == ["long"]


@pytest.mark.parametrize("bad", ["a\x00b", "\ud800"])
def test_text_that_a_database_cannot_keep_is_refused_before_it_is_sent(bad: str) -> None:
    with pytest.raises(ValidationError, match="cannot be kept"):
        package("a", text=bad)
    with pytest.raises(ValidationError, match="cannot be kept"):
        Provenance(source="s", quote=bad)


def test_two_writers_of_the_same_leave_one_row(store: EntityStore, engine: Engine) -> None:
    names = [f"p{number}" for number in range(40)]

    def write(order: list[str]) -> int:
        every = [package(name, version="1") for name in order]
        return store.write(batch(*every)).assertions

    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(write, [names, names[::-1]]))

    assert sum(counts) == 80
    with engine.connect() as connection:
        assert len(connection.execute(select(tables.assertions)).all()) == 80


WRITER = """
import sys
from datetime import UTC, datetime
from ontology.databases import open_database
from ontology.entities import Batch, Entity, Provenance
from ontology.sql_entity_store import SqlEntityStore

store = SqlEntityStore.open(open_database(sys.argv[1]), lambda: datetime.now(UTC))
number = 0
while True:
    entities = tuple(
        Entity(entity_id=f"P-{number}-{part}", organisation="acme", type="P", name=str(part)) for part in range(20)
    )
    store.write(Batch(organisation="acme", principal="ada", provenance=Provenance(source="s"), entities=entities))
    print(number, flush=True)
    number += 1
"""


@pytest.mark.parametrize("batches", [1, 4, 9])
def test_a_killed_writer_leaves_whole_batches(store: EntityStore, engine: Engine, batches: int) -> None:
    url = engine.url.render_as_string(hide_password=False)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        seen = [process.stdout.readline() for _ in range(batches)]
        process.send_signal(signal.SIGKILL)
        process.wait()

    found = store.entities("acme")
    assert len(seen) == batches
    assert len(found) >= 20 * batches
    assert len(found) % 20 == 0
    assert all(each.name != each.entity_id for each in found)


def test_a_locked_database_is_ours_to_tell_and_can_be_tried_again(tmp_path: Path, clock) -> None:
    url = sqlite_url(tmp_path / "memory.db")
    holder = open_database(url)
    store = SqlEntityStore.open(open_database(url, busy_seconds=0.01), clock)
    with holder.execution_options(sqlite_begin="IMMEDIATE").begin(), pytest.raises(DatabaseUnavailable) as caught:
        store.write(batch(package("a")))

    assert caught.value.retryable
    assert store.write(batch(package("a"))).entities == 1
    holder.dispose()


names_ = st.sampled_from(["a", "b", "c"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("say"), names_, st.sampled_from(["1", "2", 1, True]), st.sampled_from(["s", "t"])),
        st.tuples(st.just("retract"), st.integers(0, 50)),
    ),
    max_size=15,
)


@given(steps)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_every_history_answers_for_every_moment_as_a_plain_list_does(tmp_path_factory, steps: list[tuple]) -> None:
    """The store beside a list of what was said: equal at each moment, and nothing that was recorded ever changes."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    engine = open_database(sqlite_url(tmp_path_factory.mktemp("history") / "memory.db"))
    store = SqlEntityStore.open(engine, lambda: now)
    store.write(batch(*(package(name) for name in "abc")))
    said: list[dict] = []  # {"fact", "from", "to"}
    for step in steps:
        now += timedelta(seconds=1)
        if step[0] == "say":
            _, name, given_, source = step
            fact = (name, type(given_), given_, source)
            provenance = Provenance(source=source)
            store.write(batch(value(package(name), "v", given_), provenance=provenance))
            if not any(each["fact"] == fact and each["to"] is None for each in said):
                said.append({"fact": fact, "from": now, "to": None})
        elif said:
            chosen = said[step[1] % len(said)]
            (row,) = [
                each
                for each in store.history("acme", package(chosen["fact"][0]).entity_id)
                if each.recorded_at == chosen["from"]
            ]
            store.retract("acme", row.assertion_id, principal="ada", reason="r")
            chosen["to"] = chosen["to"] or now

    for moment in [now - timedelta(seconds=back) for back in range(len(steps) + 1)]:
        for name in "abc":
            found = store.entity("acme", package(name).entity_id, AsOf(recorded_at=moment)).properties.get("v", ())
            expected = {
                each["fact"][1:3]
                for each in said
                if each["fact"][0] == name and each["from"] <= moment and (each["to"] is None or each["to"] > moment)
            }
            assert {(type(each), each) for each in found} == expected
    history = [each for name in "abc" for each in store.history("acme", package(name).entity_id)]
    assert len([each for each in history if each.property != LABEL]) == len(said)
    engine.dispose()
