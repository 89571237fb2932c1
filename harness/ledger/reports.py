"""What business cost: dollars a completed task, failures included. Ports over the ledger; SQL is storage's."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol


class GroupBy(StrEnum):
    """How costs can be told apart."""

    KIND = "kind"
    PERSON = "person"
    TEAM = "team"
    WORKFLOW = "workflow"
    ROLE = "role"
    MODEL = "model"
    RUN = "run"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class CostLine:
    """What one group cost.

    Args:
        calls: sends that were answered or may have been billed.
        completed: tasks with a good outcome; `failed` with a bad one; tasks without an outcome count in neither.
        estimated_usd: the part of `usd` that is a held bound, because what was used is not known.
    """

    group: str
    calls: int
    input_tokens: int
    output_tokens: int
    usd: Decimal
    estimated_usd: Decimal
    completed: int
    failed: int

    @property
    def usd_per_completed(self) -> Decimal | None:
        """All dollars of the group over its completed tasks; None where none is completed, never zero."""
        return self.usd / self.completed if self.completed else None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger, as people read it."""

    seq: int
    kind: str
    at: datetime
    person: str
    task_id: str
    run_id: str | None
    node: str | None
    role: str
    model: str
    binding_version: int
    calls: int
    usd: Decimal
    input_tokens: int | None
    output_tokens: int | None
    estimated: bool
    price_source: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class SettledSend:
    """One send of a run that is over: what was asked, whom, and the class of its failure where it failed.

    A send whose process went away failed with "HoldExpired", until its late answer says otherwise.
    """

    call_id: str
    model: str
    error: str | None


class CostReports(Protocol):
    """Port: reads the ledger; each method sees one consistent state of it."""

    def costs(self, organisation: str, by: GroupBy, *, since: datetime | None = None) -> tuple[CostLine, ...]:
        """Costs by group, the dearest first. By `kind` a task's cost includes that of the tasks that are part of it."""
        ...

    def run_costs(self, organisation: str, run_id: str, *, kind: str | None = None) -> CostLine:
        """Costs of one run, those of the runs that are its steps included.

        `completed` and `failed` count its tasks of `kind`; None counts those that are part of the run, or the run
        itself where it has no parts. A run that is a step is one part, whatever it is made of itself.
        """
        ...

    def run_sends(self, organisation: str, run_id: str) -> tuple[SettledSend, ...]:
        """Every settled or expired send of a run, in the order they were settled."""
        ...

    def run_entries(self, organisation: str, run_id: str) -> tuple[Entry, ...]:
        """Every entry of a run, oldest first."""
        ...
