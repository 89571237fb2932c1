"""What the steps of a run did, written down before anything goes on: the port of the journal.

A node that does several things (items of a list, calls of an agent, steps of a plan) records each under a path of its
own, so that a resumed run does none of them twice. Model replies have their own journal beside the money; here are the
results of tools, code and items, and which attempts began.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from harness.json_values import Json


class StepStatus(StrEnum):
    """How far a step came."""

    BEGUN = "begun"  # and not known to have ended: a repetition carries the same idempotency key
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """A step as it is recorded.

    Args:
        path: the place within the run, e.g. `research[2]/tool#3`: the node, its visit where it is not the first, the
            item where there are several, then what the node calls its parts.
        kind: "tool", "item", "answer", "plan" ...
        digest: of what went into it: a result answers only what it was made from.
        attempts: how often it was begun.
        result: None unless it is done.
        error: what it failed with.
    """

    path: str
    kind: str
    digest: str
    status: StepStatus
    attempts: int
    result: Json
    error: str | None
    started_at: datetime
    finished_at: datetime | None


class StepJournal(Protocol):
    """The journal of one run. Every call is atomic and survives the death of the process.

    Writing raises LeaseHeld or RunInterrupted where this process advances the run no more; nothing was written then.
    """

    async def begin(self, path: str, kind: str, digest: str, *, durable: bool = False) -> RecordedStep:
        """Note that a step begins, once more where it was begun or failed before; a done one is returned as it is.

        Args:
            durable: it survives a power cut too. Say so for an effect, because it is sent next.
        """
        ...

    async def finish(self, path: str, digest: str, result: Json) -> None:
        """Keep a step's result; a second result for it changes nothing. NameUnknown if it never began."""
        ...

    async def fail(self, path: str, digest: str, error: str) -> None:
        """Note that a step failed; it may begin again. A done one stays done. NameUnknown if it never began."""
        ...

    async def steps(self, prefix: str = "") -> Sequence[RecordedStep]:
        """What is recorded under a path and below it, in the order it began."""
        ...
