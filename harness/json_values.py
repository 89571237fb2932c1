"""JSON as Python values: the only thing that crosses checkpoints, payloads and state."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from harness.exceptions import StateRefused

Json = JsonValue
JsonObject = dict[str, Json]


def canonical_json(value: object) -> str:
    """One text for one value: sorted keys, no spaces, so that equal values have equal digests."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: object) -> str:
    """SHA-256 of the canonical JSON, hexadecimal."""
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()


def plain_json(value: object, *, where: str) -> Json:
    """The value as lists, mappings with text keys, text, numbers, booleans and None, of exactly those types.

    Raises:
        StateRefused: anything else is in it.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value  # pyright: ignore[reportReturnType]
    if isinstance(value, Mapping):
        return {_text_key(key, where): plain_json(item, where=f"{where}.{key}") for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return [plain_json(item, where=f"{where}[{place}]") for place, item in enumerate(value)]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    raise StateRefused(where, type(value).__name__)


def _text_key(key: object, where: str) -> str:
    if isinstance(key, str):
        return key
    raise StateRefused(f"{where} key {key!r}", type(key).__name__)
