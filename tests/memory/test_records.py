import pickle
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory import Kind, Provenance, Scope, Trust, lowest_trust
from memory.exceptions import RecordRefused, ScopeRefused, TextRefused
from memory.records import MAX_TEXT_BYTES, from_microseconds, microseconds

NAMES = st.none() | st.sampled_from(["ada", "grace"])
SCOPES = st.builds(
    Scope, organisation=st.sampled_from(["acme", "bolt"]), team=NAMES, person=NAMES, agent=NAMES, session=NAMES
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nothing to remember"),
        (" \n\t", "nothing to remember"),
        ("a\x00b", "NUL"),
        ("broken \ud800 half", "surrogate"),
        ("x" * (MAX_TEXT_BYTES + 1), "split"),
        ("é" * (MAX_TEXT_BYTES // 2 + 1), "split"),
    ],
)
def test_text_that_a_database_cannot_hold_is_refused(make, text, said):
    with pytest.raises(TextRefused, match=said) as refused:
        make(text)
    assert refused.value.field == "text"
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("text", ["x" * MAX_TEXT_BYTES, "שלום עולם", "你好", "'; DROP TABLE memory_records; --"])
def test_any_other_text_is_taken_as_it_is(make, text):
    assert make(text).text == text


@pytest.mark.parametrize("name", ["", "  ", "a\x00", "a\nb", "\ud800", "x" * 2000])
def test_a_scope_needs_usable_names(name):
    with pytest.raises(ScopeRefused):
        Scope(organisation=name)
    with pytest.raises(ScopeRefused):
        Scope(organisation="acme", person=name)


@pytest.mark.parametrize(
    "unusable",
    [
        {"confidence": 1.5},
        {"confidence": float("nan")},
        {"valid_from": datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)},
        {"valid_from": datetime(2026, 1, 2, tzinfo=UTC), "valid_to": datetime(2026, 1, 1, tzinfo=UTC)},
        {"author": "a\x00"},
        {"subjects": ("\ud800",)},
    ],
)
def test_an_unusable_field_is_named(make, unusable):
    with pytest.raises(RecordRefused) as refused:
        make(**unusable)
    assert refused.value.field in {*unusable}


def test_a_source_and_a_principal_are_needed():
    with pytest.raises(RecordRefused, match=r"provenance\.source"):
        Provenance(source=" ", principal="ada")
    with pytest.raises(RecordRefused, match=r"provenance\.principal"):
        Provenance(source="atlas", principal="")


def test_a_record_is_known_by_its_place_whatever_stands_there(make):
    assert make("yes", place="7").record_id == make("no", place="7").record_id
    assert make("yes", place="7").record_id != make("yes", place="8").record_id
    assert make("yes", place="7").record_id != make("yes", place="7", source="other").record_id


def test_two_people_saying_the_same_stay_two(make):
    assert make("yes", place="", author="ada").record_id != make("yes", place="", author="grace").record_id


def test_one_place_in_two_scopes_is_two_records(make):
    assert make(scope=Scope(organisation="acme")).record_id != make(scope=Scope(organisation="bolt")).record_id
    person, team = Scope(organisation="acme", person="x"), Scope(organisation="acme", team="x")
    assert make(scope=person).record_id != make(scope=team).record_id


def test_the_digest_is_of_the_content_and_not_of_the_run_that_wrote_it(make):
    first = make()
    again = replace(first, provenance=replace(first.provenance, run_id="run-2", step="remember", model="m"))
    assert again.digest == first.digest
    for changed in ({"text": "other"}, {"kind": Kind.SUMMARY}, {"trust": Trust.TOOL}, {"subjects": ("e1",)}):
        assert replace(first, **changed).digest != first.digest


def test_subjects_in_another_order_are_the_same_content(make):
    assert make(subjects=("a", "b")).digest == make(subjects=("b", "a")).digest


def test_trust_is_ordered_and_the_lowest_is_inherited():
    assert Trust.STATED > Trust.VERIFIED > Trust.TOOL > Trust.DOCUMENT > Trust.INFERRED
    assert lowest_trust(Trust.VERIFIED, Trust.STATED, Trust.DOCUMENT) is Trust.DOCUMENT
    assert lowest_trust(Trust.VERIFIED) is Trust.VERIFIED


@given(reader=SCOPES, record=SCOPES)
def test_nobody_sees_a_narrower_scope_than_their_own(reader, record):
    if reader.sees(record):
        assert record.organisation == reader.organisation
        for level in ("team", "person", "agent", "session"):
            assert getattr(record, level) in {None, getattr(reader, level)}


@given(scope=SCOPES)
def test_everybody_sees_their_own_scope_and_what_is_for_the_whole_organisation(scope):
    assert scope.sees(scope)
    assert scope.sees(Scope(organisation=scope.organisation))


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_are_kept_to_the_microsecond(time):
    assert from_microseconds(microseconds(time)) == time


def test_errors_survive_a_process_border():
    error = TextRefused("text", "x", "too long")
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error)
    assert copy.field == "text"
    assert not copy.retryable
