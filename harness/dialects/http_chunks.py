"""HTTP's chunks, fewer and larger: those that one read of the network brought whole become one.

Vendors send each event of a stream as a chunk of its own, and the HTTP library below spends 12 us of CPU on each chunk,
however short. A fast model's events arrive several at a time. What is read out of the joined chunks is byte for byte what
would have been read out of the single ones; whatever looks unusual is left as it came, for the HTTP library to judge.

Source: https://www.rfc-editor.org/rfc/rfc9112#name-chunked-transfer-coding
"""

import re

_LONGEST_HEAD_BYTES = 100_000
# A size of at most eight digits and its line's end; an extension behind it is unusual.
_LONGEST_SIZE_LINE = 10
_SIZE = re.compile(rb"[0-9a-fA-F]{1,8}")


class ChunkJoiner:
    """Follows the answers of one connection."""

    def __init__(self) -> None:
        self._head: bytearray | None = bytearray()
        self._in_chunks = False
        # How much is still to come of a chunk that was passed on before it was whole.
        self._open_bytes = 0

    def expect_answer(self) -> None:
        """A request was sent: what comes now begins with a head."""
        self._head = bytearray()
        self._in_chunks = False
        self._open_bytes = 0

    def joined(self, data: bytes) -> bytes:
        """What one read brought, with its chunks joined; never less than it means."""
        if self._in_chunks:
            return self._chunks(data)
        if self._head is None:
            return data
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            self._head = self._head if len(self._head) < _LONGEST_HEAD_BYTES else None
            return data
        self._in_chunks = _comes_in_chunks(bytes(self._head[:end]))
        body_at = len(data) - (len(self._head) - end - 4)
        self._head = None
        return data[:body_at] + self._chunks(data[body_at:]) if self._in_chunks else data

    def _chunks(self, data: bytes) -> bytes:
        start = at = min(self._open_bytes, len(data))
        self._open_bytes -= at
        pieces: list[bytes] = []
        while at < len(data):
            size_end = data.find(b"\r\n", at, at + _LONGEST_SIZE_LINE)
            size = int(data[at:size_end], 16) if size_end > 0 and _SIZE.fullmatch(data, at, size_end) else 0
            end = size_end + 2 + size + 2
            if size and end > len(data):
                self._open_bytes = end - len(data)
                break
            # The last chunk, a size that is torn or unusual, or no line's end: from here on all stays as it comes.
            if not size or data[end - 2 : end] != b"\r\n":
                self._in_chunks = False
                break
            pieces.append(data[size_end + 2 : end - 2])
            at = end
        if len(pieces) <= 1:
            return data
        whole = b"".join(pieces)
        return b"%b%x\r\n%b\r\n%b" % (data[:start], len(whole), whole, data[at:])


def _comes_in_chunks(head: bytes) -> bool:
    """Whether a body in plain chunks follows; of other statuses than 200 nobody sends long ones."""
    status, *lines = head.lower().split(b"\r\n")
    if not status.startswith(b"http/1.1 200"):
        return False
    codings = [line.partition(b":")[2].strip() for line in lines if line.startswith(b"transfer-encoding:")]
    return codings == [b"chunked"]
