"""The runs of an organisation in `runs.db`, on SQLite and PostgreSQL.

A lease changes hands in one conditional UPDATE, which both databases carry out for one caller at a time.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import cast

from typing_extensions import override

from harness.engines.run_store import NewRun, Run, RunStatus, RunStore, typed_run_id
from harness.exceptions import LeaseHeld, NameUnknown, RunInterrupted
from harness.json_values import Json, digest_of
from harness.names import nearest_names
from harness.storage.checkpoint_serializer import CheckpointSerializer
from harness.storage.payloads import Payload, PayloadScope, insert_payloads, read_payloads
from harness.storage.transactions import Operation, Row, Statement, TransactionWriter

_JSON = CheckpointSerializer()  # one format for all payloads; of no type but plain JSON here
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
        spec = scope.payload(_JSON.dumps(new.spec, where="spec"))
        inputs = scope.payload(_JSON.dumps(new.inputs, where="inputs"))
        now = _text(self._clock())
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
                    "now": _text(now),
                    "lease_until": _text(now + timedelta(seconds=lease_seconds)),
                },
            )
            found = yield from self._one(found.run_id)
            if not claimed and found.status is not RunStatus.COMPLETED:
                raise _not_ours(found)
            return found

        return await self._writer.run(operation)

    @override
    async def renew(self, run_id: str, *, owner: str, lease_seconds: float) -> Run:
        until = _text(self._clock() + timedelta(seconds=lease_seconds))
        return await self._as_owner(run_id, owner, "lease_until = :lease_until", {"lease_until": until})

    @override
    async def release(self, run_id: str, *, owner: str, status: RunStatus, error: str | None = None) -> Run:
        now = _text(self._clock())
        change = "owner = NULL, lease_until = NULL, status = :status, finished_at = :finished_at, "
        parameters: dict[str, object] = {"status": status.value, "finished_at": now if status.ended else None}
        return await self._as_owner(run_id, owner, change + "error_payload_id = :error_id", parameters, error=error)

    @override
    async def run(self, run_id: str) -> Run:
        return await self._writer.run(lambda: self._found(run_id))

    @override
    async def runs(
        self, *, status: RunStatus | None = None, workflow: str | None = None, limit: int = 50
    ) -> Sequence[Run]:
        asked = {"status": status.value if status else None, "workflow": workflow}
        parameters = {name: value for name, value in asked.items() if value is not None}
        where = "".join(f" AND runs.{name} = :{name}" for name in parameters)

        def operation() -> Operation[Sequence[Run]]:
            rows = yield Statement(
                f"{_SELECT}{where} ORDER BY runs.run_id DESC LIMIT :limit",
                {"organisation": self._organisation, **parameters, "limit": limit},
            )
            return [_run(row) for row in rows]

        return await self._writer.run(operation)

    @override
    async def expired(self) -> Sequence[Run]:
        def operation() -> Operation[Sequence[Run]]:
            rows = yield Statement(
                f"{_SELECT} AND (runs.status = 'running' AND runs.lease_until <= :now "
                "OR runs.status = 'pending' AND runs.created_at <= :never_started) "
                "ORDER BY COALESCE(runs.lease_until, runs.created_at)",
                {
                    "organisation": self._organisation,
                    "now": _text(self._clock()),
                    "never_started": _text(self._clock() - _TIME_TO_START),
                },
            )
            return [_run(row) for row in rows]

        return await self._writer.run(operation)

    @override
    async def spec(self, run_id: str) -> Json:
        return await self._recorded(run_id, "spec_payload_id")

    @override
    async def inputs(self, run_id: str) -> Json:
        return await self._recorded(run_id, "inputs_payload_id")

    @override
    async def write_payload(self, run_id: str, value: Json, *, subject: str | None = None) -> str:
        content = _JSON.dumps(value, where="payload")

        def operation() -> Operation[str]:
            found = yield from self._found(run_id)
            scope = PayloadScope(self._organisation, found.person, found.run_id, "run", subject)
            payload = scope.payload(content)
            yield from insert_payloads(scope, [payload], _text(self._clock()))
            return payload.payload_id

        return await self._writer.run(operation)

    @override
    async def read_payload(self, payload_id: str) -> Json:
        contents = await self._writer.run(lambda: read_payloads(self._organisation, [payload_id]))
        return _value(contents[payload_id])

    async def _recorded(self, run_id: str, column: str) -> Json:
        def operation() -> Operation[str]:
            found = yield from self._found(run_id)
            rows = yield Statement(
                f"SELECT {column} FROM runs WHERE organisation = :organisation AND run_id = :run_id",
                {"organisation": self._organisation, "run_id": found.run_id},
            )
            contents = yield from read_payloads(self._organisation, [rows[0][0]])
            return contents[rows[0][0]]

        return _value(await self._writer.run(operation))

    async def _as_owner(
        self,
        run_id: str,
        owner: str,
        change: str,
        parameters: dict[str, object],
        *,
        error: str | None = None,
    ) -> Run:
        """Change a run whose lease is the owner's; an error's text is kept as a payload."""

        def operation() -> Operation[Run]:
            found = yield from self._found(run_id)
            failure = _error_payload(found, error)
            bound = {**parameters, "error_id": failure[1].payload_id if failure else None}
            changed = yield Statement(
                f"UPDATE runs SET {change} WHERE organisation = :organisation AND run_id = :run_id "
                "AND status = 'running' AND owner = :owner RETURNING run_id",
                {"organisation": self._organisation, "run_id": found.run_id, "owner": owner, **bound},
            )
            if not changed:
                raise _not_ours((yield from self._one(found.run_id)))
            if failure:
                yield from insert_payloads(failure[0], [failure[1]], _text(self._clock()))
            return (yield from self._one(found.run_id))

        return await self._writer.run(operation)

    def _one(self, run_id: str) -> Operation[Run]:
        rows = yield Statement(
            f"{_SELECT} AND runs.run_id = :run_id", {"organisation": self._organisation, "run_id": run_id}
        )
        return _run(rows[0])

    def _found(self, name: str) -> Operation[Run]:
        typed = typed_run_id(name)
        rows = yield Statement(
            f"{_SELECT} AND runs.run_id >= :first AND runs.run_id <= :last ORDER BY runs.run_id DESC LIMIT 4",
            {"organisation": self._organisation, "first": typed, "last": typed + "~"},  # "~" sorts behind all letters
        )
        exact = [row for row in rows if row[0] == typed] or rows
        if len(exact) == 1 and typed:
            return _run(exact[0])
        alike = [row[0] for row in rows]
        if not alike:
            newest = yield Statement(
                "SELECT run_id FROM runs WHERE organisation = :organisation ORDER BY run_id DESC LIMIT :limit",
                {"organisation": self._organisation, "limit": _ALIKE_AMONG},
            )
            alike = list(nearest_names(typed, [row[0] for row in newest]))
        raise NameUnknown("run", name, alike)


def _not_ours(run: Run) -> LeaseHeld | RunInterrupted:
    if run.owner is None or run.lease_until is None:
        return RunInterrupted(run.run_id)
    return LeaseHeld(run.run_id, run.owner, run.lease_until)


def _error_payload(run: Run, error: str | None) -> tuple[PayloadScope, Payload] | None:
    if error is None:
        return None
    scope = PayloadScope(run.organisation, run.person, run.run_id, "run")
    return scope, scope.payload(_JSON.dumps(error, where="error"))


def _run(row: Row) -> Run:
    return Run(
        run_id=row[0],
        organisation=row[1],
        person=row[2],
        workflow=row[3],
        spec_digest=row[4],
        project=row[5],
        task_id=row[6],
        status=RunStatus(row[7]),
        owner=row[8],
        lease_until=_time(row[9]),
        created_at=datetime.fromisoformat(row[10]),
        started_at=_time(row[11]),
        finished_at=_time(row[12]),
        binding_version_at_start=row[13],
        error=str(_JSON.loads(row[14])) if row[14] is not None else None,
    )


def _value(content: str) -> Json:
    return cast("Json", _JSON.loads(content))


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None


_SELECT = """\
SELECT runs.run_id, runs.organisation, runs.person, runs.workflow, runs.spec_digest, runs.project, runs.task_id,
  runs.status, runs.owner, runs.lease_until, runs.created_at, runs.started_at, runs.finished_at,
  runs.binding_version_at_start, payloads.content
FROM runs LEFT JOIN payloads ON payloads.payload_id = runs.error_payload_id
WHERE runs.organisation = :organisation"""

_INSERT = """\
INSERT INTO runs (organisation, run_id, person, workflow, spec_digest, spec_payload_id, inputs_payload_id, project,
  task_id, status, created_at, binding_version_at_start)
VALUES (:organisation, :run_id, :person, :workflow, :spec_digest, :spec_payload_id, :inputs_payload_id, :project,
  :task_id, :status, :created_at, :binding_version)"""

_CLAIM = """\
UPDATE runs SET owner = :owner, lease_until = :lease_until, status = 'running',
  started_at = COALESCE(started_at, :now), finished_at = NULL, error_payload_id = NULL
WHERE organisation = :organisation AND run_id = :run_id AND status <> 'completed'
  AND (owner IS NULL OR owner = :owner OR lease_until <= :now)
RETURNING run_id"""
