"""One event loop in one thread of its own, for callers that have none, or have another one.

The house is asynchronous and lives in one loop; a synchronous caller hands it work through this door. Knows nothing of
what the work is.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

Work = Callable[[], Coroutine[Any, Any, T]]


class Portal:
    """A running event loop; its thread ends with the process, or when it is closed."""

    def __init__(self, name: str = "harness-portal") -> None:
        self.loop = asyncio.new_event_loop()
        # A daemon: a caller who forgets to close must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def close(self) -> None:
        """Cancel what is under way, end the loop and its thread; idempotent. Not from the loop itself."""
        if self.loop.is_closed():
            return
        self.submitted(self._wound_up).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def submitted(self, work: Work[T]) -> Future[T]:
        """Begin a piece of work; cancelling its future cancels the work."""
        return submitted(self.loop, work)

    async def _wound_up(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self.loop.shutdown_asyncgens()
        await self.loop.shutdown_default_executor()


def submitted(loop: asyncio.AbstractEventLoop, work: Work[T]) -> Future[T]:
    """Begin a piece of work in a loop that runs in whatever thread; cancelling its future cancels the work.

    Raises:
        RuntimeError: the loop does not run, so that nothing would ever come of it.
    """
    if not loop.is_running():
        raise RuntimeError("the event loop does not run")
    return asyncio.run_coroutine_threadsafe(work(), loop)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs in this thread; None where none does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
