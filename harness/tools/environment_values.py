"""Values that a project's file names and the environment holds: `env:NAME`, perhaps after a word as in `Bearer env:NAME`.

Secrets stay out of files this way; that they stay out of what is said and kept is left to `redaction.py`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import Field

from harness.exceptions import ToolFailed

# Text without line ends, so that it can be a header or a variable.
EnvironmentValue = Annotated[str, Field(pattern=r"^[^\r\n\x00]*$", max_length=2000)]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200)]

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", max_length=100)]

_SECRET_HEADER = re.compile(r"authorization|cookie|key|token|secret|password|credential", re.IGNORECASE)
_FROM_ENVIRONMENT = re.compile(r"(?P<before>\S+ )?env:(?P<name>[A-Za-z_][A-Za-z0-9_]*)")


def variable_named(value: str) -> str | None:
    """The environment variable that a value is taken from; None where the value stands as it is."""
    match = _FROM_ENVIRONMENT.fullmatch(value)
    return match["name"] if match else None


def variables_named(values: Iterable[str]) -> frozenset[str]:
    """The environment variables that any of these values are taken from."""
    return frozenset(name for name in map(variable_named, values) if name is not None)


def value_in(environment: Mapping[str, str], value: str, *, tool: str, place: str) -> str:
    """A value as it is used: taken from the environment where it says so.

    Args:
        tool: of a tool or server, and `place` what needs it ("header 'Authorization'"): for the error.

    Raises:
        ToolFailed: the variable is not set.
    """
    match = _FROM_ENVIRONMENT.fullmatch(value)
    if match is None:
        return value
    found = environment.get(match["name"], "").strip()
    if not found:
        raise ToolFailed(tool, f"its {place} needs the environment variable {match['name']}, which is not set")
    return f"{match['before'] or ''}{found}"


def headers_without_secrets(headers: Mapping[str, str]) -> None:
    """Refuse a secret that stands in a file.

    Raises:
        ValueError: a header that carries secrets by its name has its value written out.
    """
    for name, value in headers.items():
        if _SECRET_HEADER.search(name) and variable_named(value) is None:
            raise ValueError(f"header {name!r} is a secret: keep it in the environment and write `env:NAME` here")
