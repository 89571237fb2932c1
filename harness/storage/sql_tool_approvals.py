"""The approved tools of an organisation in `runs.db`."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime

from typing_extensions import override

from harness.json_values import JsonObject, canonical_json
from harness.storage.run_rows import text_of
from harness.storage.transactions import Operation, Statement, TransactionWriter
from harness.tools.tool_approvals import ApprovedTool, ToolApprovals


class SqlToolApprovals(ToolApprovals):
    """Implements `ToolApprovals`, which says what each call promises."""

    def __init__(self, writer: TransactionWriter, *, organisation: str, clock: Callable[[], datetime]) -> None:
        self._writer = writer
        self._organisation = organisation
        self._clock = clock

    @override
    async def approved(self, server: str) -> Mapping[str, ApprovedTool]:
        def operation() -> Operation[Mapping[str, ApprovedTool]]:
            rows = yield Statement(_APPROVED, {"organisation": self._organisation, "server": server})
            return {
                row[0]: ApprovedTool(row[1], json.loads(row[2]), row[3], datetime.fromisoformat(row[4])) for row in rows
            }

        return await self._writer.run(operation)

    @override
    async def approve(self, server: str, tool: str, digest: str, document: JsonObject, person: str) -> None:
        parameters = {
            **self._key(server, tool),
            "digest": digest,
            "document": canonical_json(document),
            "person": person,
            "approved_at": text_of(self._clock()),
        }
        await self._writer.run(lambda: _one(_APPROVE, parameters), durable=True)

    @override
    async def withdraw(self, server: str, tool: str) -> None:
        await self._writer.run(lambda: _one(_WITHDRAW, self._key(server, tool)), durable=True)

    def _key(self, server: str, tool: str) -> dict[str, object]:
        return {"organisation": self._organisation, "server": server, "tool": tool}


def _one(sql: str, parameters: dict[str, object]) -> Operation[None]:
    yield Statement(sql, parameters)


_APPROVED = """\
SELECT tool, digest, document, person, approved_at FROM tool_approvals
WHERE organisation = :organisation AND server = :server ORDER BY tool"""

_APPROVE = """\
INSERT INTO tool_approvals (organisation, server, tool, digest, document, person, approved_at)
VALUES (:organisation, :server, :tool, :digest, :document, :person, :approved_at)
ON CONFLICT (organisation, server, tool) DO UPDATE SET digest = excluded.digest, document = excluded.document,
  person = excluded.person, approved_at = excluded.approved_at"""

_WITHDRAW = """\
DELETE FROM tool_approvals WHERE organisation = :organisation AND server = :server AND tool = :tool"""
