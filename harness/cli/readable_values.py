"""A JSON value as lines that a person can read and nothing in the value can imitate.

Texts of one line are quoted as JSON quotes them; a longer text stands as a block, each line behind a bar; what is wider
than the terminal goes on behind a broken bar. So a text that writes `approved: true` on a line of its own is seen to be
a text that says so.
"""

import json
import re
from collections.abc import Iterable, Iterator

from rich.cells import chop_cells

from harness.json_values import Json
from harness.workflow.visible_text import visible_text

_INDENT = "  "
_BAR = "│ "
_BROKEN_BAR = "┆ "
_NARROWEST = 20
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def readable_lines(value: Json) -> list[str]:
    """The whole value, nothing left out."""
    return list(_lines(value))


def quoted_block(text: str) -> list[str]:
    """A text of any length, each line behind a bar."""
    return [f"{_BAR}{line}".rstrip() for line in visible_text(text).expandtabs(4).split("\n")]


def one_line(text: str) -> str:
    """A text on one line, so that it cannot begin another."""
    return " ".join(text.split())


def folded(lines: Iterable[str], width: int) -> Iterator[str]:
    """Lines that fit a terminal: it would begin its own where a text wants it to."""
    room = max(width - len(_BROKEN_BAR), _NARROWEST)
    for line in lines:
        first, *more = chop_cells(visible_text(line), room) or [""]
        yield first
        yield from (f"{_BROKEN_BAR}{each}" for each in more)


def _lines(value: Json) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _named(f"{_key(key)}:", each)
    elif isinstance(value, list) and value:
        for each in value:
            yield from _element(each)
    elif isinstance(value, str) and "\n" in visible_text(value):
        yield from quoted_block(value)
    else:
        yield json.dumps(value, ensure_ascii=False)


def _named(name: str, value: Json) -> Iterator[str]:
    first, *more = _lines(value)
    if not more and not _nested(value):
        yield f"{name} {first}"
        return
    yield name
    yield from (f"{_INDENT}{line}" for line in (first, *more))


def _element(value: Json) -> Iterator[str]:
    first, *more = _lines(value)
    yield f"- {first}"
    yield from (f"{_INDENT}{line}" for line in more)


def _nested(value: Json) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _key(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)
