"""Cost reports in SQL, over settled entries and tasks."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from harness.ledger.reports import CostLine, Entry, GroupBy, SettledSend
from harness.models.prices import usd
from harness.storage.driver_sessions import DriverSession, Statement
from harness.storage.money_rows import read_time, stored_time

_SUMS = (
    "COALESCE(SUM(calls), 0), COALESCE(SUM(input_tokens), 0), COALESCE(SUM(output_tokens), 0), "
    "COALESCE(SUM(nano_usd), 0), COALESCE(SUM(CASE WHEN estimated = 1 THEN nano_usd ELSE 0 END), 0)"
)
_CHARGED = (
    "SELECT e.*, COALESCE(t.parent_id, e.task_id) AS root_id FROM entries e LEFT JOIN tasks t ON t.task_id = e.task_id "
    "WHERE e.organisation = :organisation AND e.kind IN ('settle', 'expire', 'adjust') AND e.at >= :since"
)
_GROUP_COLUMN = {
    GroupBy.PERSON: "c.person",
    GroupBy.TEAM: "c.team",
    GroupBy.WORKFLOW: "c.workflow",
    GroupBy.ROLE: "c.role",
    GroupBy.MODEL: "c.model",
    GroupBy.RUN: "c.run_id",
    GroupBy.DAY: "substr(c.at, 1, 10)",
    GroupBy.MONTH: "substr(c.at, 1, 7)",
}
_ENTRY = (
    "seq, kind, at, person, task_id, run_id, node, role, model, binding_version, calls, nano_usd, input_tokens, "
    "output_tokens, estimated, price_source, error"
)
_BEGINNING = ""


class SqlCostReports:
    """Implements `harness.ledger.reports.CostReports`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def costs(self, organisation: str, by: GroupBy, *, since: datetime | None = None) -> tuple[CostLine, ...]:
        """See the port."""
        parameters = {"organisation": organisation, "since": stored_time(since) if since else _BEGINNING}
        sql = _costs_by_kind() if by is GroupBy.KIND else _costs_by_column(_GROUP_COLUMN[by])
        lines = [_line(row) for row in self._read(sql, parameters)]
        return tuple(sorted(lines, key=lambda line: (-line.usd, line.group)))

    def run_costs(self, organisation: str, run_id: str, *, kind: str | None = None) -> CostLine:
        """See the port."""
        parameters = {"organisation": organisation, "run_id": run_id, "kind": kind}
        sums = self._read(
            f"SELECT {_SUMS} FROM entries WHERE organisation = :organisation AND run_id = :run_id "
            "AND kind IN ('settle', 'expire', 'adjust')",
            parameters,
        )[0]
        outcomes = self._read(
            "SELECT parent_id IS NOT NULL, COALESCE(SUM(CASE WHEN success = 1 THEN 1 ELSE 0 END), 0), "
            "COALESCE(SUM(CASE WHEN success = 0 THEN 1 ELSE 0 END), 0) FROM tasks "
            "WHERE organisation = :organisation AND run_id = :run_id "
            f"{'AND kind = :kind ' if kind else ''}GROUP BY 1 ORDER BY 1 DESC LIMIT 1",
            parameters if kind else {"organisation": organisation, "run_id": run_id},
        )
        completed, failed = (outcomes[0][1], outcomes[0][2]) if outcomes else (0, 0)
        return _line((run_id, *sums, completed, failed))

    def run_sends(self, organisation: str, run_id: str) -> tuple[SettledSend, ...]:
        """See the port."""
        rows = self._read(
            "SELECT call_id, model, error FROM entries WHERE organisation = :organisation AND run_id = :run_id "
            "AND kind IN ('settle', 'expire') ORDER BY seq",
            {"organisation": organisation, "run_id": run_id},
        )
        return tuple(SettledSend(*row) for row in rows)

    def run_entries(self, organisation: str, run_id: str) -> tuple[Entry, ...]:
        """See the port."""
        rows = self._read(
            f"SELECT {_ENTRY} FROM entries WHERE organisation = :organisation AND run_id = :run_id ORDER BY seq",
            {"organisation": organisation, "run_id": run_id},
        )
        return tuple(map(_entry, rows))

    def _read(self, sql: str, parameters: Mapping[str, object]) -> Sequence[Sequence[Any]]:
        session = DriverSession(self._engine)
        try:
            return session.execute(Statement(sql, parameters))
        finally:
            session.close()


def _costs_by_column(column: str) -> str:
    """Groups of entries; their tasks are those at the root, so that a run with parts counts once."""
    return (
        f"WITH charged AS ({_CHARGED}) SELECT COALESCE({column}, '-'), {_SUMS}, "
        "COUNT(DISTINCT CASE WHEN r.success = 1 THEN c.root_id END), "
        "COUNT(DISTINCT CASE WHEN r.success = 0 THEN c.root_id END) "
        "FROM charged c LEFT JOIN tasks r ON r.task_id = c.root_id GROUP BY 1"
    )


def _costs_by_kind() -> str:
    """A root task's cost holds its parts'; a part's is its own. Tasks that cost nothing are counted too."""
    return (
        f"WITH charged AS ({_CHARGED}), "
        "kinds AS (SELECT kind, SUM(CASE WHEN success = 1 THEN 1 ELSE 0 END) AS good, "
        "SUM(CASE WHEN success = 0 THEN 1 ELSE 0 END) AS bad FROM tasks "
        "WHERE organisation = :organisation AND started_at >= :since GROUP BY kind), "
        "by_kind AS (SELECT r.kind AS task_kind, c.* FROM charged c JOIN tasks r ON r.task_id = c.root_id "
        "UNION ALL SELECT t.kind, c.* FROM charged c JOIN tasks t ON t.task_id = c.task_id "
        "WHERE t.parent_id IS NOT NULL) "
        f"SELECT k.kind, {_SUMS}, MAX(k.good), MAX(k.bad) FROM kinds k "
        "LEFT JOIN by_kind c ON c.task_kind = k.kind GROUP BY k.kind"
    )


def _line(row: Sequence[Any]) -> CostLine:
    return CostLine(
        group=row[0],
        calls=int(row[1]),
        input_tokens=int(row[2]),
        output_tokens=int(row[3]),
        usd=usd(int(row[4])),
        estimated_usd=usd(int(row[5])),
        completed=int(row[6]),
        failed=int(row[7]),
    )


def _entry(row: Sequence[Any]) -> Entry:
    return Entry(
        seq=row[0],
        kind=row[1],
        at=read_time(row[2]),
        person=row[3],
        task_id=row[4],
        run_id=row[5],
        node=row[6],
        role=row[7],
        model=row[8],
        binding_version=row[9],
        calls=row[10],
        usd=usd(row[11]),
        input_tokens=row[12],
        output_tokens=row[13],
        estimated=bool(row[14]),
        price_source=row[15],
        error=row[16],
    )
