"""Checkpoints as rows: the statements that write, read and drop them, on SQLite and PostgreSQL alike.

A checkpoint's row names, for each channel, its version and the payload of its value, so that it can be read alone and
an unchanged channel costs a digest. Nothing here knows the graph library, nor what a value means. Dropping and copying are
left to `checkpoint_threads`.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from harness.storage.payloads import (
    Payload,
    PayloadScope,
    insert_payloads,
    parameter_names,
    read_payloads,
)
from harness.storage.transactions import Operation, Statement
from harness.storage.value_parts import joined

Version = str | int | float
# {channel: [version, payload_id | [payload_id, ...] | None, number?]}, no value where it is empty
Channels = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class CheckpointKey:
    """One checkpoint of one graph (`namespace` "" is the outermost) of one thread."""

    organisation: str
    thread_id: str
    namespace: str
    checkpoint_id: str

    def parameters(self) -> dict[str, object]:
        """As parameters of a statement, under the names of the columns."""
        return {
            "organisation": self.organisation,
            "thread_id": self.thread_id,
            "checkpoint_ns": self.namespace,
            "checkpoint_id": self.checkpoint_id,
        }


@dataclass(frozen=True, slots=True)
class Kept:
    """A value as it is kept: JSON null, a boolean or a number in place, anything else as a payload.

    Args:
        parts: instead of a payload, a long list or mapping cut into several (`value_parts`).
    """

    number: str | None = None
    payload: Payload | None = None
    parts: Sequence[Payload] = ()

    def payloads(self) -> Sequence[Payload]:
        """What is to be stored for it."""
        return (self.payload,) if self.payload is not None else self.parts


@dataclass(frozen=True, slots=True)
class NewCheckpoint:
    """A checkpoint about to be written.

    Args:
        changed: what this step wrote, None for a channel left empty.
        unchanged: the other channels with a value; their values are taken from the parent.
        inherited: the parent's channels where they are known, else they are read.
    """

    key: CheckpointKey
    parent_id: str | None
    run_id: str
    document: str
    metadata: str
    metadata_payload: Payload | None
    versions: Mapping[str, Version]
    changed: Mapping[str, Kept | None]
    unchanged: Collection[str]
    inherited: Channels | None


@dataclass(frozen=True, slots=True)
class NewWrite:
    """What a task wrote to one channel, at a position that is below zero for errors, interrupts and resumes."""

    position: int
    channel: str
    kept: Kept


@dataclass(frozen=True, slots=True)
class StoredWrite:
    """A pending write as it was read, in the order in which the graph applies them; `value` is JSON."""

    task_id: str
    channel: str
    value: str


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint as it was read; all values are JSON."""

    key: CheckpointKey
    parent_id: str | None
    document: str
    metadata: str
    further_metadata: str | None
    versions: dict[str, Version]
    values: dict[str, str]
    writes: Sequence[StoredWrite]


def put_checkpoint(scope: PayloadScope, new: NewCheckpoint, at: str) -> Operation[Channels | None]:
    """Write a checkpoint and return its channels.

    None, and nothing written, if the parent is gone or lacks a channel that did not change.
    """
    inherited = new.inherited
    if inherited is None and new.unchanged and new.parent_id is not None:
        parent = {**new.key.parameters(), "checkpoint_id": new.parent_id}
        rows = yield Statement(f"SELECT channels FROM checkpoints {WHERE_KEY}", parent)
        inherited = json.loads(rows[0][0]) if rows else None
    channels = _channels(new, inherited or {})
    if channels is None:
        return None
    # What the parent points to is there: of a long list that grew, most parts.
    known = frozenset(referenced(inherited)) if inherited else frozenset[str]()
    values = [payload for kept in new.changed.values() if kept is not None for payload in kept.payloads()]
    fresh = [payload for payload in values if payload.payload_id not in known]
    if new.metadata_payload is not None:
        fresh.append(new.metadata_payload)
    yield from insert_payloads(scope, fresh, at)
    yield Statement(
        _PUT_CHECKPOINT,
        {
            **new.key.parameters(),
            "person": scope.person,
            "parent_checkpoint_id": new.parent_id,
            "run_id": new.run_id,
            "document": new.document,
            "channels": _encode(channels),
            "metadata": new.metadata,
            "metadata_payload_id": new.metadata_payload.payload_id if new.metadata_payload else None,
            "created_at": at,
        },
    )
    return channels


def put_writes(
    scope: PayloadScope, key: CheckpointKey, task_id: str, task_path: str, writes: Sequence[NewWrite], at: str
) -> Operation[None]:
    """Write what a task wrote; a position below zero replaces what is there, any other leaves it."""
    yield from insert_payloads(scope, (payload for write in writes for payload in write.kept.payloads()), at)
    for start in range(0, len(writes), 100):
        part = writes[start : start + 100]
        parameters: dict[str, object] = {
            **key.parameters(),
            "person": scope.person,
            "task_id": task_id,
            "task_path": task_path,
        }
        for name, write in zip(parameter_names(len(part)), part, strict=True):
            parameters["position_" + name] = write.position
            parameters["channel_" + name] = write.channel
            parameters["payload_" + name] = write.kept.payload.payload_id if write.kept.payload else None
            parameters["number_" + name] = write.kept.number
            parameters["parts_" + name] = _encode(_ids(write.kept.parts)) if write.kept.parts else None
        yield Statement(_put_writes_sql(len(part)), parameters)


def read_checkpoint(
    organisation: str, thread_id: str, namespace: str, checkpoint_id: str | None
) -> Operation[StoredCheckpoint | None]:
    """A checkpoint with its values and pending writes, the newest where none is named; None if there is none.

    Raises:
        NameUnknown: a value of it was erased.
    """
    key = CheckpointKey(organisation, thread_id, namespace, checkpoint_id or "")
    condition = "= :checkpoint_id" if checkpoint_id else "> :checkpoint_id ORDER BY checkpoint_id DESC LIMIT 1"
    rows = yield Statement(
        "SELECT checkpoint_id, parent_checkpoint_id, document, metadata, metadata_payload_id, channels FROM checkpoints "
        "WHERE organisation = :organisation AND thread_id = :thread_id AND checkpoint_ns = :checkpoint_ns "
        f"AND checkpoint_id {condition}",
        key.parameters(),
    )
    if not rows:
        return None
    found_id, parent_id, document, metadata, further_id, channels_json = rows[0]
    key = CheckpointKey(organisation, thread_id, namespace, found_id)
    writes = yield Statement(
        f"SELECT task_id, channel, number, payload_id, parts FROM checkpoint_writes {WHERE_KEY} "
        "ORDER BY task_path, task_id, position",
        key.parameters(),
    )
    channels: dict[str, list[Any]] = json.loads(channels_json)
    pending = [(row[0], row[1], [None, ids_of_write(row[3], row[4]), row[2]]) for row in writes]
    wanted = [*referenced(channels), further_id, *referenced({place: row[2] for place, row in enumerate(pending)})]
    contents = yield from read_payloads(organisation, filter(None, wanted))
    return StoredCheckpoint(
        key=key,
        parent_id=parent_id,
        document=document,
        metadata=metadata,
        further_metadata=contents[further_id] if further_id else None,
        versions={channel: entry[0] for channel, entry in channels.items()},
        values={channel: _content(entry, contents) for channel, entry in channels.items() if has_value(entry)},
        writes=[StoredWrite(task_id, channel, _content(entry, contents)) for task_id, channel, entry in pending],
    )


@dataclass(frozen=True, slots=True)
class ListedCheckpoint:
    """A checkpoint's key and metadata, enough to choose by."""

    key: CheckpointKey
    metadata: str
    further_metadata: str | None


def list_checkpoints(
    organisation: str,
    *,
    thread_id: str | None,
    namespace: str | None,
    checkpoint_id: str | None,
    before_id: str | None,
) -> Operation[list[ListedCheckpoint]]:
    """The keys of those that match, newest first."""
    conditions = {
        "thread_id = :thread_id": thread_id,
        "checkpoint_ns = :checkpoint_ns": namespace,
        "checkpoint_id = :checkpoint_id": checkpoint_id,
        "checkpoint_id < :before_id": before_id,
    }
    asked = {condition: value for condition, value in conditions.items() if value is not None}
    where = "".join(f" AND checkpoints.{condition}" for condition in asked)
    rows = yield Statement(
        "SELECT thread_id, checkpoint_ns, checkpoint_id, metadata, payloads.content FROM checkpoints "
        "LEFT JOIN payloads ON payloads.payload_id = checkpoints.metadata_payload_id "
        f"WHERE checkpoints.organisation = :organisation{where} "
        "ORDER BY checkpoint_id DESC, thread_id, checkpoint_ns",
        {"organisation": organisation, **{condition.rpartition(":")[2]: value for condition, value in asked.items()}},
    )
    return [ListedCheckpoint(CheckpointKey(organisation, *row[:3]), row[3], row[4]) for row in rows]


def ids_of_write(payload_id: str | None, parts: str | None) -> str | list[str] | None:
    """What a write's row points to, as it stands in a channel's entry."""
    return json.loads(parts) if parts is not None else payload_id


def referenced(channels: Mapping[Any, Sequence[Any]]) -> Iterable[str]:
    """The payloads that a checkpoint's channels point to."""
    for entry in channels.values():
        if has_value(entry) and entry[1]:
            yield from [entry[1]] if isinstance(entry[1], str) else entry[1]


def has_value(entry: Sequence[Any]) -> bool:
    """Whether a channel's entry has a value behind its version."""
    return len(entry) > 1


def _channels(new: NewCheckpoint, inherited: Channels) -> Channels | None:
    channels: dict[str, Sequence[Any]] = {}
    for channel, version in new.versions.items():
        if channel in new.changed:
            channels[channel] = _entry(version, new.changed[channel])
        elif channel in inherited and inherited[channel][0] == version:
            channels[channel] = inherited[channel]
        elif channel in new.unchanged:
            return None
        else:
            channels[channel] = [version]
    return channels


def _entry(version: Version, kept: Kept | None) -> list[Any]:
    if kept is None:
        return [version]
    if kept.payload is not None:
        return [version, kept.payload.payload_id]
    if kept.parts:
        return [version, _ids(kept.parts)]
    return [version, None, kept.number]


def _ids(parts: Sequence[Payload]) -> list[str]:
    return [part.payload_id for part in parts]


def _content(entry: list[Any], contents: Mapping[str, str]) -> str:
    if isinstance(entry[1], list):
        return joined([contents[part] for part in cast("list[str]", entry[1])])
    return contents[entry[1]] if entry[1] else entry[2]


_encode = json.JSONEncoder(separators=(",", ":")).encode

WHERE_KEY = (
    "WHERE organisation = :organisation AND thread_id = :thread_id "
    "AND checkpoint_ns = :checkpoint_ns AND checkpoint_id = :checkpoint_id"
)

_PUT_CHECKPOINT = """\
INSERT INTO checkpoints (organisation, thread_id, checkpoint_ns, checkpoint_id, person, parent_checkpoint_id, run_id,
  document, channels, metadata, metadata_payload_id, created_at)
VALUES (:organisation, :thread_id, :checkpoint_ns, :checkpoint_id, :person, :parent_checkpoint_id, :run_id,
  :document, :channels, :metadata, :metadata_payload_id, :created_at)
ON CONFLICT (organisation, thread_id, checkpoint_ns, checkpoint_id) DO UPDATE SET person = excluded.person,
  parent_checkpoint_id = excluded.parent_checkpoint_id, run_id = excluded.run_id, document = excluded.document,
  channels = excluded.channels, metadata = excluded.metadata, metadata_payload_id = excluded.metadata_payload_id,
  created_at = excluded.created_at"""


@lru_cache(maxsize=128)
def _put_writes_sql(count: int) -> str:
    key = "organisation, thread_id, checkpoint_ns, checkpoint_id, task_id, position"
    rows = ", ".join(
        "(:organisation, :thread_id, :checkpoint_ns, :checkpoint_id, :task_id, "
        f":position_{name}, :person, :task_path, :channel_{name}, :payload_{name}, :number_{name}, :parts_{name})"
        for name in parameter_names(count)
    )
    return (
        f"INSERT INTO checkpoint_writes ({key}, person, task_path, channel, payload_id, number, parts) VALUES {rows} "
        f"ON CONFLICT ({key}) DO UPDATE SET task_path = excluded.task_path, channel = excluded.channel, "
        "payload_id = excluded.payload_id, number = excluded.number, parts = excluded.parts "
        "WHERE checkpoint_writes.position < 0"
    )
