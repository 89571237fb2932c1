"""Runs, and who advances them: the port that engines record runs through, adapters in `harness.storage`.

A run is recorded before it starts, and advanced only by who holds its lease; a lease that ended may be taken by
anybody, so a run survives its process. A run that is a step of another is driven by that one, and goes with it. What a
run did is left to its checkpoints and journal, what it cost to the ledger.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

from harness.json_values import Json, JsonObject

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread
_TIME_BITS = 45  # milliseconds until the year 3084
_RANDOM_BITS = 35
_LENGTH = (_TIME_BITS + _RANDOM_BITS) // 5


class RunStatus(StrEnum):
    """Where a run stands."""

    PENDING = "pending"  # recorded, never started
    RUNNING = "running"  # somebody holds its lease, or held it when their process died
    WAITING = "waiting"  # for a person
    INTERRUPTED = "interrupted"  # stopped from outside
    FAILED = "failed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing goes on by itself; only a completed run can never be resumed."""
        return self in (RunStatus.FAILED, RunStatus.COMPLETED, RunStatus.CANCELLED)


ENDED = frozenset(status for status in RunStatus if status.ended)


class PruneDepth(StrEnum):
    """How much of an ended run goes."""

    CHECKPOINTS = "checkpoints"  # the run and where it ended stay; its history goes
    ALL = "all"  # nothing of it stays


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to be recorded.

    Args:
        spec: the workflow as it is to be run, resolved; a resumed run reads it from here and not from the file.
        project: the folder of harness.yaml.
        task_id: the task its calls are charged to; None for one of its own, named as the run.
        subject: whom the inputs are about, where that is known.
        parent_run_id: the run that this one is a step of; `parent_path` says where in it.
        forked_from: the run whose checkpoint at `forked_step` this one starts from.
    """

    person: str
    workflow: str
    spec: JsonObject
    inputs: JsonObject
    project: str
    binding_version: int
    task_id: str | None = None
    subject: str | None = None
    parent_run_id: str | None = None
    parent_path: str | None = None
    forked_from: str | None = None
    forked_step: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it is recorded; times are UTC.

    Args:
        cancel_requested_at: somebody wants it stopped since then; None once it is advanced anew.
        active_seconds: for how long some process advanced it, all of them together; waiting is not in it.
    """

    run_id: str
    organisation: str
    person: str
    workflow: str
    spec_digest: str
    project: str
    task_id: str
    status: RunStatus
    owner: str | None
    lease_until: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    binding_version_at_start: int
    parent_run_id: str | None = None
    parent_path: str | None = None
    forked_from: str | None = None
    forked_step: int | None = None
    cancel_requested_at: datetime | None = None
    cancel_requested_by: str | None = None
    active_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was dropped, or would be.

    Args:
        runs: those that something was dropped of, their steps that are runs of their own included.
        bytes: of their texts and documents, UTF-8; the file of a SQLite database reuses the room and does not shrink.
    """

    runs: int
    checkpoints: int
    steps: int
    bytes: int


class RunStore(Protocol):
    """The runs of one organisation.

    Every call is atomic, in any number of processes, and its effect survives the death of the process. Where a run is
    named, the beginning of its id is enough if no other begins so; a name without a run raises NameUnknown.
    """

    async def record(self, new: NewRun) -> Run:
        """Record a pending run, before anything of it is done; survives a power cut."""
        ...

    async def claim(self, run_id: str, *, owner: str, lease_seconds: float) -> Run:
        """Take a run to advance it; it is running from now on, and a request to cancel it is forgotten.

        A completed run is returned as it is, without an owner: look at the status. The owner may claim again.

        Raises:
            LeaseHeld: somebody else's lease has not ended.
        """
        ...

    async def renew(self, run_id: str, *, owner: str, lease_seconds: float, active_seconds: float = 0.0) -> Run:
        """Keep the lease; one that ended can be renewed while nobody took it.

        Look at `cancel_requested_at` of what is returned: it is how the advancing process hears of it.

        Args:
            active_seconds: added to the run's: what passed since the last time they were.

        Raises:
            LeaseHeld: somebody else took it; stop advancing the run.
            RunInterrupted: it is nobody's any more; stop advancing the run.
        """
        ...

    async def release(
        self,
        run_id: str,
        *,
        owner: str,
        status: RunStatus,
        error: str | None = None,
        active_seconds: float = 0.0,
    ) -> Run:
        """Give the lease back with what became of the run; the steps of a cancelled one are cancelled with it.

        Args:
            active_seconds: added to the run's, as by `renew`.

        Raises:
            LeaseHeld: somebody else took it; nothing was changed.
            RunInterrupted: it is nobody's any more; nothing was changed.
        """
        ...

    async def request_cancel(self, run_id: str, *, person: str) -> Run:
        """Ask for a run to be stopped.

        One that a process advances is told by its next `renew`. One that nobody advances is cancelled at once, with
        those of its steps that nobody advances; a failed one keeps its error. A completed or cancelled run is returned
        as it is.
        """
        ...

    async def replace_spec(self, run_id: str, *, owner: str, spec: Json) -> Run:
        """Let a run go on by another workflow than it was recorded with; survives a power cut.

        Raises:
            LeaseHeld: somebody else advances it; nothing was changed.
            RunInterrupted: nobody does; nothing was changed.
        """
        ...

    async def run(self, run_id: str) -> Run:
        """One run."""
        ...

    async def runs(
        self, *, status: RunStatus | None = None, workflow: str | None = None, limit: int = 50, steps: bool = False
    ) -> Sequence[Run]:
        """Runs, newest first; those that are steps of others only if asked for."""
        ...

    async def child(self, parent_run_id: str, path: str) -> Run | None:
        """The run that is the step at this place of a run, the newest if there are several; takes the whole id."""
        ...

    async def children(self, run_id: str) -> Sequence[Run]:
        """The runs that are steps of a run, not those below them, in the order they were recorded."""
        ...

    async def root_of(self, run_id: str) -> Run:
        """The run that this one is a step of, or a step of a step; itself where it is none."""
        ...

    async def expired(self) -> Sequence[Run]:
        """Runs whose process is gone, the longest first: the lease has ended, or the run was recorded and never started.

        Without runs that are steps of others: those drive them.
        """
        ...

    async def spec(self, run_id: str) -> Json:
        """The workflow as it was recorded."""
        ...

    async def inputs(self, run_id: str) -> Json:
        """The inputs as they were recorded."""
        ...

    async def write_payload(self, run_id: str, value: Json, *, subject: str | None = None) -> str:
        """Keep a value with a run and return its identifier; equal values of a run have one."""
        ...

    async def read_payload(self, payload_id: str) -> Json:
        """A value by its identifier; NameUnknown once it was erased."""
        ...

    async def prune(
        self,
        *,
        before: datetime,
        depth: PruneDepth,
        statuses: Collection[RunStatus] = ENDED,
        dry_run: bool = False,
    ) -> Pruned:
        """Drop what ended before a moment, each run with the runs that are its steps, oldest first.

        To the depth of checkpoints the run stays with its newest checkpoint, its questions and what it was given: it
        can be shown as it ended, not as it was at a step. A completed run also loses the results in its journal; a
        failed or cancelled one keeps them, because it may be resumed and must do no effect twice.

        A run of which a step has not ended is passed over whole. Done in transactions of bounded size: after a crash or
        a failure every run is either gone or can be resumed, and pruning again goes on. What runs cost is in the ledger and stays.

        Args:
            statuses: which of the ended ones; a status of runs that have not ended is refused with ValueError.
        """
        ...


def new_run_id(now: datetime, random_bits: int) -> str:
    """Sixteen lower-case letters and digits that sort by time; the last seven are chance.

    Args:
        random_bits: at least 35 bits; the lower 35 are used.
    """
    milliseconds = int(now.timestamp() * 1000) & ((1 << _TIME_BITS) - 1)
    number = (milliseconds << _RANDOM_BITS) | (random_bits & ((1 << _RANDOM_BITS) - 1))
    return "".join(_LETTERS[(number >> shift) & 31] for shift in range(5 * (_LENGTH - 1), -1, -5))


def typed_run_id(text: str) -> str:
    """What somebody typed, with the letters that are easily misread put right."""
    return text.strip().lower().translate(str.maketrans("ilo", "110"))


def time_of_run_id(run_id: str) -> datetime:
    """When a run id was made, to the millisecond."""
    number = 0
    for letter in run_id:
        number = number * 32 + _LETTERS.index(letter)
    return datetime.fromtimestamp((number >> _RANDOM_BITS) / 1000, UTC)
