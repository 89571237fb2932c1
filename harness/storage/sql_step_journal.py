"""The journal of one run's steps in `runs.db`, written by the holder of the run's lease alone.

One SELECT answers whose the run is and what is known of the step, in the transaction of the write. Results and errors
are payloads, which pruning may drop once the run can never be resumed.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import cast

from typing_extensions import override

from harness.exceptions import NameUnknown
from harness.json_values import Json
from harness.storage.payloads import PayloadScope, insert_payloads
from harness.storage.run_fence import check_owner
from harness.storage.run_rows import PLAIN_JSON, moment_of, text_of
from harness.storage.transactions import Operation, Row, Statement, TransactionWriter
from harness.workflow.nodes.step_journal import RecordedStep, StepJournal, StepStatus


class SqlStepJournal(StepJournal):
    """Implements `StepJournal`, which says what each call promises.

    Args:
        owner: what this process claims the run as.
        row_lock: what holds off a claim until the write is committed: "FOR SHARE" on PostgreSQL; nothing on SQLite,
            whose write transaction is alone.
    """

    def __init__(
        self,
        writer: TransactionWriter,
        *,
        organisation: str,
        run_id: str,
        person: str,
        owner: str,
        clock: Callable[[], datetime],
        row_lock: str,
    ) -> None:
        self._writer = writer
        self._run: dict[str, object] = {"organisation": organisation, "run_id": run_id}
        self._run_id = run_id
        self._owner = owner
        self._clock = clock
        self._scope = PayloadScope(organisation, person, run_id, "step")
        # The step may not be there, and what is not there cannot be locked.
        self._look = f"{_LOOK} {row_lock} OF runs" if row_lock else _LOOK

    @override
    async def begin(self, path: str, kind: str, digest: str, *, durable: bool = False) -> RecordedStep:
        def operation() -> Operation[RecordedStep]:
            known = yield from self._looked(path, digest)
            if known is not None and known.status is StepStatus.DONE:
                return known
            now = self._clock()
            key = {**self._run, "path": path, "digest": digest}
            if known is not None:
                yield Statement(_BEGIN_AGAIN, key)
            else:
                yield Statement(_BEGIN, {**key, "person": self._scope.person, "kind": kind, "started_at": text_of(now)})
            return RecordedStep(
                path=path,
                kind=known.kind if known else kind,
                digest=digest,
                status=StepStatus.BEGUN,
                attempts=known.attempts + 1 if known else 1,
                result=None,
                error=None,
                started_at=known.started_at if known else now,
                finished_at=None,
            )

        return await self._writer.run(operation, durable=durable)

    @override
    async def finish(self, path: str, digest: str, result: Json) -> None:
        await self._end(path, digest, StepStatus.DONE, PLAIN_JSON.dumps(result, where=path))

    @override
    async def fail(self, path: str, digest: str, error: str) -> None:
        await self._end(path, digest, StepStatus.FAILED, PLAIN_JSON.dumps(error, where=path))

    @override
    async def steps(self, prefix: str = "") -> Sequence[RecordedStep]:
        # Below a path are its parts ("path/...") and its items ("path[3]..."); the last bounds are the next letters.
        bounds = {"parts": prefix + "/", "parts_end": prefix + "0", "items": prefix + "[", "items_end": prefix + "\\"}
        below = _BELOW if prefix else ""

        def operation() -> Operation[Sequence[RecordedStep]]:
            rows = yield Statement(f"{_STEPS}{below} ORDER BY steps.position", {**self._run, "path": prefix, **bounds})
            return [_step(row) for row in rows]

        return await self._writer.run(operation)

    async def _end(self, path: str, digest: str, status: StepStatus, content: str) -> None:
        payload = self._scope.payload(content)
        done = status is StepStatus.DONE

        def operation() -> Operation[None]:
            known = yield from self._looked(path, digest)
            if known is None:
                raise NameUnknown("step", path)
            if known.status is StepStatus.DONE:
                return
            now = text_of(self._clock())
            yield from insert_payloads(self._scope, [payload], now)
            yield Statement(
                _END,
                {
                    **self._run,
                    "path": path,
                    "digest": digest,
                    "status": status.value,
                    "result_id": payload.payload_id if done else None,
                    "error_id": None if done else payload.payload_id,
                    "finished_at": now,
                },
            )

        await self._writer.run(operation)

    def _looked(self, path: str, digest: str) -> Operation[RecordedStep | None]:
        """The step as it is known, and that the run is still ours."""
        rows = yield Statement(self._look, {**self._run, "path": path, "digest": digest})
        check_owner(self._run_id, self._owner, rows[0] if rows else None)
        return _step(rows[0][2:]) if rows[0][2] is not None else None


def _step(row: Row) -> RecordedStep:
    return RecordedStep(
        path=row[0],
        kind=row[1],
        digest=row[2],
        status=StepStatus(row[3]),
        attempts=row[4],
        started_at=datetime.fromisoformat(row[5]),
        finished_at=moment_of(row[6]),
        result=_value(row, 7) if row[3] == StepStatus.DONE.value else None,
        error=str(_value(row, 9)) if row[3] == StepStatus.FAILED.value else None,
    )


def _value(row: Row, place: int) -> Json:
    """A payload by its identifier and, behind that, its content."""
    if row[place + 1] is None:
        raise NameUnknown("payload", str(row[place]))
    return cast("Json", PLAIN_JSON.loads(row[place + 1]))


_COLUMNS = """steps.path, steps.kind, steps.digest, steps.status, steps.attempts, steps.started_at, steps.finished_at,
  steps.result_payload_id, results.content, steps.error_payload_id, errors.content"""

_PAYLOADS = """\
LEFT JOIN payloads AS results ON results.payload_id = steps.result_payload_id
LEFT JOIN payloads AS errors ON errors.payload_id = steps.error_payload_id"""

_LOOK = f"""\
SELECT runs.owner, runs.lease_until, {_COLUMNS}
FROM runs LEFT JOIN run_steps AS steps ON steps.organisation = runs.organisation AND steps.run_id = runs.run_id
  AND steps.path = :path AND steps.digest = :digest
{_PAYLOADS}
WHERE runs.organisation = :organisation AND runs.run_id = :run_id"""

_STEPS = f"""\
SELECT {_COLUMNS} FROM run_steps AS steps {_PAYLOADS}
WHERE steps.organisation = :organisation AND steps.run_id = :run_id"""

_BELOW = """
  AND (steps.path = :path OR steps.path >= :parts AND steps.path < :parts_end
    OR steps.path >= :items AND steps.path < :items_end)"""

_BEGIN = """\
INSERT INTO run_steps (organisation, run_id, path, digest, person, position, kind, status, attempts, started_at)
SELECT :organisation, :run_id, :path, :digest, :person, COALESCE(MAX(position), 0) + 1, :kind, 'begun', 1, :started_at
FROM run_steps WHERE organisation = :organisation AND run_id = :run_id"""

_BEGIN_AGAIN = """\
UPDATE run_steps SET status = 'begun', attempts = attempts + 1, error_payload_id = NULL, finished_at = NULL
WHERE organisation = :organisation AND run_id = :run_id AND path = :path AND digest = :digest"""

_END = """\
UPDATE run_steps SET status = :status, result_payload_id = :result_id, error_payload_id = :error_id,
  finished_at = :finished_at
WHERE organisation = :organisation AND run_id = :run_id AND path = :path AND digest = :digest"""
