"""Keys come from a variable or a file, anew each time, and what is wrong with either is said without showing it."""

import os
import pickle
import traceback

import pytest

from harness.endpoint_keys import MAX_KEY_BYTES, EndpointKeys
from harness.exceptions import KeyRefused
from harness.models.catalogue import Endpoint

KEY = "sk-test-canary-of-files"

pytestmark = pytest.mark.plants_keys


@pytest.fixture
def environment():
    return {}


@pytest.fixture
def keys(tmp_path, environment):
    return EndpointKeys(tmp_path, environment)


def endpoint(**given):
    return Endpoint(base_url="http://127.0.0.1:9/v1", **given)


def key_of(keys, **given):
    found = keys.key("there", endpoint(**given))
    return found and found.get_secret_value()


def refused(keys, **given):
    with pytest.raises(KeyRefused) as caught:
        keys.key("there", endpoint(**given))
    error = caught.value
    shown = f"{error} {error!r} {pickle.dumps(error)} {''.join(traceback.format_exception(error))}"
    assert KEY not in shown
    assert keys.is_set("there", endpoint(**given)) is False
    return str(error)


def test_an_endpoint_that_names_no_key_has_none(keys):
    assert key_of(keys) is None
    assert keys.is_set("there", endpoint()) is None


def test_a_file_is_read_anew_each_time_without_the_space_around_it(keys, tmp_path):
    (tmp_path / "key").write_text(f"\ufeff {KEY}\r\n", encoding="utf-8")
    assert key_of(keys, api_key_file="key") == KEY
    (tmp_path / "key").write_text("renewed")
    assert key_of(keys, api_key_file="key") == "renewed"
    assert keys.is_set("there", endpoint(api_key_file="key"))
    assert KEY not in repr(keys.key("there", endpoint(api_key_file="key")))


def test_a_file_is_found_in_the_project_at_home_and_anywhere(keys, tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "key").write_text(KEY)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for named in ("home/key", "~/key", str(tmp_path / "home" / "key")):
        assert key_of(keys, api_key_file=named) == KEY
    (tmp_path / "link").symlink_to(tmp_path / "home" / "key")
    assert key_of(keys, api_key_file="link") == KEY


def test_the_variable_goes_before_the_file_and_the_file_is_taken_where_it_is_not_set(keys, tmp_path, environment):
    (tmp_path / "key").write_text("of the file")
    both = {"api_key_env": "THERE_KEY", "api_key_file": "key"}
    assert key_of(keys, **both) == "of the file"
    environment["THERE_KEY"] = " \n"
    assert key_of(keys, **both) == "of the file"
    environment["THERE_KEY"] = f" {KEY}\n"
    assert key_of(keys, **both) == KEY


def test_where_neither_is_there_both_are_named(keys):
    said = refused(keys, api_key_env="THERE_KEY", api_key_file="secrets/key")
    assert "THERE_KEY" in said
    assert "secrets/key" in said
    assert "No such file" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \r\n\t", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (f"{KEY}\nsecond".encode(), "several lines"),
        (KEY.encode() * (MAX_KEY_BYTES // len(KEY) + 1), "longer than 65,536 bytes"),
        (KEY.encode("utf-16"), "holds no text"),
    ],
)
def test_a_file_that_holds_no_key_is_named_and_not_shown(keys, tmp_path, content, said):
    (tmp_path / "key").write_bytes(content)
    message = refused(keys, api_key_file="key")
    assert said in message
    assert str(tmp_path / "key") in message


@pytest.mark.parametrize("kind", ["folder", "pipe", "missing", "nul", "nobody"])
def test_what_is_no_file_is_refused_at_once(keys, tmp_path, kind):
    if kind == "folder":
        (tmp_path / "key").mkdir()
    elif kind == "pipe":
        os.mkfifo(tmp_path / "key")
    named = {"nul": "k\0y", "nobody": "~no-such-person-here/key"}.get(kind, "key")
    assert "no key" in refused(keys, api_key_file=named)


def test_credentials_of_aws_and_google_are_not_looked_for(keys, environment):
    environment["THERE_KEY"] = KEY
    for auth in ("aws", "google"):
        assert keys.is_set("there", endpoint(auth=auth, api_key_env="THERE_KEY")) is None
