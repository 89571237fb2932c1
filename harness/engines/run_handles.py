"""A run that goes on while its caller does something else: its events, its outcome, and how to stop it."""

import asyncio
from collections.abc import AsyncIterator

from harness.engines.embedded import EmbeddedEngine, RunOutcome
from harness.engines.event_buffers import CAPACITY, EventBuffer
from harness.engines.run_store import Run
from harness.exceptions import RunInterrupted
from harness.workflow.events import RunEvent, StreamedEvent
from harness.workflow.loading import LoadedWorkflow


class RunHandle:
    """A run that this process advances in the background, from where the handle is made.

    Args:
        person: in whose name it is cancelled.
        capacity: how many events are kept for a reader who is behind.
    """

    def __init__(
        self,
        engine: EmbeddedEngine,
        run_id: str,
        *,
        person: str,
        migrate: LoadedWorkflow | None = None,
        capacity: int = CAPACITY,
    ) -> None:
        self.run_id = run_id
        self._engine = engine
        self._person = person
        self._so_far = EventBuffer(capacity)
        self._readers: list[EventBuffer] = [self._so_far]
        self._task = asyncio.create_task(engine.advance(run_id, self._hear, migrate=migrate))
        self._task.add_done_callback(self._end)

    def stream(self) -> AsyncIterator[StreamedEvent]:
        """Its events as they come, and those that came before, as many as are kept; ends with the run.

        Any number of readers may read, each at its own pace: the run waits for none. One that is too slow is told by
        `EventsDropped` how much it missed.
        """
        buffer = self._so_far.copy()
        self._readers.append(buffer)
        return self._events_of(buffer)

    async def outcome(self) -> RunOutcome:
        """What became of the run, once it is known; a caller that is cancelled stops only its own waiting.

        Raises:
            LeaseHeld: another process advances it.
            RunInterrupted: it was stopped from outside; it can be resumed.
            MigrationRefused: it cannot go on with the workflow that was given.
        """
        try:
            return await asyncio.shield(self._task)
        except asyncio.CancelledError:
            if self._task.cancelled():
                raise RunInterrupted(self.run_id) from None
            raise

    async def cancel(self) -> Run:
        """Ask for the run to be stopped; `outcome` says when it is. It can be resumed."""
        return await self._engine.cancel(self.run_id, self._person)

    async def interrupt(self) -> None:
        """Stop advancing it here, as when the process ends; it can be resumed."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    @property
    def done(self) -> bool:
        """Whether it is no longer advanced here."""
        return self._task.done()

    async def _events_of(self, buffer: EventBuffer) -> AsyncIterator[StreamedEvent]:
        try:
            while (event := await buffer.next()) is not None:
                yield event
        finally:
            self._readers.remove(buffer)

    def _hear(self, event: RunEvent) -> None:
        for reader in self._readers:
            reader.put(event)

    def _end(self, task: "asyncio.Task[RunOutcome]") -> None:
        for reader in self._readers:
            reader.end()
        if not task.cancelled():
            task.exception()  # seen: nobody need ask for the outcome
