"""One writer a database in a process: a thread that commits operations in groups.

An operation is a generator that yields one `Statement` at a time and is sent its rows; so the same generator can
run here, in a plain loop, and under a scheduler that interleaves clients. It reads before it writes: one that
raises must not have written anything, because its group is committed all the same.

Statements are raw SQL, run by the driver of a connection from SQLAlchemy's pool: by SQLAlchemy's
`exec_driver_sql` a hold and its settlement on three limits took 1.2 ms CPU, by the driver 0.6.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from sqlalchemy import Engine

from harness.storage.driver_sessions import DriverSession, Row, Statement
from ontology.exceptions import DatabaseUnavailable

__all__ = ["Operation", "Row", "Statement", "TransactionWriter", "run_operation"]

T = TypeVar("T")

_GROUP_LIMIT = 256
_CLOSED = "this writer is closed"

Operation = Generator[Statement, Sequence[Row], T]


def run_operation(session: DriverSession, operation: Operation[T]) -> T:
    """Drive an operation in the session's transaction."""
    try:
        statement = next(operation)
        while True:
            statement = operation.send(session.execute(statement))
    except StopIteration as finished:
        return cast("T", finished.value)


# Hands an operation's value, or its failure, to whoever waits for it; called in the writer's thread.
_Answered = Callable[[Any, BaseException | None], None]


@dataclass(frozen=True, slots=True)
class _Job:
    start: Callable[[], Operation[Any]]
    durable: bool
    answered: _Answered


def _answer_in(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[Any]") -> _Answered:
    def settle(value: Any, failure: BaseException | None) -> None:
        if future.done():
            return  # its caller was cancelled
        if failure is None:
            future.set_result(value)
        else:
            future.set_exception(failure)

    def answered(value: Any, failure: BaseException | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, value, failure)

    return answered


def _answer_of(future: "Future[Any]") -> _Answered:
    def answered(value: Any, failure: BaseException | None) -> None:
        if failure is None:
            future.set_result(value)
        else:
            future.set_exception(failure)

    return answered


class TransactionWriter:
    """Runs operations one after the other in a thread of its own and commits those that wait together.

    A group that holds a durable operation waits for the disk before it answers (SQLite `synchronous=FULL`); the
    others do not (NORMAL), unless `always_durable`. If a statement or a commit fails, every operation of its group
    fails with the database's error, and none of it is written.

    Args:
        takes_turns: on PostgreSQL, that groups of writers with this name wait for each other, in every process, as
            they always do on SQLite. Without it two groups that lock the same rows in another order end in a deadlock.
    """

    def __init__(self, engine: Engine, *, name: str, always_durable: bool = False, takes_turns: bool = False) -> None:
        self._session = DriverSession(engine, turns=f"portable-harness {name}" if takes_turns else None)
        self._reader = DriverSession(engine) if engine.dialect.name == "sqlite" else None
        self._always_durable = always_durable
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._closing = threading.Lock()
        self._thread = threading.Thread(target=self._work, name=f"writer-{name}", daemon=True)
        self._thread.start()

    async def run(self, start: Callable[[], Operation[T]], *, durable: bool = False) -> T:
        """Run an operation; returns once it is committed. `start` makes the generator, in the writer's thread.

        A caller that is cancelled does not take back what it handed over: the operation is run all the same.
        """
        # One future of the loop, and not a concurrent one wrapped in another: half the loop's work on each call.
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._submit(_Job(start, durable or self._always_durable, _answer_in(loop, answer)))
        return await answer

    def run_blocking(self, start: Callable[[], Operation[T]], *, durable: bool = False) -> T:
        """As `run`, for callers without an event loop."""
        answer: Future[T] = Future()
        self._submit(_Job(start, durable or self._always_durable, _answer_of(answer)))
        return answer.result()

    async def read(self, start: Callable[[], Operation[T]]) -> T:
        """Run an operation of one SELECT, beside the writer's transactions.

        On SQLite at once, in the caller's thread: a reader of a WAL database waits for nobody, and the two hops to
        the writer's thread would cost more than the statement. Called from one event loop only.
        """
        if self._reader is None:
            return await self.run(start)
        if self._closed:
            raise RuntimeError(_CLOSED)
        return run_operation(self._reader, start())

    def close(self) -> None:
        """Finish what waits and end the thread; idempotent."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join()
        if self._reader is not None:
            self._reader.close()

    def _submit(self, job: "_Job") -> None:
        # Nothing may be put behind the end of the queue: nobody would ever run it.
        with self._closing:
            if self._closed:
                raise RuntimeError(_CLOSED)
            self._jobs.put(job)

    def _work(self) -> None:
        while (group := self._next_group()) is not None:
            if group:
                self._commit(group)
        self._session.close()

    def _next_group(self) -> list[_Job] | None:
        first = self._jobs.get()
        if first is None:
            return None
        group = [first]
        while len(group) < _GROUP_LIMIT:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            group.append(job)
        return group

    def _commit(self, group: list[_Job]) -> None:
        answers: list[tuple[_Job, Any, BaseException | None]] = []
        try:
            self._session.set_durable(any(job.durable for job in group))
            self._session.begin()
            answers.extend(self._answer(job) for job in group)
            self._session.commit()
        except BaseException as error:  # noqa: BLE001 - a failed commit must reach every caller, whatever it was
            self._session.rollback()
            answers = [(job, None, error) for job in group]
        for job, value, failure in answers:
            job.answered(value, failure)

    def _answer(self, job: _Job) -> tuple[_Job, Any, BaseException | None]:
        try:
            return job, run_operation(self._session, job.start()), None
        except DatabaseUnavailable:
            raise  # a statement failed, so the whole group must be rolled back
        except Exception as error:  # noqa: BLE001 - it is the caller's, handed on by `_commit`
            return job, None, error
