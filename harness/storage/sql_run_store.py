"""The runs of an organisation in `runs.db`, on SQLite and PostgreSQL.

A lease changes hands in one conditional UPDATE, which both databases carry out for one caller at a time. How rows are
read is left to `run_rows`, what goes when runs are pruned to `run_pruning`.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import cast

from typing_extensions import override

from harness.engines.run_store import ENDED, NewRun, Pruned, PruneDepth, Run, RunStatus, RunStore, typed_run_id
from harness.exceptions import LeaseHeld, NameUnknown, RunInterrupted
from harness.json_values import Json, digest_of
from harness.names import nearest_names
from harness.storage.payloads import Payload, PayloadScope, insert_payloads, read_payloads
from harness.storage.run_pruning import PruneOrder, prune_runs
from harness.storage.run_rows import PATH_TO_ROOT, PLAIN_JSON, SELECT_RUNS, TREE_OF_RUN, run_of, text_of
from harness.storage.transactions import Operation, Statement, TransactionWriter

# Whoever records a run starts it at once; after this long their process is gone.
_TIME_TO_START = timedelta(seconds=30)
_ALIKE_AMONG = 500  # the newest runs, to suggest one of


class SqlRunStore(RunStore):
    """Implements `RunStore`, which says what each call promises.

    Args:
        clock: the same for all processes that share the runs, to within a fraction of a lease.
        new_id: run ids that sort by time (`new_run_id`).
    """

    def __init__(
        self,
        writer: TransactionWriter,
        *,
        organisation: str,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._writer = writer
        self._organisation = organisation
        self._clock = clock
        self._new_id = new_id

    @override
    async def record(self, new: NewRun) -> Run:
        run_id = self._new_id()
        scope = PayloadScope(self._organisation, new.person, run_id, "run", new.subject)
        spec = scope.payload(PLAIN_JSON.dumps(new.spec, where="spec"))
        inputs = scope.payload(PLAIN_JSON.dumps(new.inputs, where="inputs"))
        now = text_of(self._clock())
        parameters: dict[str, object] = {
            "organisation": self._organisation,
            "run_id": run_id,
            "person": new.person,
            "workflow": new.workflow,
            "spec_digest": digest_of(new.spec),
            "spec_payload_id": spec.payload_id,
            "inputs_payload_id": inputs.payload_id,
            "project": new.project,
            "task_id": new.task_id or run_id,
            "status": RunStatus.PENDING.value,
            "created_at": now,
            "binding_version": new.binding_version,
            "parent_run_id": new.parent_run_id,
            "parent_path": new.parent_path,
            "forked_from": new.forked_from,
            "forked_step": new.forked_step,
        }

        def operation() -> Operation[Run]:
            yield from insert_payloads(scope, [spec, inputs], now)
            yield Statement(_INSERT, parameters)
            return (yield from self._one(run_id))

        return await self._writer.run(operation, durable=True)

    @override
    async def claim(self, run_id: str, *, owner: str, lease_seconds: float) -> Run:
        def operation() -> Operation[Run]:
            now = self._clock()
            found = yield from self._found(run_id)
            claimed = yield Statement(
                _CLAIM,
                {
                    "organisation": self._organisation,
                    "run_id": found.run_id,
                    "owner": owner,
                    "now": text_of(now),
                    "lease_until": text_of(now + timedelta(seconds=lease_seconds)),
                },
            )
            found = yield from self._one(found.run_id)
            if not claimed and found.status is not RunStatus.COMPLETED:
                raise _not_ours(found)
            return found

        return await self._writer.run(operation)

    @override
    async def renew(self, run_id: str, *, owner: str, lease_seconds: float, active_seconds: float = 0.0) -> Run:
        until = text_of(self._clock() + timedelta(seconds=lease_seconds))
        change = "lease_until = :lease_until, active_ms = active_ms + :active_ms"
        parameters: dict[str, object] = {"lease_until": until, "active_ms": _milliseconds(active_seconds)}
        return await self._writer.run(lambda: self._as_owner(run_id, owner, change, parameters))

    @override
    async def release(
        self,
        run_id: str,
        *,
        owner: str,
        status: RunStatus,
        error: str | None = None,
        active_seconds: float = 0.0,
    ) -> Run:
        now = text_of(self._clock())
        parameters: dict[str, object] = {
            "status": status.value,
            "finished_at": now if status.ended else None,
            "active_ms": _milliseconds(active_seconds),
            # It would wait, or be continued: what was asked for in the last moment is done now.
            "or_cancelled": int(status in (RunStatus.WAITING, RunStatus.INTERRUPTED)),
            "now": now,
        }
        content = PLAIN_JSON.dumps(error, where="error") if error is not None else None

        def operation() -> Operation[Run]:
            run = yield from self._as_owner(run_id, owner, _RELEASE, parameters, content=content)
            if run.status is RunStatus.CANCELLED:
                yield from self._cancel_tree(run.run_id, run.cancel_requested_by, now, owner=owner)
            return run

        return await self._writer.run(operation)

    @override
    async def request_cancel(self, run_id: str, *, person: str) -> Run:
        def operation() -> Operation[Run]:
            found = yield from self._found(run_id)
            now = text_of(self._clock())
            cancelled = yield from self._cancel_tree(found.run_id, person, now, only_if_free=True)
            if not cancelled:
                yield Statement(
                    "UPDATE runs SET cancel_requested_at = :now, cancel_requested_by = :person "
                    "WHERE organisation = :organisation AND run_id = :run_id AND status = 'running'",
                    {"organisation": self._organisation, "run_id": found.run_id, "now": now, "person": person},
                )
            return (yield from self._one(found.run_id))

        return await self._writer.run(operation)

    @override
    async def replace_spec(self, run_id: str, *, owner: str, spec: Json) -> Run:
        content = PLAIN_JSON.dumps(spec, where="spec")
        change = "spec_digest = :spec_digest, spec_payload_id = :payload_id"
        parameters: dict[str, object] = {"spec_digest": digest_of(spec)}
        return await self._writer.run(
            lambda: self._as_owner(run_id, owner, change, parameters, content=content), durable=True
        )

    @override
    async def run(self, run_id: str) -> Run:
        return await self._writer.run(lambda: self._found(run_id))

    @override
    async def runs(
        self, *, status: RunStatus | None = None, workflow: str | None = None, limit: int = 50, steps: bool = False
    ) -> Sequence[Run]:
        asked = {"status": status.value if status else None, "workflow": workflow}
        parameters = {name: value for name, value in asked.items() if value is not None}
        where = "".join(f" AND runs.{name} = :{name}" for name in parameters)
        if not steps:
            where += " AND runs.parent_run_id IS NULL"
        return await self._listed(f"{where} ORDER BY runs.run_id DESC LIMIT :limit", {**parameters, "limit": limit})

    @override
    async def child(self, parent_run_id: str, path: str) -> Run | None:
        found = await self._listed(
            " AND runs.parent_run_id = :parent_run_id AND runs.parent_path = :path ORDER BY runs.run_id DESC LIMIT 1",
            {"parent_run_id": parent_run_id, "path": path},
        )
        return found[0] if found else None

    @override
    async def children(self, run_id: str) -> Sequence[Run]:
        def operation() -> Operation[Sequence[Run]]:
            found = yield from self._found(run_id)
            rows = yield Statement(
                f"{SELECT_RUNS} AND runs.parent_run_id = :run_id ORDER BY runs.run_id",
                {"organisation": self._organisation, "run_id": found.run_id},
            )
            return [run_of(row) for row in rows]

        return await self._writer.run(operation)

    @override
    async def root_of(self, run_id: str) -> Run:
        def operation() -> Operation[Run]:
            found = yield from self._found(run_id)
            rows = yield Statement(
                f"{PATH_TO_ROOT} SELECT run_id FROM path WHERE parent_run_id IS NULL",
                {"organisation": self._organisation, "run_id": found.run_id},
            )
            return (yield from self._one(rows[0][0])) if rows else found

        return await self._writer.run(operation)

    @override
    async def expired(self) -> Sequence[Run]:
        now = text_of(self._clock())
        parameters = {
            "organisation": self._organisation,
            "now": now,
            "never_started": text_of(self._clock() - _TIME_TO_START),
        }

        def operation() -> Operation[Sequence[Run]]:
            # Their process died between the request and its next sign; nobody wants them continued.
            for row in (yield Statement(_CANCEL_UNHEARD, parameters)):
                yield from self._cancel_tree(row[0], row[1], now)
            rows = yield Statement(_EXPIRED, parameters)
            return [run_of(row) for row in rows]

        return await self._writer.run(operation)

    @override
    async def spec(self, run_id: str) -> Json:
        return await self._recorded(run_id, "spec_payload_id")

    @override
    async def inputs(self, run_id: str) -> Json:
        return await self._recorded(run_id, "inputs_payload_id")

    @override
    async def write_payload(self, run_id: str, value: Json, *, subject: str | None = None) -> str:
        content = PLAIN_JSON.dumps(value, where="payload")

        def operation() -> Operation[str]:
            found = yield from self._found(run_id)
            scope = PayloadScope(self._organisation, found.person, found.run_id, "run", subject)
            payload = scope.payload(content)
            yield from insert_payloads(scope, [payload], text_of(self._clock()))
            return payload.payload_id

        return await self._writer.run(operation)

    @override
    async def read_payload(self, payload_id: str) -> Json:
        contents = await self._writer.run(lambda: read_payloads(self._organisation, [payload_id]))
        return _json(contents[payload_id])

    @override
    async def prune(
        self,
        *,
        before: datetime,
        depth: PruneDepth,
        statuses: Collection[RunStatus] = ENDED,
        dry_run: bool = False,
    ) -> Pruned:
        order = PruneOrder(self._organisation, before, depth, frozenset(statuses), dry_run=dry_run)
        return await prune_runs(self._writer, order)

    async def _recorded(self, run_id: str, column: str) -> Json:
        def operation() -> Operation[str]:
            found = yield from self._found(run_id)
            rows = yield Statement(
                f"SELECT {column} FROM runs WHERE organisation = :organisation AND run_id = :run_id",
                {"organisation": self._organisation, "run_id": found.run_id},
            )
            contents = yield from read_payloads(self._organisation, [rows[0][0]])
            return contents[rows[0][0]]

        return _json(await self._writer.run(operation))

    async def _listed(self, condition: str, parameters: dict[str, object]) -> Sequence[Run]:
        def operation() -> Operation[Sequence[Run]]:
            rows = yield Statement(SELECT_RUNS + condition, {"organisation": self._organisation, **parameters})
            return [run_of(row) for row in rows]

        return await self._writer.run(operation)

    def _as_owner(
        self, run_id: str, owner: str, change: str, parameters: dict[str, object], *, content: str | None = None
    ) -> Operation[Run]:
        """Change a run whose lease is the owner's; `content` is kept as a payload, `:payload_id` of the change."""
        found = yield from self._found(run_id)
        scope = PayloadScope(self._organisation, found.person, found.run_id, "run")
        payload: Payload | None = scope.payload(content) if content is not None else None
        changed = yield Statement(
            f"UPDATE runs SET {change} WHERE organisation = :organisation AND run_id = :run_id "
            "AND status = 'running' AND owner = :owner RETURNING run_id",
            {
                "organisation": self._organisation,
                "run_id": found.run_id,
                "owner": owner,
                **parameters,
                "payload_id": payload.payload_id if payload else None,
            },
        )
        if not changed:
            raise _not_ours((yield from self._one(found.run_id)))
        if payload:
            yield from insert_payloads(scope, [payload], text_of(self._clock()))
        return (yield from self._one(found.run_id))

    def _cancel_tree(
        self, run_id: str, person: str | None, now: str, *, owner: str | None = None, only_if_free: bool = False
    ) -> Operation[bool]:
        """Cancel a run and its steps as far as nobody but the owner advances them.

        Args:
            only_if_free: leave the steps too where the run itself is not cancelled.
        """
        parameters = {
            "organisation": self._organisation,
            "run_id": run_id,
            "person": person,
            "now": now,
            "owner": owner or "",
        }
        cancelled = yield Statement(f"{_CANCEL} AND run_id = :run_id RETURNING run_id", parameters)
        if cancelled or not only_if_free:
            yield Statement(f"{TREE_OF_RUN} {_CANCEL} AND run_id IN (SELECT run_id FROM tree)", parameters)
        return bool(cancelled)

    def _one(self, run_id: str) -> Operation[Run]:
        rows = yield Statement(
            f"{SELECT_RUNS} AND runs.run_id = :run_id", {"organisation": self._organisation, "run_id": run_id}
        )
        return run_of(rows[0])

    def _found(self, name: str) -> Operation[Run]:
        typed = typed_run_id(name)
        rows = yield Statement(
            f"{SELECT_RUNS} AND runs.run_id >= :first AND runs.run_id <= :last "
            "ORDER BY runs.parent_run_id IS NOT NULL, runs.run_id DESC LIMIT 4",
            {"organisation": self._organisation, "first": typed, "last": typed + "~"},  # "~" sorts behind all letters
        )
        runs = [run_of(row) for row in rows]
        # Steps are recorded a moment after the run they belong to, so their ids begin alike; a person means the run.
        for meant in (
            [run for run in runs if run.run_id == typed],
            [run for run in runs if run.parent_run_id is None],
            runs,
        ):
            if len(meant) == 1 and typed:
                return meant[0]
        alike = [row[0] for row in rows]
        if not alike:
            newest = yield Statement(
                "SELECT run_id FROM runs WHERE organisation = :organisation AND parent_run_id IS NULL "
                "ORDER BY run_id DESC LIMIT :limit",
                {"organisation": self._organisation, "limit": _ALIKE_AMONG},
            )
            alike = list(nearest_names(typed, [row[0] for row in newest]))
        raise NameUnknown("run", name, alike)


def _not_ours(run: Run) -> LeaseHeld | RunInterrupted:
    if run.owner is None or run.lease_until is None:
        return RunInterrupted(run.run_id)
    return LeaseHeld(run.run_id, run.owner, run.lease_until)


def _json(content: str) -> Json:
    return cast("Json", PLAIN_JSON.loads(content))


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))


_INSERT = """\
INSERT INTO runs (organisation, run_id, person, workflow, spec_digest, spec_payload_id, inputs_payload_id, project,
  task_id, status, created_at, binding_version_at_start, parent_run_id, parent_path, forked_from, forked_step)
VALUES (:organisation, :run_id, :person, :workflow, :spec_digest, :spec_payload_id, :inputs_payload_id, :project,
  :task_id, :status, :created_at, :binding_version, :parent_run_id, :parent_path, :forked_from, :forked_step)"""

_CLAIM = """\
UPDATE runs SET owner = :owner, lease_until = :lease_until, status = 'running',
  started_at = COALESCE(started_at, :now), finished_at = NULL, error_payload_id = NULL,
  cancel_requested_at = NULL, cancel_requested_by = NULL
WHERE organisation = :organisation AND run_id = :run_id AND status <> 'completed'
  AND (owner IS NULL OR owner = :owner OR lease_until <= :now)
RETURNING run_id"""

_RELEASE = """\
owner = NULL, lease_until = NULL, error_payload_id = :payload_id, active_ms = active_ms + :active_ms,
  status = CASE WHEN :or_cancelled = 1 AND cancel_requested_at IS NOT NULL THEN 'cancelled' ELSE :status END,
  finished_at = CASE WHEN :or_cancelled = 1 AND cancel_requested_at IS NOT NULL THEN :now ELSE :finished_at END"""

_CANCEL = """\
UPDATE runs SET status = 'cancelled', owner = NULL, lease_until = NULL, finished_at = COALESCE(finished_at, :now),
  cancel_requested_at = :now, cancel_requested_by = :person
WHERE organisation = :organisation AND status NOT IN ('completed', 'cancelled')
  AND (owner IS NULL OR owner = :owner OR lease_until <= :now)"""

_CANCEL_UNHEARD = """\
UPDATE runs SET status = 'cancelled', owner = NULL, lease_until = NULL, finished_at = :now
WHERE organisation = :organisation AND parent_run_id IS NULL AND status = 'running' AND lease_until <= :now
  AND cancel_requested_at IS NOT NULL
RETURNING run_id, cancel_requested_by"""

_EXPIRED = f"""\
{SELECT_RUNS} AND runs.parent_run_id IS NULL
  AND (runs.status = 'running' AND runs.lease_until <= :now
    OR runs.status = 'pending' AND runs.created_at <= :never_started)
ORDER BY COALESCE(runs.lease_until, runs.created_at)"""
