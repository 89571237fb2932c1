"""The lines that an MCP server writes to stdout: whole messages, and what is too long to be kept."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# Of a line that is thrown away: enough to find in it which request it answers.
HEAD_BYTES = 512
_ID = rb'"id"\s*:\s*(?P<id>-?\d+|"(?:[^"\\]|\\.){0,100}")'
_PROTOCOL = rb'"jsonrpc"\s*:\s*"2\.0"'
# A message's own id stands before everything that could hold another one, or directly before the closing brace.
_ID_FIRST = re.compile(rb"\s*\{\s*(?:" + _PROTOCOL + rb"\s*,\s*)?" + _ID)
_ID_LAST = re.compile(rb",\s*" + _ID + rb"\s*(?:,\s*" + _PROTOCOL + rb"\s*)?\}\s*$")


@dataclass(frozen=True, slots=True)
class LongLine:
    """A line that was longer than allowed: how long, how it begins and how it ends."""

    size: int
    head: bytes
    tail: bytes


class MessageLines:
    """Puts lines together out of what a pipe yields, in any pieces.

    Args:
        allowed_bytes: how long a line may be at this moment.
    """

    def __init__(self, allowed_bytes: Callable[[], int]) -> None:
        self._allowed_bytes = allowed_bytes
        self._line = bytearray()
        self._size = 0
        self._head: bytes | None = None

    @property
    def size(self) -> int:
        """How much of the line that is not yet complete has arrived."""
        return self._size

    def feed(self, piece: bytes) -> Iterator[bytearray | LongLine]:
        """The lines that this piece completes."""
        begins = 0
        while (ends := piece.find(b"\n", begins)) >= 0:
            self._add(piece[begins:ends])
            yield self._completed()
            begins = ends + 1
        self._add(piece[begins:])

    def _add(self, piece: bytes) -> None:
        self._size += len(piece)
        self._line += piece
        if self._head is None and self._size > self._allowed_bytes():
            self._head = bytes(self._line[:HEAD_BYTES])
        if self._head is not None:
            del self._line[:-HEAD_BYTES]

    def _completed(self) -> bytearray | LongLine:
        line, size, head = self._line, self._size, self._head
        self._line, self._size, self._head = bytearray(), 0, None
        return line if head is None else LongLine(size, head, bytes(line))


def answered_request(head: bytes, tail: bytes) -> int | str | None:
    """Which request a line answers, read from how it begins or ends; None where it does not say."""
    found = _ID_FIRST.match(head) or _ID_LAST.search(tail)
    if found is None:
        return None
    value: int | str = json.loads(found["id"])
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
