"""Which house a LangChain object asks, and the event loop that house lives in.

A house lives in one event loop: the one that ran where an object first met it, or, where none ran, the loop of one
thread that all such houses of the process share. Calls come from any thread and any loop and are carried there.
LangChain's objects have no composition root of their own, so what is known here is known of the process.
"""

import asyncio
import concurrent.futures.thread
import os
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import harness
from harness.exceptions import ConfigurationInvalid
from harness.metering.exchange import OnEvent
from harness.models.messages import StreamEvent
from harness.portal import Portal, running_loop, submitted

T = TypeVar("T")

# By the public face, as a program has it: what is below the composition root must not import it.
House = harness.Harness


class Houses:
    """The houses that this process asks through LangChain's objects."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._portal: Portal | None = None
        self._loops: WeakKeyDictionary[House, asyncio.AbstractEventLoop] = WeakKeyDictionary()
        self._of_folders: dict[Path, House] = {}

    def met(self, house: House) -> None:
        """Note where a house lives, if that is seen here for the first time."""
        here = running_loop()
        if here is not None:
            with self._lock:
                self._loops.setdefault(house, here)

    def of_folder(self, folder: Path) -> House:
        """The house of the project that a folder lies in, opened once and closed when the process ends.

        Raises:
            ConfigurationInvalid, SpecificationInvalid: a setting or a file that cannot be used.
        """
        place = folder.resolve()
        with self._lock:
            house = self._of_folders.get(place)
            if house is None:
                house = harness.Harness.of_folder(place)
                self._loops[house] = self._portal_loop()
                self._of_folders[place] = house
        return house

    def close_folder(self, folder: Path) -> None:
        """Close the house of a folder if it is open; idempotent. The next object that asks opens it anew."""
        with self._lock:
            house = self._of_folders.pop(folder.resolve(), None)
        if house is not None:
            self._submitted(house, house.close).result()

    def close_all(self) -> None:
        """Close what was opened here, and end the thread; idempotent."""
        for folder in list(self._of_folders):
            self.close_folder(folder)
        with self._lock:
            portal, self._portal = self._portal, None
        if portal is not None:
            portal.close()

    def forget(self) -> None:
        """Know nothing any more: in a forked process there are no threads, and the parent's houses are its own."""
        self.__init__()

    async def done(self, house: House, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What becomes of a piece of work in the house's loop, for a caller in any loop."""
        if self._loop_of(house) is running_loop():
            return await work()
        return await asyncio.wrap_future(self._submitted(house, work))

    def done_waiting(self, house: House, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The same for a synchronous caller, who waits.

        Raises:
            ConfigurationInvalid: the house lives in the loop that would have to wait for itself.
        """
        self._check_not_at_home(house)
        future = self._submitted(house, work)
        try:
            return future.result()
        finally:
            future.cancel()

    async def heard(
        self, house: House, ask: Callable[[OnEvent], Coroutine[Any, Any, T]]
    ) -> AsyncGenerator[StreamEvent | T]:
        """What is heard of an answer as it arrives, and last the answer; going away cancels the question."""
        here, pieces = asyncio.get_running_loop(), asyncio.Queue[StreamEvent | None]()

        def put(event: StreamEvent | None) -> None:
            with suppress(RuntimeError):  # whoever listened is gone, and their loop with them
                here.call_soon_threadsafe(pieces.put_nowait, event)

        future = self._begun(house, ask, put)
        try:
            while (event := await pieces.get()) is not None:
                yield event
            yield future.result()
        finally:
            future.cancel()

    def heard_waiting(
        self, house: House, ask: Callable[[OnEvent], Coroutine[Any, Any, T]]
    ) -> Generator[StreamEvent | T]:
        """The same for a synchronous caller.

        Raises:
            ConfigurationInvalid: as `done_waiting`.
        """
        self._check_not_at_home(house)
        pieces = queue.SimpleQueue[StreamEvent | None]()
        future = self._begun(house, ask, pieces.put)
        try:
            while (event := pieces.get()) is not None:
                yield event
            yield future.result()
        finally:
            future.cancel()

    def _begun(
        self,
        house: House,
        ask: Callable[[OnEvent], Coroutine[Any, Any, T]],
        put: Callable[[StreamEvent | None], None],
    ) -> Future[T]:
        future = self._submitted(house, lambda: ask(put))
        future.add_done_callback(lambda _: put(None))
        return future

    def _submitted(self, house: House, work: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        try:
            return submitted(self._loop_of(house), work)
        except RuntimeError as error:
            remedy = "its event loop has ended: make the house where it is used, or name a folder instead of a house"
            raise ConfigurationInvalid("house", type(house).__name__, "a LangChain object", remedy) from error

    def _check_not_at_home(self, house: House) -> None:
        if self._loop_of(house) is running_loop():
            remedy = (
                "it lives in the event loop that would wait for it here: use ainvoke, astream and the other "
                "asynchronous methods, or name a folder instead of a house"
            )
            raise ConfigurationInvalid("house", type(house).__name__, "a LangChain object", remedy)

    def _loop_of(self, house: House) -> asyncio.AbstractEventLoop:
        with self._lock:
            return (
                self._loops.setdefault(house, self._portal_loop()) if house not in self._loops else self._loops[house]
            )

    def _portal_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._portal is None:
                self._portal = Portal()
            return self._portal.loop


HOUSES = Houses()

if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=HOUSES.forget)

# Not `atexit`: when its functions run, the threads that closing a house needs cannot be started any more. This runs
# before, after the main thread's own code has ended; what was registered last runs first, so the module that ends those
# threads has to be there already.
assert concurrent.futures.thread
threading._register_atexit(HOUSES.close_all)  # type: ignore[attr-defined] # noqa: SLF001
