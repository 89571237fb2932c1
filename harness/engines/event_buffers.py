"""Events that wait for a reader: so many and no more, so that a slow reader stops no run and fills no memory."""

import asyncio
from collections import deque
from dataclasses import replace

from harness.workflow.events import EventsDropped, RunEvent, StreamedEvent, Words

CAPACITY = 1000
# Parts of an answer that nobody has read yet are joined up to this length.
_JOINED_CHARACTERS = 4000


class EventBuffer:
    """What one reader has not read yet, in order. Used from one event loop.

    Where it is full, the oldest part of an answer gives way, and the oldest event where there is none; the reader is
    told how many did.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._events: deque[RunEvent] = deque()
        self._dropped = 0
        self._ended = False
        self._changed = asyncio.Event()

    def copy(self) -> "EventBuffer":
        """Another reader's, which has read as little."""
        other = EventBuffer(self._capacity)
        other._events = deque(self._events)
        other._dropped = self._dropped
        other._ended = self._ended
        return other

    def put(self, event: RunEvent) -> None:
        """Keep an event; never waits."""
        if not self._joined(event):
            self._events.append(event)
            if len(self._events) > self._capacity:
                self._give_up_one()
        self._changed.set()

    def end(self) -> None:
        """Nothing more comes."""
        self._ended = True
        self._changed.set()

    async def next(self) -> StreamedEvent | None:
        """The next event, once there is one; None after the last."""
        while not self._events and not self._dropped:
            if self._ended:
                return None
            self._changed.clear()
            await self._changed.wait()
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            return EventsDropped(dropped)
        return self._events.popleft()

    def _joined(self, event: RunEvent) -> bool:
        """Whether it could be joined to the one before."""
        last = self._events[-1] if self._events else None
        if not isinstance(event, Words) or not isinstance(last, Words) or event.node != last.node:
            return False
        if len(last.text) + len(event.text) > _JOINED_CHARACTERS:
            return False
        self._events[-1] = replace(last, text=last.text + event.text)
        return True

    def _give_up_one(self) -> None:
        words = next((place for place, each in enumerate(self._events) if isinstance(each, Words)), 0)
        del self._events[words]
        self._dropped += 1
