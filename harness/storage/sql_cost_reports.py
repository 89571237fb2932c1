"""Cost reports in SQL, over settled entries and tasks."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from harness.ledger.reports import CostLine, Entry, GroupBy, SettledSend
from harness.models.prices import usd
from harness.storage.driver_sessions import DriverSession, Statement
from harness.storage.money_rows import RUN_AND_ITS_STEPS, read_time, stored_time

# What an expired send was charged stays an estimate until its late answer corrects it.
_ESTIMATED = (
    "CASE WHEN e.estimated = 1 AND NOT (e.kind = 'expire' AND EXISTS (SELECT 1 FROM entries a "
    "WHERE a.send_id = e.send_id AND a.kind = 'adjust' AND a.estimated = 0)) THEN e.nano_usd ELSE 0 END"
)
# An expired send was not answered, unless its late answer says so.
_ERROR = "CASE WHEN e.kind = 'expire' AND a.send_id IS NULL THEN 'HoldExpired' ELSE COALESCE(a.error, e.error) END"
_CLOSED = "kind IN ('settle', 'expire', 'adjust')"
_TOKENS = "COALESCE(SUM(calls), 0), COALESCE(SUM(input_tokens), 0), COALESCE(SUM(output_tokens), 0)"
_SUMS = f"{_TOKENS}, COALESCE(SUM(nano_usd), 0), COALESCE(SUM(estimated_nano_usd), 0)"
# Each task with itself and all that it is a part of; `whole_id` of the last of them is its root.
_PARTS = (
    "parts(task_id, whole_id, up_id) AS (SELECT task_id, task_id, parent_id FROM tasks "
    "WHERE organisation = :organisation UNION SELECT parts.task_id, whole.task_id, whole.parent_id FROM parts "
    "JOIN tasks whole ON whole.task_id = parts.up_id WHERE whole.organisation = :organisation), "
    "roots AS (SELECT task_id, whole_id FROM parts p WHERE NOT EXISTS (SELECT 1 FROM tasks up "
    "WHERE up.task_id = p.up_id AND up.organisation = :organisation))"
)
# Entries with the task at the root of theirs, which is itself where it is part of none.
_CHARGED = (
    f"SELECT e.*, {_ESTIMATED} AS estimated_nano_usd, COALESCE(r.task_id, e.task_id) AS root_id, "
    "r.success AS root_success FROM entries e "
    "LEFT JOIN roots ON roots.task_id = e.task_id LEFT JOIN tasks r ON r.task_id = roots.whole_id "
    f"WHERE e.organisation = :organisation AND e.{_CLOSED} AND e.at >= :since"
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
# How tasks ended: whether some are part of another, the good and the bad of those, the good and the bad of all.
_ENDED = (
    "COALESCE(MAX(CASE WHEN parent_id IS NULL THEN 0 ELSE 1 END), 0), "
    "COALESCE(SUM(CASE WHEN parent_id IS NOT NULL AND success = 1 THEN 1 ELSE 0 END), 0), "
    "COALESCE(SUM(CASE WHEN parent_id IS NOT NULL AND success = 0 THEN 1 ELSE 0 END), 0), "
    "COALESCE(SUM(CASE WHEN success = 1 THEN 1 ELSE 0 END), 0), "
    "COALESCE(SUM(CASE WHEN success = 0 THEN 1 ELSE 0 END), 0)"
)
# The tasks that count for a run: its own, and those of the runs that are its steps, but not what these are made of.
_OF_THE_RUN = (
    "WHERE organisation = :organisation AND (run_id = :run_id OR parent_id IN "
    "(SELECT whole.task_id FROM tasks whole WHERE whole.run_id = :run_id AND whole.organisation = :organisation))"
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
        of_runs = f"WHERE organisation = :organisation AND run_id IN ({RUN_AND_ITS_STEPS})"
        rows = self._read(
            f"WITH charged AS (SELECT e.*, {_ESTIMATED} AS estimated_nano_usd FROM entries e {of_runs} AND {_CLOSED}), "
            f"sums AS (SELECT {_SUMS} FROM charged), ended AS (SELECT {_ENDED} FROM tasks "
            f"{f'{of_runs} AND kind = :kind' if kind else _OF_THE_RUN}) SELECT * FROM sums, ended",
            {"organisation": organisation, "run_id": run_id, **({"kind": kind} if kind else {})},
        )
        *sums, parts, parts_good, parts_bad, good, bad = rows[0]
        if parts and not kind:
            good, bad = parts_good, parts_bad
        return _line((run_id, *sums, good, bad))

    def run_sends(self, organisation: str, run_id: str) -> tuple[SettledSend, ...]:
        """See the port."""
        rows = self._read(
            f"SELECT e.call_id, e.model, {_ERROR} FROM entries e "
            "LEFT JOIN entries a ON a.send_id = e.send_id AND a.kind = 'adjust' "
            "WHERE e.organisation = :organisation AND e.run_id = :run_id AND e.kind IN ('settle', 'expire') "
            "ORDER BY e.seq",
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
        f"WITH RECURSIVE {_PARTS}, charged AS ({_CHARGED}) SELECT COALESCE({column}, '-'), {_SUMS}, "
        "COUNT(DISTINCT CASE WHEN root_success = 1 THEN root_id END), "
        "COUNT(DISTINCT CASE WHEN root_success = 0 THEN root_id END) FROM charged c GROUP BY 1"
    )


def _costs_by_kind() -> str:
    """A task's cost holds that of its parts, once a kind. Tasks that cost nothing are counted too."""
    return (
        f"WITH RECURSIVE {_PARTS}, charged AS ({_CHARGED}), "
        "kinds_of AS (SELECT DISTINCT p.task_id, whole.kind FROM parts p JOIN tasks whole ON whole.task_id = p.whole_id), "
        "by_kind AS (SELECT COALESCE(k.kind, '-') AS task_kind, c.* FROM charged c "
        "LEFT JOIN kinds_of k ON k.task_id = c.task_id), "
        "ended AS (SELECT kind, SUM(CASE WHEN success = 1 THEN 1 ELSE 0 END) AS good, "
        "SUM(CASE WHEN success = 0 THEN 1 ELSE 0 END) AS bad FROM tasks WHERE organisation = :organisation "
        "AND (started_at >= :since OR task_id IN (SELECT task_id FROM charged UNION SELECT root_id FROM charged)) "
        "GROUP BY kind), "
        "kinds AS (SELECT kind FROM ended UNION SELECT task_kind FROM by_kind) "
        f"SELECT k.kind, {_SUMS}, COALESCE(MAX(t.good), 0), COALESCE(MAX(t.bad), 0) FROM kinds k "
        "LEFT JOIN ended t ON t.kind = k.kind LEFT JOIN by_kind c ON c.task_kind = k.kind GROUP BY k.kind"
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
