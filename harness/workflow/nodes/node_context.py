"""What a tool or a piece of code may know and say while it runs: who, for whom, where, and what it cost so far.

A callable asks for it by a parameter annotated `NodeContext`; it reaches the ledger through the port here and
nothing else of the harness: above all no model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RunCosts:
    """What a run has cost, read from the ledger.

    Args:
        usd_per_completed: dollars of the whole run, failures included, for each task of `completed`;
            None where none is completed, which is never zero dollars.
    """

    calls: int
    input_tokens: int
    output_tokens: int
    usd: Decimal
    completed: int
    failed: int
    usd_per_completed: Decimal | None


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """How much of one limit is used; amounts in its `unit` ("usd", "tokens" or "calls")."""

    scope: str
    unit: str
    period: str
    limit: Decimal
    spent: Decimal
    held: Decimal
    resets_at: datetime | None


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """Which model answered an item of a model node, and after how many sends; None where none answered."""

    model: str | None
    attempts: int


class RunLedger(Protocol):
    """Port: the part of the ledger that a node may read and write. Blocking; each call is one transaction."""

    def outcome(
        self,
        kind: str,
        key: str,
        *,
        success: bool,
        evidence: str,
        value_usd: Decimal | None = None,
    ) -> None:
        """Say how a piece of business ended: idempotent, the last word counts.

        Args:
            kind: as in the node's `task`.
            key: the task's key within this run.
            evidence: why it counts as done or failed, in a few words without people's text.
        """
        ...

    def costs(self, kind: str | None = None) -> RunCosts:
        """Costs of this run so far; `completed` and `failed` count tasks of `kind` (None: all but the run itself)."""
        ...

    def budgets(self) -> tuple[BudgetUse, ...]:
        """The limits that apply to this run, with what is used of them."""
        ...

    def answers(self) -> Mapping[str, tuple[ModelAnswer, ...]]:
        """For each model node that has run, who answered each item at its last visit, in the items' order."""
        ...


@dataclass(frozen=True, slots=True)
class NodeContext:
    """Who, for whom and where.

    Args:
        working_folder: where the run was started: the place for files that a person looks at.
        project_folder: the folder of `harness.yaml`.
    """

    run_id: str
    workflow: str
    node: str
    organisation: str
    person: str
    working_folder: Path
    project_folder: Path
    ledger: RunLedger

    @property
    def answers(self) -> Mapping[str, tuple[ModelAnswer, ...]]:
        """For each model node that has run, who answered each item, in the items' order; read from the ledger."""
        return self.ledger.answers()
