"""AWS's event-stream frames out of bytes that arrive torn anywhere. What a frame means is for the dialects.

A frame is a prelude (its whole length, its headers' length, their CRC-32), headers, payload, and the CRC-32 of all
that; numbers are big-endian.

Source: https://smithy.io/2.0/aws/amazon-eventstream.html
"""

import struct
import zlib
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

_PRELUDE_BYTES = 12
_CRC_BYTES = 4
_LEAST_BYTES = _PRELUDE_BYTES + _CRC_BYTES
# AWS's own bounds: a frame that claims more is no frame, and must not make us wait for it or keep it.
_MOST_HEADER_BYTES = 128 * 1024
_MOST_PAYLOAD_BYTES = 24 * 1024 * 1024

_TRUE, _FALSE, _BYTES, _TEXT, _UUID = 0, 1, 6, 7, 9
# By type: 8, 16, 32 and 64 bit integers; 8 is a time in milliseconds.
_INTEGER_BYTES = {2: 1, 3: 2, 4: 4, 5: 8, 8: 8}
_UUID_BYTES = 16
_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")


class Frame(NamedTuple):
    """One frame: headers such as `:message-type` and `:event-type`, those that are no text in words, and a payload.

    A named tuple, because there is one for each word of a reply: a frozen dataclass takes 1 us more to make.
    """

    headers: Mapping[str, str]
    payload: bytes


class FrameSplitter:
    """Cuts one stream into frames, and refuses what is damaged.

    The frames before a damaged one are given first; the next call says what is wrong, so that where a stream was torn
    changes nothing.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._wanted = _PRELUDE_BYTES

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that this chunk completes.

        Raises:
            ValueError: a checksum is wrong, or a length cannot be one.
        """
        self._buffer += chunk
        frames: list[Frame] = []
        if len(self._buffer) < self._wanted:
            return frames
        # Copied once for all frames that came together.
        data, at = bytes(self._buffer), 0
        try:
            while len(data) - at >= self._wanted:
                at = self._next(data, at, frames)
        except ValueError:
            if not frames:
                raise
        finally:
            del self._buffer[:at]
        return frames

    def end(self) -> None:
        """Say that nothing more comes.

        Raises:
            ValueError: the last frame is torn or damaged.
        """
        self.feed(b"")
        if self._buffer:
            raise ValueError(f"the stream ends inside a frame, after {len(self._buffer)} of its bytes")

    def _next(self, data: bytes, at: int, frames: list[Frame]) -> int:
        """Take the frame that begins at this place, if it is there whole; where the next one begins."""
        length, header_length = _checked_prelude(data, at)
        self._wanted = length
        end = at + length
        if len(data) < end:
            return at
        (stated,) = _CRC.unpack_from(data, end - _CRC_BYTES)
        if zlib.crc32(memoryview(data)[at : end - _CRC_BYTES]) != stated:
            raise ValueError(f"the checksum of a frame of {length} bytes is wrong")
        headers_at, payload_at = at + _PRELUDE_BYTES, at + _PRELUDE_BYTES + header_length
        frames.append(Frame(_headers(data[headers_at:payload_at]), data[payload_at : end - _CRC_BYTES]))
        self._wanted = _PRELUDE_BYTES
        return end


def _checked_prelude(data: bytes, at: int) -> tuple[int, int]:
    """How long a frame and its headers are."""
    length, header_length, stated = _PRELUDE.unpack_from(data, at)
    if zlib.crc32(data[at : at + _PRELUDE_BYTES - _CRC_BYTES]) != stated:
        raise ValueError("the checksum of a frame's prelude is wrong")
    payload_length = length - header_length - _LEAST_BYTES
    if header_length > _MOST_HEADER_BYTES or not 0 <= payload_length <= _MOST_PAYLOAD_BYTES:
        raise ValueError(f"a frame cannot have {length} bytes with {header_length} bytes of headers")
    return length, header_length


# All frames of one kind have the same headers, and to read them takes 6 us.
@lru_cache(maxsize=64)
def _headers(block: bytes) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    try:
        at = 0
        while at < len(block):
            name, at = _sized(block, at, 1)
            headers[name.decode("utf-8", "replace")], at = _value(block, at + 1, block[at])
    except (struct.error, IndexError) as error:
        raise ValueError("the headers of a frame end too early") from error
    return MappingProxyType(headers)


def _value(block: bytes, at: int, kind: int) -> tuple[str, int]:
    """A header's value in words, and where the next header begins."""
    if kind in (_TRUE, _FALSE):
        return ("true" if kind == _TRUE else "false"), at
    if kind == _TEXT:
        value, end = _sized(block, at, 2)
        return value.decode("utf-8", "replace"), end
    if kind == _BYTES:
        value, end = _sized(block, at, 2)
        return value.hex(), end
    if kind in _INTEGER_BYTES:
        value, end = _taken(block, at, _INTEGER_BYTES[kind])
        return str(int.from_bytes(value, "big", signed=True)), end
    if kind == _UUID:
        value, end = _taken(block, at, _UUID_BYTES)
        return value.hex(), end
    raise ValueError(f"a frame's header has a value of the unknown type {kind}")


def _sized(block: bytes, at: int, size_bytes: int) -> tuple[bytes, int]:
    size, at = _taken(block, at, size_bytes)
    return _taken(block, at, int.from_bytes(size, "big"))


def _taken(block: bytes, at: int, count: int) -> tuple[bytes, int]:
    if at + count > len(block):
        raise IndexError(at + count)
    return block[at : at + count], at + count
