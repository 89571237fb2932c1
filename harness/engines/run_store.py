"""Runs, and who advances them: the port that engines record runs through, adapters in `harness.storage`.

A run is recorded before it starts, and advanced only by who holds its lease; a lease that ended may be taken by
anybody, so a run survives its process. What a run did is left to its checkpoints, what it cost to the ledger.
"""

from collections.abc import Sequence
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


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to be recorded.

    Args:
        spec: the workflow as it is to be run, resolved; a resumed run reads it from here and not from the file.
        project: the folder of harness.yaml.
        task_id: the task its calls are charged to; None for one of its own, named as the run.
        subject: whom the inputs are about, where that is known.
    """

    person: str
    workflow: str
    spec: JsonObject
    inputs: JsonObject
    project: str
    binding_version: int
    task_id: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it is recorded; times are UTC."""

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


class RunStore(Protocol):
    """The runs of one organisation.

    Every call is atomic, in any number of processes, and its effect survives the death of the process. Where a run is
    named, the beginning of its id is enough if no other begins so; a name without a run raises NameUnknown.
    """

    async def record(self, new: NewRun) -> Run:
        """Record a pending run, before anything of it is done; survives a power cut."""
        ...

    async def claim(self, run_id: str, *, owner: str, lease_seconds: float) -> Run:
        """Take a run to advance it; it is running from now on.

        A completed run is returned as it is, without an owner: look at the status. The owner may claim again.

        Raises:
            LeaseHeld: somebody else's lease has not ended.
        """
        ...

    async def renew(self, run_id: str, *, owner: str, lease_seconds: float) -> Run:
        """Keep the lease; one that ended can be renewed while nobody took it.

        Raises:
            LeaseHeld: somebody else took it; stop advancing the run.
            RunInterrupted: it is nobody's any more; stop advancing the run.
        """
        ...

    async def release(self, run_id: str, *, owner: str, status: RunStatus, error: str | None = None) -> Run:
        """Give the lease back with what became of the run.

        Raises:
            LeaseHeld: somebody else took it; nothing was changed.
            RunInterrupted: it is nobody's any more; nothing was changed.
        """
        ...

    async def run(self, run_id: str) -> Run:
        """One run."""
        ...

    async def runs(
        self, *, status: RunStatus | None = None, workflow: str | None = None, limit: int = 50
    ) -> Sequence[Run]:
        """Runs, newest first."""
        ...

    async def expired(self) -> Sequence[Run]:
        """Runs whose process is gone, the longest first: the lease has ended, or the run was recorded and never started."""
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
