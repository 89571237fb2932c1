"""A key that a provider repeats is in nothing that is said of its error, however it was written down or cut."""

import base64
import pickle
import traceback
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.exceptions import KeyRefused
from harness.metering.hidden_keys import hide

KEY = "sk/test+canary-0123456789/abcdefghij"
CODED = base64.b64encode(KEY.encode()).decode()


def hidden(message, *secrets, **more):
    error = KeyRefused("there", message, **more)
    hide(error, secrets or (KEY,))
    return error


@pytest.mark.parametrize(
    "shown",
    [KEY, quote(KEY, safe=""), CODED, CODED.rstrip("="), base64.urlsafe_b64encode(KEY.encode()).decode(), KEY[:18]],
)
def test_a_key_is_hidden_in_each_way_it_is_written(shown):
    error = hidden(f"unknown key {shown!r}, sorry", request_id=f"req {shown}")
    whole = f"{error} {error!r} {error.args} {pickle.dumps(error)}"
    assert shown.rstrip("=") not in whole
    assert error.message == "unknown key '[redacted]', sorry" or shown.endswith("=")
    assert "sorry" in str(error)


@given(st.text("ab-", max_size=9), st.integers(0, len(KEY)), st.integers(0, len(KEY)), st.text("ab-", max_size=9))
def test_no_part_of_a_key_of_eight_characters_is_left(before, start, end, after):
    left = hidden(f"{before}\n{KEY[start:end]}\n{after}").message
    assert not [place for place in range(len(KEY) - 7) if KEY[place : place + 8] in left]
    assert left.startswith(before)
    assert left.endswith(after)


def test_words_are_left_alone():
    for said in ("the server had an error", "sk-abc is no key of ours", ""):
        assert hidden(said).message == said
    assert hidden("no k in the word", "k").message == "no [redacted] in the word"


@pytest.mark.parametrize(("words", "kept"), [(f"illegal header value b'Bearer {KEY}'", False), ("reset", True)])
def test_an_error_behind_it_that_shows_the_key_is_cut_off_and_another_is_kept(words, kept):
    error = KeyRefused("there", "it broke")
    error.__cause__ = RuntimeError("outer")
    error.__cause__.__context__ = ValueError(words)
    hide(error, (KEY,))
    printed = "".join(traceback.format_exception(error))
    assert KEY not in printed
    assert (words in printed) is kept
