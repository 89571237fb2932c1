"""JSON that an endpoint sent, read without trusting it, and the bytes of what is sent.

A field of the wrong type is as if it were absent: what a reply must have is for the dialect to say. Numbers that JSON
does not know (NaN, Infinity, 1e999) become null, and lone surrogates become U+FFFD, because neither can be stored.
"""

import json
import math
import re
from collections.abc import Collection, Sequence
from typing import cast

from harness.json_values import Json, JsonObject

# Above any context there is, and small enough for every database's integer.
MAX_COUNT = 10**12
# pydantic refuses values nested deeper than 255, and a value stands in others.
MOST_DEPTH = 200

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_BLANKS = " \t\r\n"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def parse_json(text: str | bytes) -> Json:
    """The value of a JSON text.

    Raises:
        ValueError: it is not JSON, not UTF-8, or nested deeper than `MOST_DEPTH`.
    """
    try:
        # Not "utf-8-sig", which is a codec in Python and takes ten times as long.
        words = text if isinstance(text, str) else text.decode().removeprefix("\ufeff")
        words = words.strip(_BLANKS)
        # `decode` does the same by two regular expressions, which take 1 us.
        found, end = _DECODER.raw_decode(words)
        if end != len(words):
            raise ValueError(f"there is more after the value, at {end}")
        value = cast("Json", found)
        # To count takes 0.1 us, and a text without as many brackets is not looked into.
        if len(words) > MOST_DEPTH and words.count("[") + words.count("{") > MOST_DEPTH and _is_too_deep(value):
            raise ValueError("nested too deep")
        # The search for two characters comes first: it is thirty times as fast, and most texts have no escapes.
        return without_lone_surrogates(value) if "\\u" in words and _SURROGATE_ESCAPE.search(words) else value
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def parse_object(text: str | bytes) -> JsonObject:
    """The same for a text that must be an object.

    Raises:
        ValueError: as `parse_json`, or it is something else than an object.
    """
    value = parse_json(text)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one class for every text that cannot be used
    return value


def body_bytes(body: JsonObject) -> bytes:
    """The exact bytes of a request's body: compact JSON in UTF-8."""
    # "replace": a lone surrogate in a tool's schema has no UTF-8, and must not stop a run.
    return _ENCODER.encode(body).encode("utf-8", "replace")


def object_at(value: Json, *keys: str) -> JsonObject:
    """The object under a path of keys; empty if there is none."""
    for key in keys:
        if not isinstance(value, dict):
            return {}
        value = value.get(key)
    return value if isinstance(value, dict) else {}


def objects_at(value: JsonObject, key: str) -> list[JsonObject]:
    """The objects of the list under a key, others left out."""
    items = value.get(key)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def text_at(value: JsonObject, key: str) -> str:
    """The text under a key; empty if there is none."""
    found = value.get(key)
    return found if isinstance(found, str) else ""


def first_text(value: JsonObject, keys: Sequence[str]) -> str:
    """The first text under these keys that is not empty."""
    return next((text for text in (text_at(value, key) for key in keys) if text), "")


def count_at(value: JsonObject, key: str) -> int | None:
    """The count under a key; None if none was given or it cannot be one (negative, a fraction, absurdly large)."""
    found = value.get(key)
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    if isinstance(found, bool) or not isinstance(found, int):
        return None
    return found if 0 <= found <= MAX_COUNT else None


def without_lone_surrogates(value: Json) -> Json:
    """The same value with U+FFFD for every half of a surrogate pair that stands alone."""
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [without_lone_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_LONE_SURROGATE.sub("\ufffd", key): without_lone_surrogates(item) for key, item in value.items()}
    return value


def _is_too_deep(value: Json) -> bool:
    """Whether lists and objects stand in each other deeper than that; level by level, so that it cannot run out."""
    level: list[Json] = [value]
    for _ in range(MOST_DEPTH):
        level = [child for each in level for child in _children(each) if isinstance(child, (list, dict))]
        if not level:
            return False
    return True


def _children(value: Json) -> Collection[Json]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _no_number(_constant: str) -> None:
    """NaN and the infinities."""


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


# Made once: `json.loads` and `json.dumps` with these arguments make one for each text, which takes 3 us.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_DECODER = json.JSONDecoder(parse_constant=_no_number, parse_float=_finite)
