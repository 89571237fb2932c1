"""What goes when runs are pruned, in transactions of bounded size that each look again whether the run has ended.

The order makes every stop harmless: what no resumed run could miss goes first, a bit at a time (older checkpoints, then
what only they pointed to, then a completed run's journal); a run that goes whole loses the rest, and its row, in one
transaction. Nothing here touches the ledger: what a run cost outlives it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from harness.engines.run_store import Pruned, PruneDepth, RunStatus
from harness.storage.checkpoint_operations import CheckpointKey
from harness.storage.checkpoint_threads import delete_checkpoints, superseded, unreferenced
from harness.storage.payloads import delete_payloads, in_parts
from harness.storage.run_rows import TREE_OF_RUN, text_of
from harness.storage.transactions import Operation, Statement, TransactionWriter

_ROOTS_AT_ONCE = 100
_CHECKPOINTS_AT_ONCE = 500
_PAYLOADS_AT_ONCE = 1000

_NOTHING = Pruned(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class PruneOrder:
    """What is to be pruned, as `RunStore.prune` says."""

    organisation: str
    before: datetime
    depth: PruneDepth
    statuses: frozenset[RunStatus]
    dry_run: bool

    def __post_init__(self) -> None:
        if alive := sorted(status for status in self.statuses if not status.ended):
            raise ValueError(f"statuses {alive}: only runs that have ended are pruned")


@dataclass(frozen=True, slots=True)
class _Superfluous:
    """What a run can lose and still be shown and resumed."""

    checkpoints: Sequence[CheckpointKey]
    payloads: Sequence[str]
    steps: int


async def prune_runs(writer: TransactionWriter, order: PruneOrder) -> Pruned:
    """Prune, or count what would be."""
    total, after = _NOTHING, ""
    while roots := await writer.run(lambda: _ended_roots(order, after)):  # noqa: B023 - run before `after` changes
        for root_id in roots:
            total = _sum(total, await _prune_tree(writer, order, root_id))
        after = roots[-1]
    return total


async def _prune_tree(writer: TransactionWriter, order: PruneOrder, root_id: str) -> Pruned:
    """Prune a run that is no step of another, with the runs that are its steps."""
    total = _NOTHING
    tree = await writer.run(lambda: _tree(order, root_id))
    if order.dry_run:
        if order.depth is PruneDepth.ALL:
            return await writer.run(lambda: _size_of(order, tree))
        for run_id in tree:
            total = _sum(total, await writer.run(lambda: _measured(order, run_id)))  # noqa: B023 - run before it changes
        return total
    for run_id in tree:
        dropped = _NOTHING
        while part := await writer.run(lambda: _drop_some(order, root_id, run_id)):  # noqa: B023 - as above
            dropped = _sum(dropped, part)
        changed = dropped != _NOTHING and order.depth is PruneDepth.CHECKPOINTS
        total = _sum(total, dropped, runs=int(changed))
    if order.depth is PruneDepth.ALL:
        total = _sum(total, await writer.run(lambda: _drop_whole(order, root_id)))
    return total


def _ended_roots(order: PruneOrder, after: str) -> Operation[list[str]]:
    sql = (
        "SELECT run_id FROM runs WHERE organisation = :organisation AND parent_run_id IS NULL "
        "AND finished_at < :before AND run_id > :after AND status IN "
    )
    parameters = {"organisation": order.organisation, "before": text_of(order.before), "after": after}
    # The statuses are this package's own words.
    listed = ", ".join(f"'{status.value}'" for status in sorted(order.statuses)) or "''"
    rows = yield Statement(f"{sql}({listed}) ORDER BY run_id LIMIT {_ROOTS_AT_ONCE}", parameters)
    return [row[0] for row in rows]


def _tree(order: PruneOrder, root_id: str) -> Operation[list[str]]:
    """A run and those that are its steps; empty while one of them has not ended."""
    rows = yield Statement(
        f"{TREE_OF_RUN} SELECT runs.run_id, runs.status FROM runs JOIN tree ON runs.run_id = tree.run_id "
        "WHERE runs.organisation = :organisation ORDER BY runs.run_id",
        {"organisation": order.organisation, "run_id": root_id},
    )
    ended = all(RunStatus(status).ended for _, status in rows)
    return [run_id for run_id, _ in rows] if ended else []


def _held(order: PruneOrder, root_id: str) -> Operation[bool]:
    """Keep a run from being claimed until the transaction is over; whether it is as it was when it was chosen.

    Its steps are claimed by who holds it, so they are as they were too.
    """
    rows = yield Statement(
        # Changes nothing, and locks the row on both databases.
        "UPDATE runs SET status = status WHERE organisation = :organisation AND run_id = :run_id "
        "AND owner IS NULL AND finished_at < :before RETURNING run_id",
        {"organisation": order.organisation, "run_id": root_id, "before": text_of(order.before)},
    )
    return bool(rows)


def _drop_some(order: PruneOrder, root_id: str, run_id: str) -> Operation[Pruned | None]:
    """Drop as much of what is superfluous as one transaction may; None when there is nothing left."""
    if not (yield from _held(order, root_id)):
        return None
    superfluous = yield from _superfluous(order.organisation, run_id)
    if superfluous.checkpoints:
        # Their payloads go once they are gone themselves: until then each of them can be read.
        keys = superfluous.checkpoints[:_CHECKPOINTS_AT_ONCE]
        size = yield from _size_of_checkpoints(order.organisation, run_id, keys)
        yield from delete_checkpoints(keys)
        return Pruned(0, len(keys), 0, size)
    if superfluous.payloads:
        payload_ids = superfluous.payloads[:_PAYLOADS_AT_ONCE]
        size = yield from _size_of_payloads(order.organisation, payload_ids)
        yield from delete_payloads(order.organisation, payload_ids)
        return Pruned(0, 0, 0, size)
    if superfluous.steps:
        yield Statement(
            "DELETE FROM run_steps WHERE organisation = :organisation AND run_id = :run_id",
            {"organisation": order.organisation, "run_id": run_id},
        )
        return Pruned(0, 0, superfluous.steps, 0)
    return None


def _measured(order: PruneOrder, run_id: str) -> Operation[Pruned]:
    superfluous = yield from _superfluous(order.organisation, run_id)
    size = yield from _size_of_checkpoints(order.organisation, run_id, superfluous.checkpoints)
    size += yield from _size_of_payloads(order.organisation, superfluous.payloads)
    changed = bool(superfluous.checkpoints or superfluous.payloads or superfluous.steps)
    return Pruned(int(changed), len(superfluous.checkpoints), superfluous.steps, size)


def _superfluous(organisation: str, run_id: str) -> Operation[_Superfluous]:
    scope: dict[str, object] = {"organisation": organisation, "run_id": run_id}
    checkpoints = yield from superseded(organisation, run_id)
    payloads = yield from unreferenced(organisation, run_id, without=checkpoints)
    where = "WHERE organisation = :organisation AND run_id = :run_id"
    completed = yield Statement(f"SELECT 1 FROM runs {where} AND status = 'completed'", scope)
    if not completed:
        return _Superfluous(checkpoints, payloads, 0)
    results = yield Statement(f"SELECT payload_id FROM payloads {where} AND holder = 'step'", scope)
    steps = yield Statement(f"SELECT COUNT(*) FROM run_steps {where}", scope)
    return _Superfluous(checkpoints, [*payloads, *(row[0] for row in results)], steps[0][0])


def _drop_whole(order: PruneOrder, root_id: str) -> Operation[Pruned]:
    if not (yield from _held(order, root_id)):
        return _NOTHING
    tree = yield from _tree(order, root_id)
    size = yield from _size_of(order, tree)
    for table, column in (
        ("checkpoint_writes", "thread_id"),
        ("checkpoints", "thread_id"),
        ("run_steps", "run_id"),
        ("questions", "run_id"),
        ("cached_results", "run_id"),
        ("payloads", "run_id"),
        ("runs", "run_id"),
    ):
        sql = f"DELETE FROM {table} WHERE organisation = :organisation AND {column} IN "
        yield from in_parts(sql, {"organisation": order.organisation}, tree)
    return size


def _size_of(order: PruneOrder, run_ids: Sequence[str]) -> Operation[Pruned]:
    """All of some runs."""
    scope = {"organisation": order.organisation}
    of_payloads = yield from _sums(f"{_SIZE_OF_PAYLOADS} run_id IN ", scope, run_ids)
    of_checkpoints = yield from _sums(f"{_SIZE_OF_CHECKPOINTS} thread_id IN ", scope, run_ids)
    steps = yield from _sums(
        "SELECT 0, COUNT(*) FROM run_steps WHERE organisation = :organisation AND run_id IN ", scope, run_ids
    )
    return Pruned(len(run_ids), of_checkpoints[1], steps[1], of_payloads[0] + of_checkpoints[0])


def _size_of_checkpoints(organisation: str, run_id: str, keys: Sequence[CheckpointKey]) -> Operation[int]:
    sql = f"{_SIZE_OF_CHECKPOINTS} thread_id = :run_id AND checkpoint_id IN "
    found = yield from _sums(sql, {"organisation": organisation, "run_id": run_id}, [key.checkpoint_id for key in keys])
    return found[0]


def _size_of_payloads(organisation: str, payload_ids: Sequence[str]) -> Operation[int]:
    found = yield from _sums(f"{_SIZE_OF_PAYLOADS} payload_id IN ", {"organisation": organisation}, payload_ids)
    return found[0]


def _sums(sql: str, parameters: dict[str, str], values: Collection[str]) -> Operation[tuple[int, int]]:
    rows = yield from in_parts(sql, parameters, list(values))
    return sum(int(row[0]) for row in rows), sum(int(row[1]) for row in rows)


def _sum(total: Pruned, part: Pruned, *, runs: int = 0) -> Pruned:
    return Pruned(
        total.runs + part.runs + runs,
        total.checkpoints + part.checkpoints,
        total.steps + part.steps,
        total.bytes + part.bytes,
    )


_SIZE_OF_PAYLOADS = """\
SELECT COALESCE(SUM(OCTET_LENGTH(content)), 0), COUNT(*) FROM payloads WHERE organisation = :organisation AND"""

_SIZE_OF_CHECKPOINTS = """\
SELECT COALESCE(SUM(OCTET_LENGTH(document) + OCTET_LENGTH(channels) + OCTET_LENGTH(metadata)), 0), COUNT(*)
FROM checkpoints WHERE organisation = :organisation AND"""
