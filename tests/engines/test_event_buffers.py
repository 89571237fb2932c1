"""What waits for a slow reader: bounded, with parts of answers given up first, and told."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from harness.engines.event_buffers import EventBuffer
from harness.workflow.events import EventsDropped, NodeSkipped, Words


def read(buffer):
    async def main():
        buffer.end()
        events = []
        while (event := await buffer.next()) is not None:
            events.append(event)
        return events

    return asyncio.run(main())


def filled(capacity, *events):
    buffer = EventBuffer(capacity)
    for event in events:
        buffer.put(event)
    return buffer


def test_events_come_in_order_and_then_no_more():
    assert read(filled(5, NodeSkipped("a"), NodeSkipped("b"))) == [NodeSkipped("a"), NodeSkipped("b")]


def test_parts_of_one_answer_that_nobody_has_read_are_joined():
    events = Words("a", "one "), Words("a", "two"), Words("b", "three"), Words("a", "four")
    assert read(filled(9, *events)) == [Words("a", "one two"), Words("b", "three"), Words("a", "four")]


def test_parts_of_answers_give_way_first():
    events = NodeSkipped("1"), Words("a", "x"), NodeSkipped("2"), NodeSkipped("3")
    assert read(filled(3, *events)) == [EventsDropped(1), NodeSkipped("1"), NodeSkipped("2"), NodeSkipped("3")]


def test_without_words_the_oldest_event_gives_way_and_how_many_did_is_told_once():
    events = [NodeSkipped(str(number)) for number in range(7)]
    assert read(filled(3, *events)) == [EventsDropped(4), *events[4:]]


def test_a_copy_has_read_as_little_and_goes_its_own_way():
    first = filled(5, NodeSkipped("a"))
    second = first.copy()
    second.put(NodeSkipped("b"))
    assert read(first) == [NodeSkipped("a")]
    assert read(second) == [NodeSkipped("a"), NodeSkipped("b")]


EVENTS = st.lists(
    st.one_of(
        st.builds(NodeSkipped, st.sampled_from("ab")),
        st.builds(Words, st.sampled_from("ab"), st.text("xy", min_size=1)),
    )
)


@given(events=EVENTS, capacity=st.integers(1, 6))
def test_nothing_is_lost_without_being_told_and_no_more_is_kept_than_fits(events, capacity):
    buffer = filled(capacity, *events)
    assert len(buffer._events) <= capacity
    found = read(buffer)
    dropped = sum(each.count for each in found if isinstance(each, EventsDropped))
    kept = [each for each in found if not isinstance(each, EventsDropped)]
    if not dropped:
        assert [each for each in kept if isinstance(each, NodeSkipped)] == [
            each for each in events if isinstance(each, NodeSkipped)
        ]
        for node in "ab":
            words = [
                [each.text for each in some if isinstance(each, Words) and each.node == node] for some in (kept, events)
            ]
            assert "".join(words[0]) == "".join(words[1])
    skipped = sum(isinstance(each, NodeSkipped) for each in events)
    if skipped <= capacity:
        assert sum(isinstance(each, NodeSkipped) for each in kept) == skipped
