import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.dialects.server_sent_events import EventSplitter, ServerSentEvent


def split(*chunks):
    splitter = EventSplitter()
    return [event for chunk in chunks for event in splitter.feed(chunk)] + splitter.end()


line = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)
events = st.lists(st.builds(ServerSentEvent, line.filter(bool), st.lists(line, min_size=1).map("\n".join)), max_size=6)


def written(event, line_end):
    lines = [f"event: {event.event}", ": keep-alive", "id: 7", *(f"data: {d}" for d in event.data.split("\n")), "", ""]
    return line_end.join(lines)


@settings(deadline=None)  # the machine may be busy
@given(events, st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(min_value=1, max_value=9), min_size=1))
def test_events_survive_any_tear_and_every_line_end(expected, line_end, sizes):
    body = "".join(written(event, line_end) for event in expected).encode()
    pieces, start = [], 0
    while start < len(body):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(body[start : start + size])
        start += size
    assert split(*pieces) == expected


@settings(deadline=None)  # the machine may be busy
@given(st.binary(max_size=200), st.integers(min_value=1, max_value=7))
def test_any_bytes_split_the_same_whole_and_torn(body, size):
    assert split(*(body[at : at + size] for at in range(0, len(body), size))) == split(body)


def test_an_event_is_out_as_soon_as_its_last_line_ends():
    assert EventSplitter().feed(b"data: now\r\n\r") == [ServerSentEvent("message", "now")]


def test_a_carriage_return_and_a_line_feed_in_two_chunks_are_one_line_end():
    assert split(b"data: a\r", b"\ndata: b\r\n\r\n") == [ServerSentEvent("message", "a\nb")]


def test_an_event_open_at_the_end_is_given_to_whoever_can_judge_it():
    assert split(b"data: [DONE]") == [ServerSentEvent("message", "[DONE]")]


@pytest.mark.parametrize("body", [b": comment\n\n", b"event: ping\n\n", b"\n\n\n", b"retry: 5\n\n"])
def test_what_has_no_data_is_no_event(body):
    assert split(body) == []


def test_a_byte_order_mark_and_a_missing_space_are_read():
    assert split(b"\xef\xbb\xbfdata:x\n\n") == [ServerSentEvent("message", "x")]
