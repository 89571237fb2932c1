"""Amounts and scopes as people write them, refused where they cannot be meant."""

import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.budgets.limits import Charge, ScopeKind, Unit, check_zone, parse_amount, parse_scope, shown_amount
from harness.exceptions import LimitInvalid


@pytest.mark.parametrize(
    ("text", "unit", "amount"),
    [
        ("200", Unit.USD, 200_000_000_000),
        ("0.01", Unit.USD, 10_000_000),
        ("0.000000001", Unit.USD, 1),
        ("0", Unit.USD, 0),
        ("-0", Unit.USD, 0),
        ("1000000", Unit.TOKENS, 1_000_000),
        ("3", Unit.CALLS, 3),
        ("3.0", Unit.CALLS, 3),
        (str(2**62), Unit.TOKENS, 2**62),
    ],
)
def test_an_amount_is_a_whole_number_of_the_smallest_part(text, unit, amount):
    parsed = parse_amount(text, unit)
    assert parsed == amount
    assert type(parsed) is int


@pytest.mark.parametrize("unit", list(Unit))
@pytest.mark.parametrize(
    "text",
    [
        "nan", "NaN", "sNaN", "-nan", "inf", "-Infinity", "-1", "-0.000000001", "1e30", "1e300000", "1E9", "9" * 25,
        "", " ", "$5", "1,5", "1_000", "0x10", "five", "1" + "0" * 23, str(2**62 + 1) + "0" * 3, "1.2.3", "--1",
    ],
)  # fmt: skip
def test_an_amount_that_cannot_be_meant_is_refused(text, unit):
    with pytest.raises(LimitInvalid):
        parse_amount(text, unit)


@pytest.mark.parametrize(
    ("text", "unit"),
    [("0.0000000001", Unit.USD), ("1.0000000005", Unit.USD), ("1.5", Unit.TOKENS), ("0.1", Unit.CALLS)],
)
def test_an_amount_finer_than_the_smallest_part_is_refused_and_never_rounded(text, unit):
    with pytest.raises(LimitInvalid, match="the finest step"):
        parse_amount(text, unit)


def test_more_than_the_tables_can_count_is_refused():
    with pytest.raises(LimitInvalid, match="more than can ever be spent"):
        parse_amount(str(2**62 + 1), Unit.TOKENS)
    with pytest.raises(LimitInvalid, match="more than can ever be spent"):
        parse_amount("4611686018.427387905", Unit.USD)
    assert parse_amount("4611686018.427387904", Unit.USD) == 2**62


def test_a_monstrous_amount_costs_nothing_to_refuse():
    began = time.process_time()
    for text in ("1e300000", "9" * 5_000_000):
        with pytest.raises(LimitInvalid) as refused:
            parse_amount(text, Unit.USD)
        assert len(str(refused.value)) < 200
    assert time.process_time() - began < 0.5


@given(st.integers(0, 2**62), st.sampled_from(list(Unit)))
def test_a_shown_amount_is_the_amount_again(amount, unit):
    text = f"{shown_amount(amount, unit):f}"
    assert Decimal(text) == shown_amount(amount, unit)
    assert parse_amount(text, unit) == amount


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("person:ada", (ScopeKind.PERSON, "ada")),
        ("model:qwen:7b", (ScopeKind.MODEL, "qwen:7b")),
        ("team: tools ", (ScopeKind.TEAM, "tools")),
    ],
)
def test_a_scope_is_a_kind_and_an_id(text, scope):
    assert parse_scope(text) == scope


@pytest.mark.parametrize("text", ["", "ada", "person", "person:", "person: ", "Person:ada", "planet:mars", ":ada"])
def test_a_scope_without_a_kind_or_an_id_is_refused(text):
    with pytest.raises(LimitInvalid, match="KIND:NAME"):
        parse_scope(text)


def test_a_charge_has_a_part_for_every_unit():
    assert [Charge(7, 5, 1).of(unit) for unit in (Unit.USD, Unit.TOKENS, Unit.CALLS)] == [7, 5, 1]


def test_a_zone_is_checked_by_its_name():
    assert check_zone("Europe/Berlin") == "Europe/Berlin"
    with pytest.raises(LimitInvalid):
        check_zone("Europe/Atlantis")
