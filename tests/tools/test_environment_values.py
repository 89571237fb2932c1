"""Values that a file names and the environment holds."""

import pytest

from harness.exceptions import ToolFailed
from harness.tools.environment_values import headers_without_secrets, value_in, variable_named


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("env:KEY", "KEY"),
        ("Bearer env:MY_KEY", "MY_KEY"),
        ("plain", None),
        ("env:", None),
        ("xenv:KEY", None),
        ("two words env:KEY", None),
        ("env:KEY and more", None),
    ],
)
def test_a_value_is_taken_from_the_environment_where_it_says_so(value, name):
    assert variable_named(value) == name
    assert value_in({"KEY": "k", "MY_KEY": "m"}, value, tool="t", place="header 'A'") == value.replace(
        "Bearer env:MY_KEY", "Bearer m"
    ).replace("env:KEY" if name else "\0", "k")


@pytest.mark.parametrize("environment", [{}, {"KEY": "  "}])
def test_a_variable_that_is_not_set_is_named(environment):
    with pytest.raises(ToolFailed, match="its header 'A' needs the environment variable KEY, which is not set"):
        value_in(environment, "env:KEY", tool="t", place="header 'A'")


def test_a_secret_does_not_stand_in_a_file():
    headers_without_secrets({"Accept": "text/plain", "Authorization": "Bearer env:KEY"})
    for name in ("Authorization", "X-API-Key", "cookie", "Private-Token"):
        with pytest.raises(ValueError, match="keep it in the environment"):
            headers_without_secrets({name: "abc"})
