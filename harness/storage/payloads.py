"""The one store of people's text in `runs.db`: content by its digest within a run (a claim check).

Equal content is stored once a run and holder. Reading what was erased raises; who may erase, and when, is left to
the stores that hold the identifiers.
"""

import hashlib
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from string import ascii_lowercase
from typing import Any, Literal

from harness.exceptions import NameUnknown
from harness.storage.transactions import Operation, Row, Statement

Holder = Literal["run", "checkpoint", "step", "cache"]

_AT_ONCE = 200  # rows of one statement, well below every database's limit on parameters


@dataclass(frozen=True, slots=True)
class Payload:
    """Content and the identifier it is claimed by."""

    payload_id: str
    content: str


@dataclass(frozen=True, slots=True)
class PayloadScope:
    """For whom, of which run and by whom content is held; `subject` is whom it is about, where that is known."""

    organisation: str
    person: str
    run_id: str
    holder: Holder
    subject: str | None = None

    def payload(self, content: str) -> Payload:
        """The content under its identifier in this scope; writes nothing."""
        scope = f"{self.organisation}\0{self.run_id}\0{self.holder}\0"
        return Payload(hashlib.sha256((scope + content).encode()).hexdigest(), content)


def insert_payloads(scope: PayloadScope, payloads: Iterable[Payload], created_at: str) -> Operation[None]:
    """Store content; what is there already stays as it is."""
    unique = list({payload.payload_id: payload for payload in payloads}.values())
    for start in range(0, len(unique), _AT_ONCE):
        rows = unique[start : start + _AT_ONCE]
        parameters: dict[str, object] = {
            "organisation": scope.organisation,
            "person": scope.person,
            "run_id": scope.run_id,
            "holder": scope.holder,
            "subject": scope.subject,
            "created_at": created_at,
        }
        for name, row in zip(parameter_names(len(rows)), rows, strict=True):
            parameters["id_" + name] = row.payload_id
            parameters["content_" + name] = row.content
        yield Statement(_insert_sql(len(rows)), parameters)


def read_payloads(organisation: str, payload_ids: Iterable[str]) -> Operation[dict[str, str]]:
    """Contents by identifier.

    Raises:
        NameUnknown: one of them is not there (any more).
    """
    wanted = list(dict.fromkeys(payload_ids))
    sql = "SELECT payload_id, content FROM payloads WHERE organisation = :organisation AND payload_id IN "
    rows = yield from in_parts(sql, {"organisation": organisation}, wanted)
    contents = {row[0]: row[1] for row in rows}
    for payload_id in wanted:
        if payload_id not in contents:
            raise NameUnknown("payload", payload_id)
    return contents


def delete_payloads(organisation: str, payload_ids: Iterable[str]) -> Operation[None]:
    """Remove content for good; identifiers that are not there are passed over."""
    sql = "DELETE FROM payloads WHERE organisation = :organisation AND payload_id IN "
    yield from in_parts(sql, {"organisation": organisation}, list(payload_ids))


def in_parts(
    sql: str, parameters: Mapping[str, object], values: Sequence[str]
) -> Generator[Statement, Sequence[Row], list[Row]]:
    """Run `sql`, which ends in `IN `, for as many values as a statement takes at once, and join the rows."""
    rows: list[Row] = []
    for start in range(0, len(values), _AT_ONCE):
        part = values[start : start + _AT_ONCE]
        names = parameter_names(len(part))
        listed: dict[str, Any] = {"in_" + name: value for name, value in zip(names, part, strict=True)}
        rows += yield Statement(sql + _in_list(len(part)), {**parameters, **listed})
    return rows


@lru_cache(maxsize=512)
def parameter_names(count: int) -> tuple[str, ...]:
    """Distinct endings for parameter names; letters alone, because a statement's names hold nothing else."""
    pairs = product(ascii_lowercase, ascii_lowercase)
    return tuple(first + second for _, (first, second) in zip(range(count), pairs, strict=False))


@lru_cache(maxsize=512)
def _in_list(count: int) -> str:
    return "(" + ", ".join(f":in_{name}" for name in parameter_names(count)) + ")"


@lru_cache(maxsize=512)
def _insert_sql(count: int) -> str:
    rows = ", ".join(
        f"(:id_{name}, :organisation, :person, :run_id, :holder, :subject, :content_{name}, :created_at)"
        for name in parameter_names(count)
    )
    return (
        "INSERT INTO payloads (payload_id, organisation, person, run_id, holder, subject, content, created_at) "
        f"VALUES {rows} ON CONFLICT (payload_id) DO NOTHING"
    )
