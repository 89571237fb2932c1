"""Secrets that tools say aloud."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.tools.redaction import REDACTED, SHORTEST, Redactor

SECRET = "s3cr3t/värde+=\n"


def test_which_variables_hold_secrets_is_told_by_their_names_or_by_a_declaration():
    names = ["API_KEY", "GITHUB_TOKEN", "CLIENT_SECRET", "PGPASSWORD", "MY_PASSWORD_1", "key", "DECLARED"]
    environment = {name: f"value of {name}" for name in [*names, "HOME", "MONKEY", "TOKENIZER"]}
    redactor = Redactor.of_environment(environment, ["DECLARED", "NOT_SET"])

    assert redactor.text(", ".join(environment.values())) == ", ".join(
        [REDACTED] * len(names) + ["value of HOME", "value of MONKEY", "value of TOKENIZER"]
    )


@pytest.mark.parametrize(
    "said",
    [
        SECRET.strip(),
        quote(SECRET.strip(), safe=""),
        json.dumps(SECRET.strip())[1:-1],
        base64.b64encode(SECRET.strip().encode()).decode(),
    ],
)
def test_a_secret_is_found_as_headers_addresses_and_json_write_it(said):
    assert Redactor([SECRET]).text(f"it is {said}, really") in (
        f"it is {REDACTED}, really",
        f"it is {REDACTED}=, really",  # base64's padding says nothing
    )


def test_a_short_value_is_left_alone():
    assert Redactor(["12345"]).text("12345") == "12345"
    assert Redactor(["123456"]).text("x 123456") == f"x {REDACTED}"


def test_what_two_secrets_share_is_hidden_whole():
    assert Redactor(["abcdef", "defxyz", "qqqqqqqq"]).text("1 abcdefxyz 2") == f"1 {REDACTED} 2"


def test_keys_and_what_lies_deep_in_a_value_are_redacted():
    value = {"token-123": [{"a": ["my token-123!", 1, None, True]}]}

    assert Redactor(["token-123"]).value(value) == {REDACTED: [{"a": [f"my {REDACTED}!", 1, None, True]}]}


def _holds(value, secrets):
    if isinstance(value, str):
        return any(secret in value for secret in secrets)
    if isinstance(value, list):
        return any(_holds(each, secrets) for each in value)
    if isinstance(value, dict):
        return any(_holds(each, secrets) for pair in value.items() for each in pair)
    return False


# Few letters, so that secrets overlap and repeat; none that the marker itself is made of.
secret = st.text("XYZ/+ ", min_size=SHORTEST, max_size=9).filter(lambda text: len(text.strip()) >= SHORTEST)


@given(st.data(), st.lists(secret, min_size=1, max_size=4))
def test_no_secret_is_left_in_any_value(data, secrets):
    secrets = [each.strip() for each in secrets]
    word = st.one_of(st.sampled_from(secrets), st.text("XYZ/+ .", max_size=8))
    text = st.lists(word, max_size=6).map("".join)
    value = data.draw(
        st.recursive(
            st.one_of(text, st.integers(), st.none()),
            lambda below: st.one_of(st.lists(below, max_size=4), st.dictionaries(text, below, max_size=4)),
            max_leaves=8,
        )
    )
    redactor = Redactor(secrets)

    redacted = redactor.value(value)

    assert not _holds(redacted, secrets)
    assert redactor.value(redacted) == redacted


@given(st.text())
def test_text_without_a_secret_stays_as_it_is(text):
    assert Redactor(["not in there \N{SNOWMAN}!"]).text(text) == text
