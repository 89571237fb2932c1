"""The record on SQLite and on PostgreSQL."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory import AsOf, Kind, MemoryStoreError, Scope, Sensitivity, Trust
from memory.exceptions import LineageUnknown, RecordNotFound, WriteConflict
from memory.record_filters import RecordFilter
from memory.record_store import Outcome
from memory.sql_record_store import SqlRecordStore
from memory.tables import METADATA, MIGRATIONS

ACME = Scope(organisation="acme")


@pytest.fixture
def records(engine, clock, new_id):
    return SqlRecordStore(engine, clock, new_id)


@pytest.fixture
def everything(clock):
    return RecordFilter(scope=ACME, now=clock())


def outcomes(written):
    return [one.outcome for one in written]


def test_the_revisions_create_what_the_tables_say(records, engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": MIGRATIONS.version_table})
        differences = compare_metadata(context, METADATA)
    unknown = {"memory_full_text"}  # belongs to its adapter; FTS5 keeps its own
    assert [
        change
        for change in differences
        if not (
            isinstance(change, tuple) and change[0] in {"remove_table", "remove_index"} and _table(change) in unknown
        )
        and not (isinstance(change, tuple) and change[0] == "remove_table" and _table(change).startswith("memory_fts"))
    ] == []


def _table(change):
    return change[1].name if change[0] == "remove_table" else change[1].table.name


def test_the_newest_revision_is_the_one_the_code_names():
    folder = ScriptDirectory(str(MIGRATIONS.folder), version_locations=[str(MIGRATIONS.folder)])
    assert folder.get_current_head() == MIGRATIONS.newest


def test_everything_said_about_a_record_comes_back(records, make, everything):
    origin = make("first", place="0")
    new = make(
        place="1",
        scope=replace(ACME),
        kind=Kind.PREFERENCE,
        subjects=("package:numpy", "license:BSD-3-Clause"),
        valid_from=datetime(2020, 1, 1, 12, 0, 0, 123456, tzinfo=UTC),
        valid_to=datetime(2030, 1, 1, tzinfo=UTC),
        lineage=(origin.record_id,),
        confidence=0.25,
        sensitivity=Sensitivity.RESTRICTED,
        expires_at=datetime(2040, 1, 1, tzinfo=UTC),
        provenance=replace(origin.provenance, place="1", run_id="r", step="s", model="m", quote="q"),
    )
    records.write([origin, new])
    stored = records.record(new.record_id, everything)
    for field in new.__dataclass_fields__:
        assert getattr(stored, field) == getattr(new, field), field
    assert stored.digest == new.digest
    assert stored.superseded_at is None
    assert stored.recorded_at.tzinfo is UTC


def test_writing_twice_changes_nothing(records, make, everything):
    assert outcomes(records.write([make(), make("Rome is in Italy", place="2")])) == [Outcome.ADDED] * 2
    before = records.version_ids("acme")
    assert outcomes(records.write([make(), make("Rome is in Italy", place="2")])) == [Outcome.UNCHANGED] * 2
    assert records.version_ids("acme") == before
    assert records.pending_count() == 2


def test_a_correction_closes_the_old_version_and_there_and_back_keeps_three(records, make, everything):
    record_id = make().record_id
    for text in ("A", "B", "A"):
        records.write([make(text)])
    versions = records.versions(record_id, ACME)
    assert [version.text for version in versions] == ["A", "B", "A"]
    assert [version.superseded_at for version in versions] == [
        versions[1].recorded_at,
        versions[2].recorded_at,
        None,
    ]
    assert records.count(everything) == 1


def test_corrections_within_one_batch_are_kept_too(records, make, everything):
    written = records.write([make("A"), make("B"), make("B"), make("A")])
    assert outcomes(written) == [Outcome.ADDED, Outcome.CORRECTED, Outcome.UNCHANGED, Outcome.CORRECTED]
    assert [version.text for version in records.versions(make().record_id, ACME)] == ["A", "B", "A"]
    assert records.record(make().record_id, everything).text == "A"


def test_a_clock_that_goes_back_does_not_mix_up_the_versions(records, make, clock):
    records.write([make("A")])
    clock.at = datetime(1970, 1, 1, tzinfo=UTC)
    records.write([make("B")])
    first, second = records.versions(make().record_id, ACME)
    assert (first.text, second.text) == ("A", "B")
    assert first.recorded_at < first.superseded_at == second.recorded_at


def test_what_was_known_and_what_held_at_a_time_can_be_asked(records, make, clock):
    year = {n: datetime(n, 1, 1, tzinfo=UTC) for n in (2019, 2020, 2021, 2022)}
    records.write([make("lives in Rome", valid_from=year[2020], valid_to=year[2022])])
    between = clock()
    records.write([make("lives in Paris", valid_from=year[2020], valid_to=year[2022])])

    def text(**at):
        return records.record(make().record_id, RecordFilter(scope=ACME, now=clock(), as_of=AsOf(**at))).text

    assert text() == "lives in Paris"
    assert text(recorded=between) == "lives in Rome"
    assert text(valid=year[2021], recorded=between) == "lives in Rome"
    assert text(valid=year[2020]) == "lives in Paris"
    for at in ({"valid": year[2019]}, {"valid": year[2022]}, {"recorded": year[2022]}):
        with pytest.raises(RecordNotFound):
            text(**at)


def test_an_expired_record_is_not_found_any_more(records, make, clock):
    records.write([make(expires_at=clock.at + timedelta(hours=1))])
    assert records.count(RecordFilter(scope=ACME, now=clock())) == 1
    assert records.count(RecordFilter(scope=ACME, now=clock.at + timedelta(hours=1))) == 0


def test_what_is_made_from_a_document_is_trusted_as_a_document(records, make, everything):
    source = make("said the page", place="1", trust=Trust.DOCUMENT)
    middle = make("a summary", place="2", trust=Trust.VERIFIED, lineage=(source.record_id,))
    last = make("a fact", place="3", trust=Trust.STATED, lineage=(middle.record_id,))
    records.write([source])
    records.write([middle, last])
    assert records.record(last.record_id, everything).trust is Trust.DOCUMENT
    assert outcomes(records.write([last])) == [Outcome.UNCHANGED]


@pytest.mark.parametrize("owner", [Scope(organisation="bolt"), Scope(organisation="acme", person="grace"), None])
def test_a_record_cannot_be_made_from_one_that_its_scope_does_not_see(records, make, everything, owner):
    lineage = ("rec_missing",)
    if owner is not None:
        secret = make("hidden", scope=owner)
        records.write([secret])
        lineage = (secret.record_id,)
    with pytest.raises(LineageUnknown):
        records.write([make("fine", place="8"), make("derived", place="9", lineage=lineage)])
    assert records.count(everything) == 0
    assert records.pending_count("acme") == 0 if owner is None or owner.organisation == "bolt" else True


def test_a_crash_in_the_middle_leaves_nothing_of_the_batch(records, make, everything, monkeypatch):
    def fail(*_):
        raise RuntimeError("power cut")

    monkeypatch.setattr(records._full_text, "add", fail)
    with pytest.raises(RuntimeError, match="power cut"):
        records.write([make()])
    assert records.count(everything) == 0
    assert records.pending_count() == 0
    assert records.lexical(["paris"], everything, 10) == []


def test_a_record_is_found_by_its_words_at_once_with_stems_author_and_date(records, make, everything):
    records.write([make("She was running daily", author="grace", valid_from=datetime(2024, 5, 6, tzinfo=UTC))])
    for term in ("run", "runs", "grace", "may", "2024"):
        assert len(records.lexical([term], everything, 10)) == 1, term
    assert records.lexical(["swim"], everything, 10) == []
    assert records.lexical([], everything, 10) == []


def test_more_of_the_words_score_higher(records, make, everything):
    records.write(
        [make("a red apple", place="1"), make("a red apple on a wooden table", place="2"), make("a table", place="3")]
    )
    hits = records.lexical(["red", "apple", "table", "wooden"], everything, 10)
    assert len(hits) == 3
    best = records.readable([hits[0].version_id], everything)[hits[0].version_id]
    assert "wooden" in best.text
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all(hit.score > 0 for hit in hits)


@pytest.mark.parametrize(
    "term",
    ['"', '""', "a*", "NEAR", "OR", "text:x", "^x", "-", "(", "'", "%", "a & b | !c", "<->", ":*", "\\", "x" * 5000],
)
def test_no_term_is_ever_an_operator(records, make, everything, term):
    records.write([make("plain words")])
    assert records.lexical([term, "plain"], everything, 10)[0].score > 0
    assert records.lexical([term], everything, 10) == []


def test_words_of_a_superseded_version_are_found_as_of_its_time_alone(records, make, clock):
    records.write([make("a zebra")])
    then = clock()
    records.write([make("a giraffe")])
    now = RecordFilter(scope=ACME, now=clock())
    past = replace(now, as_of=AsOf(recorded=then))
    assert [len(records.lexical(["zebra"], at, 9)) for at in (now, past)] == [0, 1]
    assert [len(records.lexical(["giraffe"], at, 9)) for at in (now, past)] == [1, 0]


NAMES = st.none() | st.sampled_from(["x", "y"])
SCOPES = st.builds(
    Scope, organisation=st.sampled_from(["acme", "bolt"]), team=NAMES, person=NAMES, agent=NAMES, session=NAMES
)


@given(scopes=st.lists(SCOPES, min_size=1, max_size=6), reader=SCOPES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_read_returns_what_the_scope_sees_and_nothing_else(records, make, clock, scopes, reader):
    records.write([make("shared word", scope=scope) for scope in scopes])
    wanted = RecordFilter(scope=reader, now=clock())
    ids = [version for name in ("acme", "bolt") for version in records.version_ids(name)]
    found = records.readable(ids, wanted).values()
    assert all(reader.sees(record.scope) for record in found)
    assert {record.scope for record in found} >= {scope for scope in scopes if reader.sees(scope)}
    assert records.readable_ids(ids, wanted) == {record.version_id for record in found}
    assert len(records.lexical(["shared"], wanted, 1000)) == len(found) == records.count(wanted)


def test_kinds_and_a_floor_of_trust_narrow_a_read(records, make, everything):
    records.write(
        [
            make("one", place="1", kind=Kind.FACT, trust=Trust.DOCUMENT),
            make("two", place="2", kind=Kind.MESSAGE, trust=Trust.STATED),
        ]
    )
    assert records.count(replace(everything, kinds=frozenset([Kind.FACT]))) == 1
    assert records.count(replace(everything, kinds=frozenset())) == 0
    assert records.count(replace(everything, trust_at_least=Trust.VERIFIED)) == 1
    assert records.count(replace(everything, trust_at_least=Trust.DOCUMENT)) == 2


@pytest.mark.slow
def test_writers_at_one_record_leave_one_current_version_and_lose_none(records, make, everything):
    ready = threading.Barrier(4)
    failures = []

    def correct(name):
        ready.wait()
        try:
            for number in range(5):
                records.write([make(f"{name} {number}")])
        except MemoryStoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=correct, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    versions = records.versions(make().record_id, ACME)
    assert len(versions) == 20
    assert [version.superseded_at for version in versions[:-1]] == [version.recorded_at for version in versions[1:]]
    assert records.count(everything) == 1


def test_a_batch_that_the_database_refuses_is_refused_as_a_whole(engine, make, clock, everything):
    records = SqlRecordStore(engine, clock, lambda: "the same for all")
    records.write([make("kept", place="1")])
    with pytest.raises(WriteConflict) as refused:
        records.write([make("other", place="2"), make("corrected", place="1")])
    assert refused.value.retryable
    assert [record.text for record in records.versions(make(place="1").record_id, ACME)] == ["kept"]
    assert records.count(everything) == 1


def test_a_megabyte_of_text_is_kept_and_found(records, make, everything):
    long = " ".join(f"word{number}" for number in range(100_000))[:1_000_000]
    records.write([make(long)])
    assert records.record(make().record_id, everything).text == long
    assert len(records.lexical(["word77"], everything, 5)) == 1
