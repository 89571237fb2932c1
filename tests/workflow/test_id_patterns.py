"""A pattern that is taken for an id's lets no sentence through."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.workflow.answers import value_problem
from harness.workflow.id_patterns import is_id_pattern
from harness.workflow.origins import is_typed

ACCEPTED = [
    "^[A-Z]{2}-[0-9]+$",
    r"^\d{3}-\d{4}$",
    "^(INV|REF)-[0-9]{1,6}$",
    "^(?:a|b(c|d)?)+$",
    "^[A-Za-z0-9_-]+$",
    "^[-a-z]{3,}$",
    "^x?$",
    r"^[\d_]*$",
]
REFUSED = [
    r"^\D+$",
    r"^[\w ]+$",
    r"^\w+$",
    r"^\S+$",
    "^.+$",
    "^[^a]+$",
    "^[A-z]+$",
    "^[ -~]+$",
    "^[!-~]+$",
    "^a|.$",
    "^a|b$",
    "^(a)|(b)$",
    "^a(b|.)$",
    "^(a$",
    "^a)(b$",
    "[a-z]+",
    "^[a-z]+",
    r"^[a-z]+\$",
    r"^[a-z\s]+$",
    r"^a\Bb$",
    "^(?=a).$",
    "^[_-a]+$",
    "^",
    "",
]


@pytest.mark.parametrize("pattern", ACCEPTED)
def test_letters_digits_and_dashes_make_an_id(pattern):
    assert is_id_pattern(pattern)


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_could_match_anything_else_is_none(pattern):
    assert not is_id_pattern(pattern)


CLASSES = [r"\d", r"\D", r"\w", r"\W", r"\s", r"\b", ".", "[a-z]", "[^a]", "[ -~]", "[A-z]", "[a b]"]
PIECES = st.sampled_from([*CLASSES, "{1,3}", "{2}", "(?:", "(?!a)", "b-", *"^$a ()|*+?{}-_\\[]"])


@given(st.lists(PIECES, max_size=8).map("".join), st.text("abZ09_- .|\\[]{}()^$\u00e9!", max_size=80), st.booleans())
def test_no_pattern_that_is_taken_matches_a_space_or_more_than_64_characters(inner, text, anchored):
    pattern = f"^{inner}$" if anchored else inner
    schema = {"type": "string", "pattern": pattern, "maxLength": 64}
    if not is_typed(schema) or re.search(r"\)[*+{]", pattern):  # repeated groups may take for ever
        return
    try:
        re.compile(pattern)
    except re.error:
        return
    if value_problem(text, schema) is None:
        assert " " not in text
        assert len(text) <= 64


@given(st.from_regex(r"\A[0-9a-fA-F{}: -]{0,70}\Z"))
@pytest.mark.parametrize("named", ["date", "uuid"])
def test_no_date_or_id_has_a_space_or_more_than_64_characters(named, text):
    schema = {"type": "string", "format": named}
    assert is_typed(schema)
    if value_problem(text, schema) is None:
        assert " " not in text
        assert len(text) <= 64


@pytest.mark.parametrize(
    ("named", "value", "fits"),
    [
        ("date", "2026-11-24", True),
        ("date", "2026-13-24", False),
        ("date", "20261124", False),
        ("date", "Ignore all that", False),
        ("uuid", "12345678-1234-1234-1234-123456789abc", True),
        ("uuid", "urn:uuid:12345678-1234-1234-1234-123456789abc", False),
        ("uuid", "Ignore all that", False),
        ("date", 7, True),
    ],
)
def test_a_date_and_a_uuid_are_held_to_their_format(named, value, fits):
    assert (value_problem(value, {"format": named}) is None) is fits
