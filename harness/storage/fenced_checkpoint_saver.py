"""Checkpoints that only the holder of a run's lease writes: each write looks at the run's owner in its transaction."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# langgraph and langchain-core leave the values of state and configuration untyped.

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from typing_extensions import override

from harness.storage.checkpoint_saver import SqlCheckpointSaver
from harness.storage.run_fence import check_owner
from harness.storage.transactions import Operation, Statement, TransactionWriter

T = TypeVar("T")


class FencedCheckpointSaver(SqlCheckpointSaver):
    """The saver of a process that advances runs; a thread is named as its run.

    Args:
        owner: what the process claims runs as.
        row_lock: what holds off a claim until the write is committed: "FOR SHARE" on PostgreSQL; nothing on SQLite,
            whose write transaction is alone.

    Writing raises `LeaseHeld` or `RunInterrupted` where the run is not the owner's; nothing was stored.
    """

    def __init__(
        self,
        writer: TransactionWriter,
        *,
        organisation: str,
        person: str,
        clock: Callable[[], datetime],
        owner: str,
        row_lock: str,
    ) -> None:
        super().__init__(writer, organisation=organisation, person=person, clock=clock)
        self._owner = owner
        self._find_owner = (
            "SELECT owner, lease_until FROM runs WHERE organisation = :organisation AND run_id = :run_id " + row_lock
        )

    @override
    def _put(self, key: Any, *args: Any, **kwargs: Any) -> Callable[[], Operation[Any]]:
        return self._while_owned(key.thread_id, super()._put(key, *args, **kwargs))

    @override
    def _put_writes(self, config: Any, *args: Any, **kwargs: Any) -> Callable[[], Operation[None]]:
        return self._while_owned(config["configurable"]["thread_id"], super()._put_writes(config, *args, **kwargs))

    def _while_owned(self, run_id: str, start: Callable[[], Operation[T]]) -> Callable[[], Operation[T]]:
        def operation() -> Operation[T]:
            rows = yield Statement(self._find_owner, {"organisation": self._organisation, "run_id": run_id})
            check_owner(run_id, self._owner, rows[0] if rows else None)
            return (yield from start())

        return operation
