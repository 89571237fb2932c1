"""Conditions: a small safe language over the state."""

from collections.abc import Mapping
from typing import Any


def holds(text: str, values: Mapping[str, Any]) -> bool:
    """Whether a condition holds for these values."""
    return bool(values.get(text))
