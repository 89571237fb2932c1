import binascii
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.dialects.aws_event_stream import Frame, FrameSplitter


def header(name, kind, value):
    return bytes([len(name)]) + name.encode() + bytes([kind]) + value


def text_header(name, value):
    return header(name, 7, struct.pack(">H", len(value.encode())) + value.encode())


def frame_of(payload, headers=b""):
    """A frame's bytes, made after the published layout without our code."""
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    prelude += struct.pack(">I", binascii.crc32(prelude))
    message = prelude + headers + payload
    return message + struct.pack(">I", binascii.crc32(message))


def split(*chunks):
    splitter = FrameSplitter()
    frames = [frame for chunk in chunks for frame in splitter.feed(chunk)]
    splitter.end()
    return frames


def test_the_published_examples_are_read():
    # Smithy's and AWS's own test vectors: an empty message, and one with a text header and a payload.
    empty = bytes.fromhex("000000100000000005c248eb7d98c8ff")
    assert split(empty) == [Frame({}, b"")]
    with_header = bytes.fromhex(
        "0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b27666f6f273a2762617227"
        "7d8d9c08b1"
    )
    assert split(with_header) == [Frame({"content-type": "application/json"}, b"{'foo':'bar'}")]


def test_headers_of_every_type_are_read_in_words():
    headers = b"".join(
        [
            header("yes", 0, b""),
            header("no", 1, b""),
            header("byte", 2, b"\xff"),
            header("short", 3, struct.pack(">h", -2)),
            header("int", 4, struct.pack(">i", 70_000)),
            header("long", 5, struct.pack(">q", 2**40)),
            header("bytes", 6, b"\x00\x02\xab\xcd"),
            text_header("text", "größer"),
            header("time", 8, struct.pack(">q", 8_675_309)),
            header("id", 9, bytes(range(16))),
        ]
    )
    (frame,) = split(frame_of(b"p", headers))
    assert frame.headers == {
        "yes": "true",
        "no": "false",
        "byte": "-1",
        "short": "-2",
        "int": "70000",
        "long": str(2**40),
        "bytes": "abcd",
        "text": "größer",
        "time": "8675309",
        "id": "000102030405060708090a0b0c0d0e0f",
    }


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_frames_torn_anywhere_are_the_same(size):
    body = b"".join(frame_of(bytes([n]) * n, text_header(":event-type", f"e{n}")) for n in range(40))
    assert split(*(body[at : at + size] for at in range(0, len(body), size))) == split(body)
    assert [len(frame.payload) for frame in split(body)] == list(range(40))


@pytest.mark.parametrize(
    "headers",
    [
        header("x", 10, b""),
        text_header("name", "value")[:-1],
        b"\x05ab",
        header("int", 4, b"\x00"),
        b"\x01x",
    ],
)
def test_headers_that_cannot_be_read_are_refused(headers):
    with pytest.raises(ValueError, match="header"):
        split(frame_of(b"", headers))


@pytest.mark.parametrize(("length", "header_length"), [(15, 0), (20, 5), (2**31, 0), (2**30, 2**30 - 16)])
def test_a_frame_that_claims_an_impossible_length_is_refused_at_once(length, header_length):
    prelude = struct.pack(">II", length, header_length)
    with pytest.raises(ValueError, match="cannot have"):
        FrameSplitter().feed(prelude + struct.pack(">I", binascii.crc32(prelude)))


def test_the_frames_before_a_damaged_one_come_first_however_the_stream_is_torn():
    good, bad = frame_of(b"good"), bytearray(frame_of(b"bad"))
    bad[-6] ^= 1
    splitter = FrameSplitter()
    assert splitter.feed(good + bytes(bad)) == [Frame({}, b"good")]
    for _ in range(2):
        with pytest.raises(ValueError, match="checksum"):
            splitter.end()
    with pytest.raises(ValueError, match="checksum"):
        splitter.feed(good)


@settings(deadline=None)  # the machine may be busy
@given(st.binary(max_size=40), st.data())
def test_no_flipped_bit_and_no_cut_goes_unseen(payload, data):
    whole = frame_of(payload, text_header(":message-type", "event"))
    place = data.draw(st.integers(0, len(whole) * 8 - 1))
    damaged = bytearray(whole)
    damaged[place // 8] ^= 1 << place % 8
    with pytest.raises(ValueError, match="frame"):
        split(bytes(damaged))
    with pytest.raises(ValueError, match="inside a frame"):
        split(whole[: data.draw(st.integers(1, len(whole) - 1))])
