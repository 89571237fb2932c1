"""Lines out of a pipe, in any pieces; and whose answer a line is that was not kept."""

import json

from hypothesis import given
from hypothesis import strategies as st

from harness.integrations.mcp_message_lines import HEAD_BYTES, LongLine, MessageLines, answered_request


def cut(data, places):
    ends = sorted({min(place, len(data)) for place in places} | {len(data)})
    return [data[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


@given(
    lines=st.lists(st.binary(max_size=60).map(lambda line: line.replace(b"\n", b" ")), max_size=8),
    places=st.lists(st.integers(0, 500), max_size=10),
    allowed=st.integers(0, 40),
)
def test_lines_come_whole_or_with_their_size_however_they_arrive(lines, places, allowed):
    data = b"".join(line + b"\n" for line in lines)
    reader = MessageLines(lambda: allowed)
    read = [line for piece in cut(data, places) for line in reader.feed(piece)]
    assert len(read) == len(lines)
    for line, found in zip(lines, read, strict=True):
        if len(line) > allowed:
            assert isinstance(found, LongLine)
            assert (found.size, found.tail) == (len(line), line[-HEAD_BYTES:])
            assert line.startswith(found.head)
            assert len(found.head) > allowed
        else:
            assert found == line
    assert reader.size == 0


def test_a_line_that_is_too_long_is_not_kept():
    reader = MessageLines(lambda: 1000)
    for _ in range(1000):
        assert list(reader.feed(b"x" * 1000)) == []
    assert reader.size == 1_000_000
    assert len(reader._line) <= 2 * HEAD_BYTES


def written(message, **more):
    return json.dumps(message, **more).encode()


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=20) | st.just('","id":7}'),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "jsonrpc", "a"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    request=st.integers(0, 10**9) | st.text(st.characters(codec="ascii"), max_size=10),
    result=st.dictionaries(st.sampled_from(["id", "content", "jsonrpc"]), VALUES, max_size=3),
    order=st.permutations(["jsonrpc", "id", "result"]),
    compact=st.booleans(),
)
def test_whose_answer_a_line_is_is_never_taken_from_within_the_answer(request, result, order, compact):
    said = {"jsonrpc": "2.0", "id": request, "result": result}
    line = written({key: said[key] for key in order}, separators=(",", ":") if compact else None)
    expected = int(request) if isinstance(request, str) and request.isdigit() else request
    found = answered_request(line, line)
    if order.index("result") == 1 or (order.index("id") < 2 and order[0] != "result"):
        assert found == expected
    else:
        assert found in (expected, None)


def test_a_line_that_names_no_request_answers_none():
    assert answered_request(b'{"jsonrpc":"2.0","method":"x","params":{"id":4}}', b'"params":{"id":4}}') is None
    assert answered_request(b"hello", b"hello") is None
