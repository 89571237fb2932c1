"""Results that may be given again, in `runs.db`: the payload is the run's that made it, and goes with it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import cast

from typing_extensions import override

from harness.json_values import Json
from harness.storage.payloads import PayloadScope, insert_payloads
from harness.storage.run_rows import PLAIN_JSON, text_of
from harness.storage.transactions import Operation, Statement, TransactionWriter
from harness.workflow.nodes.result_cache import CachedResult, ResultCache


class SqlResultCache(ResultCache):
    """Implements `ResultCache`.

    Args:
        person: on whose behalf results are kept; written beside them, not a condition of finding them.
    """

    def __init__(
        self, writer: TransactionWriter, *, organisation: str, person: str, clock: Callable[[], datetime]
    ) -> None:
        self._writer = writer
        self._organisation = organisation
        self._person = person
        self._clock = clock

    @override
    async def find(self, digest: str) -> CachedResult | None:
        def operation() -> Operation[CachedResult | None]:
            rows = yield Statement(
                _FIND, {"organisation": self._organisation, "digest": digest, "now": text_of(self._clock())}
            )
            return CachedResult(cast("Json", PLAIN_JSON.loads(rows[0][0])), rows[0][1]) if rows else None

        return await self._writer.run(operation)

    @override
    async def keep(self, digest: str, result: Json, *, run_id: str, seconds: float) -> None:
        scope = PayloadScope(self._organisation, self._person, run_id, "cache")
        payload = scope.payload(PLAIN_JSON.dumps(result, where="result"))

        def operation() -> Operation[None]:
            now = self._clock()
            key: dict[str, object] = {"organisation": self._organisation, "digest": digest}
            before = yield Statement(_PAYLOAD_OF, key)
            yield from insert_payloads(scope, [payload], text_of(now))
            yield Statement(
                _KEEP,
                {
                    **key,
                    "run_id": run_id,
                    "person": self._person,
                    "payload_id": payload.payload_id,
                    "made_at": text_of(now),
                    "expires_at": text_of(now + timedelta(seconds=seconds)),
                },
            )
            for row in before:
                yield Statement(_DROP_PAYLOAD, {"organisation": self._organisation, "payload_id": row[0]})

        await self._writer.run(operation)


_FIND = """\
SELECT payloads.content, cached_results.run_id FROM cached_results
JOIN payloads ON payloads.payload_id = cached_results.payload_id
WHERE cached_results.organisation = :organisation AND cached_results.digest = :digest
  AND cached_results.expires_at > :now"""

_PAYLOAD_OF = "SELECT payload_id FROM cached_results WHERE organisation = :organisation AND digest = :digest"

_KEEP = """\
INSERT INTO cached_results (organisation, digest, run_id, person, payload_id, made_at, expires_at)
VALUES (:organisation, :digest, :run_id, :person, :payload_id, :made_at, :expires_at)
ON CONFLICT (organisation, digest) DO UPDATE SET run_id = excluded.run_id, person = excluded.person,
  payload_id = excluded.payload_id, made_at = excluded.made_at, expires_at = excluded.expires_at"""

_DROP_PAYLOAD = """\
DELETE FROM payloads WHERE payload_id = :payload_id AND organisation = :organisation AND holder = 'cache'
  AND NOT EXISTS (SELECT 1 FROM cached_results
    WHERE cached_results.organisation = :organisation AND cached_results.payload_id = :payload_id)"""
