"""The nearest existing name to one that does not exist, for errors that help."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest_names(name: str, existing: Iterable[str]) -> tuple[str, ...]:
    """Up to three existing names that look like `name`, best first."""
    return tuple(get_close_matches(name, list(existing), n=3, cutoff=0.5))
