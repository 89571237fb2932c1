"""The part of the ledger that a node's code may read and write, for one run. Blocking: code runs in threads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from harness.budgets.limits import ScopeKind, Unit, shown_amount
from harness.budgets.reservations import Balance
from harness.ledger.entries import place_of_call
from harness.ledger.reports import CostReports
from harness.ledger.tasks import Task, task_id_for
from harness.storage import limit_operations, money_operations
from harness.storage.transactions import TransactionWriter
from harness.workflow.nodes.node_context import BudgetUse, ModelAnswer, RunCosts


@dataclass(frozen=True, slots=True)
class LedgerOfRun:
    """Whose run it is."""

    run_id: str
    task_id: str
    organisation: str
    person: str
    workflow: str


class SqlRunLedger:
    """Implements `harness.workflow.nodes.node_context.RunLedger`."""

    def __init__(
        self, run: LedgerOfRun, writer: TransactionWriter, reports: CostReports, clock: Callable[[], datetime]
    ) -> None:
        self._run = run
        self._writer = writer
        self._reports = reports
        self._clock = clock

    def outcome(self, kind: str, key: str, *, success: bool, evidence: str, value_usd: Decimal | None = None) -> None:
        """See the port."""
        now = self._clock()
        task = Task(
            task_id=task_id_for(self._run.run_id, kind, key),
            organisation=self._run.organisation,
            person=self._run.person,
            kind=kind,
            key=key,
            run_id=self._run.run_id,
            workflow=self._run.workflow,
            parent_id=self._run.task_id,
            started_at=now,
            success=success,
            evidence=evidence,
            value_usd=value_usd,
            ended_at=now,
        )
        self._writer.run_blocking(lambda: limit_operations.end_task(task))

    def costs(self, kind: str | None = None) -> RunCosts:
        """See the port."""
        line = self._reports.run_costs(self._run.organisation, self._run.run_id, kind=kind)
        return RunCosts(
            calls=line.calls,
            input_tokens=line.input_tokens,
            output_tokens=line.output_tokens,
            usd=line.usd,
            completed=line.completed,
            failed=line.failed,
            usd_per_completed=line.usd_per_completed,
        )

    def answers(self) -> Mapping[str, tuple[ModelAnswer, ...]]:
        """See the port."""
        sent: dict[tuple[str, int], dict[int, list[tuple[str, bool]]]] = {}
        for entry in self._reports.run_sends(self._run.organisation, self._run.run_id):
            node, visit, item = place_of_call(entry.call_id)
            sent.setdefault((node, visit), {}).setdefault(item, []).append((entry.model, entry.error is None))
        last = dict(sorted(sent))
        return {
            node: tuple(_answer(sends) for _, sends in sorted(sent[node, visit].items()))
            for node, visit in last.items()
        }

    def budgets(self) -> tuple[BudgetUse, ...]:
        """See the port."""
        scopes = [
            (ScopeKind.ORGANISATION, self._run.organisation),
            (ScopeKind.PERSON, self._run.person),
            (ScopeKind.WORKFLOW, self._run.workflow),
            (ScopeKind.RUN, self._run.run_id),
            (ScopeKind.TASK, self._run.task_id),
        ]
        now = self._clock()
        balances = self._writer.run_blocking(
            lambda: money_operations.read_balances(self._run.organisation, scopes, now)
        )
        return tuple(map(budget_use, balances))


def _answer(sends: list[tuple[str, bool]]) -> ModelAnswer:
    answered = [model for model, good in sends if good]
    return ModelAnswer(answered[-1] if answered else None, len(sends))


def budget_use(balance: Balance) -> BudgetUse:
    """A balance in the unit people read."""
    limit, unit = balance.limit, Unit(balance.limit.unit)
    return BudgetUse(
        scope=limit.scope,
        unit=unit.value,
        period=limit.period.value,
        limit=shown_amount(limit.amount, unit),
        spent=shown_amount(balance.spent, unit),
        held=shown_amount(balance.held, unit),
        resets_at=balance.span.ends_at,
    )
