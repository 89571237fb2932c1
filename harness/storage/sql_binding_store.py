"""Versions of the bindings in SQL. The newest is read before each call, so reading it is one indexed SELECT."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime

from pydantic import ValidationError

from harness.exceptions import BindingsChanged, SpecificationInvalid
from harness.routing.binding_store import BindingVersion
from harness.routing.bindings import BindingsFile
from harness.storage.money_rows import read_time, stored_time
from harness.storage.transactions import Operation, Row, Statement, TransactionWriter

_COLUMNS = "version, organisation, document, made_by, made_at, reason"


class SqlBindingStore:
    """Implements `harness.routing.binding_store.BindingStore`."""

    def __init__(self, writer: TransactionWriter, *, clock: Callable[[], datetime]) -> None:
        self._writer = writer
        self._clock = clock
        self._latest: dict[str, BindingVersion] = {}

    async def current(self, organisation: str) -> BindingVersion | None:
        """See the port. Versions never change, so only a new number is read in full."""
        known = self._latest.get(organisation)
        found = await self._writer.read(lambda: _newest(organisation, known.version if known else 0))
        if found is not None:
            known = self._latest[organisation] = _from_row(found)
        return known

    async def version(self, organisation: str, version: int) -> BindingVersion | None:
        """See the port."""
        rows = await self._writer.run(lambda: _one(organisation, version))
        return _from_row(rows[0]) if rows else None

    async def history(self, organisation: str, *, limit: int = 50) -> tuple[BindingVersion, ...]:
        """See the port."""
        rows = await self._writer.run(lambda: _history(organisation, limit))
        return tuple(map(_from_row, rows))

    async def add(
        self, organisation: str, bindings: BindingsFile, *, made_by: str, reason: str, replaces: int | None
    ) -> BindingVersion:
        """See the port."""
        document = bindings.model_dump_json(by_alias=True, exclude_defaults=True)
        at = self._clock()
        version = await self._writer.run(
            lambda: _add(organisation, document, made_by, at, reason, replaces), durable=True
        )
        return BindingVersion(version, organisation, bindings, made_by, at, reason)


def _newest(organisation: str, known: int) -> Operation[Row | None]:
    rows = yield Statement(
        f"SELECT {_COLUMNS} FROM binding_versions WHERE organisation = :organisation AND version > :known "
        "ORDER BY version DESC LIMIT 1",
        {"organisation": organisation, "known": known},
    )
    return rows[0] if rows else None


def _one(organisation: str, version: int) -> Operation[Sequence[Row]]:
    return (
        yield Statement(
            f"SELECT {_COLUMNS} FROM binding_versions WHERE organisation = :organisation AND version = :version",
            {"organisation": organisation, "version": version},
        )
    )


def _history(organisation: str, limit: int) -> Operation[Sequence[Row]]:
    return (
        yield Statement(
            f"SELECT {_COLUMNS} FROM binding_versions WHERE organisation = :organisation "
            "ORDER BY version DESC LIMIT :limit",
            {"organisation": organisation, "limit": limit},
        )
    )


def _add(
    organisation: str, document: str, made_by: str, at: datetime, reason: str, replaces: int | None
) -> Operation[int]:
    """Add a version in one statement that checks what it replaces, so that two processes cannot replace the same."""
    while True:
        newest = yield from _newest(organisation, 0)
        current: int = newest[0] if newest else 0
        if (replaces or 0) != current:
            raise BindingsChanged(replaces or 0, current)
        made = yield Statement(
            f"INSERT INTO binding_versions ({_COLUMNS}) "
            "SELECT (SELECT COALESCE(MAX(version), 0) + 1 FROM binding_versions), "
            "CAST(:organisation AS TEXT), CAST(:document AS TEXT), CAST(:made_by AS TEXT), CAST(:made_at AS TEXT), "
            "CAST(:reason AS TEXT) WHERE (SELECT COALESCE(MAX(version), 0) FROM binding_versions "
            "WHERE organisation = :organisation) = :current ON CONFLICT (version) DO NOTHING RETURNING version",
            {
                "organisation": organisation,
                "document": document,
                "made_by": made_by,
                "made_at": stored_time(at),
                "reason": reason,
                "current": current,
            },
        )
        if made:
            return int(made[0][0])
        # Another process came first: for this organisation, then it is seen above, or for another, then once more.


def _from_row(row: Row) -> BindingVersion:
    try:
        bindings = BindingsFile.model_validate(json.loads(row[2]))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise SpecificationInvalid(
            [
                f"stored bindings, version {row[0]}: {place}: {first['msg']}; it was written by another version of the harness"
            ]
        ) from error
    return BindingVersion(
        version=row[0],
        organisation=row[1],
        bindings=bindings,
        made_by=row[3],
        made_at=read_time(row[4]),
        reason=row[5],
    )
