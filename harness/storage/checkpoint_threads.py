"""Whole threads of checkpoints: dropping, pruning, copying.

They are for runs that nobody advances: the caller holds the run's lease, so that no write refers at the same moment
to what is dropped.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.storage.checkpoint_operations import WHERE_KEY, CheckpointKey, has_value, ids_of_write, referenced
from harness.storage.payloads import PayloadScope, delete_payloads, in_parts, insert_payloads, read_payloads
from harness.storage.transactions import Operation, Statement


def delete_thread(organisation: str, thread_id: str) -> Operation[None]:
    """Drop all checkpoints of a thread, their writes and their payloads."""
    scope: dict[str, object] = {"organisation": organisation, "thread_id": thread_id}
    where = "WHERE organisation = :organisation AND thread_id = :thread_id"
    yield Statement(f"DELETE FROM checkpoint_writes {where}", scope)
    yield Statement(f"DELETE FROM checkpoints {where}", scope)
    yield from _delete_unreferenced(organisation, thread_id)


def delete_for_runs(organisation: str, run_ids: Iterable[str]) -> Operation[None]:
    """Drop the checkpoints that these runs made, in whatever thread."""
    sql = (
        "SELECT thread_id, checkpoint_ns, checkpoint_id FROM checkpoints "
        "WHERE organisation = :organisation AND run_id IN "
    )
    rows = yield from in_parts(sql, {"organisation": organisation}, list(run_ids))
    yield from delete_checkpoints([CheckpointKey(organisation, *row) for row in rows])
    for thread_id in sorted({row[0] for row in rows}):
        yield from _delete_unreferenced(organisation, thread_id)


def prune_thread(organisation: str, thread_id: str) -> Operation[None]:
    """Keep the newest checkpoint of each namespace, and the ancestors its delta channels are rebuilt from."""
    yield from delete_checkpoints((yield from superseded(organisation, thread_id)))
    yield from _delete_unreferenced(organisation, thread_id)


def superseded(organisation: str, thread_id: str) -> Operation[list[CheckpointKey]]:
    """The checkpoints that `prune_thread` drops, the oldest first."""
    rows = yield Statement(
        "SELECT checkpoint_ns, checkpoint_id, parent_checkpoint_id FROM checkpoints "
        "WHERE organisation = :organisation AND thread_id = :thread_id ORDER BY checkpoint_id DESC",
        {"organisation": organisation, "thread_id": thread_id},
    )
    parents: dict[str, dict[str, str | None]] = {}
    for namespace, checkpoint_id, parent_id in rows:
        parents.setdefault(namespace, {})[checkpoint_id] = parent_id
    needed: set[CheckpointKey] = set()
    for namespace, of_namespace in parents.items():
        newest = CheckpointKey(organisation, thread_id, namespace, next(iter(of_namespace)))
        needed |= yield from _needed(newest, of_namespace)
    keys = [CheckpointKey(organisation, thread_id, row[0], row[1]) for row in reversed(rows)]
    return [key for key in keys if key not in needed]


def _needed(newest: CheckpointKey, parents: Mapping[str, str | None]) -> Operation[set[CheckpointKey]]:
    """The newest, and back to where each of its delta channels was last stored whole."""
    channels, metadata = yield from _channels_of(newest)
    counters: Mapping[str, Any] = metadata.get("counters_since_delta_snapshot") or {}
    missing = {channel for channel in counters if not has_value(channels.get(channel, ()))}
    needed = {newest}
    parent_id = parents[newest.checkpoint_id]
    while missing and parent_id is not None and parent_id in parents:
        ancestor = replace(newest, checkpoint_id=parent_id)
        needed.add(ancestor)
        channels, _ = yield from _channels_of(ancestor)
        missing = {channel for channel in missing if not has_value(channels.get(channel, ()))}
        parent_id = parents[parent_id]
    return needed


def _channels_of(key: CheckpointKey) -> Operation[tuple[dict[str, Any], dict[str, Any]]]:
    rows = yield Statement(f"SELECT channels, metadata FROM checkpoints {WHERE_KEY}", key.parameters())
    return json.loads(rows[0][0]), json.loads(rows[0][1])


def copy_thread(scope: PayloadScope, source_id: str, at: str) -> Operation[None]:
    """Copy all checkpoints, writes and payloads of a thread to `scope.run_id`, which then stands alone."""
    source: dict[str, object] = {"organisation": scope.organisation, "thread_id": source_id}
    copied = yield from _copy_payloads(scope, source, at)
    target: dict[str, object] = {
        **source,
        "person": scope.person,
        "target_id": scope.run_id,
    }
    keys = yield Statement(f"SELECT checkpoint_ns, checkpoint_id, channels, metadata_payload_id {_OF_THREAD}", source)
    for namespace, checkpoint_id, channels_json, metadata_payload_id in keys:
        channels: dict[str, list[Any]] = json.loads(channels_json)
        for entry in channels.values():
            if has_value(entry) and entry[1]:
                entry[1] = copied[entry[1]] if isinstance(entry[1], str) else [copied[part] for part in entry[1]]
        yield Statement(
            _COPY_CHECKPOINT,
            {
                **target,
                "checkpoint_ns": namespace,
                "checkpoint_id": checkpoint_id,
                "channels": json.dumps(channels, separators=(",", ":")),
                "metadata_payload_id": copied[metadata_payload_id] if metadata_payload_id else None,
            },
        )
    yield Statement(_COPY_WRITES, target)
    yield from _repoint_writes(scope.organisation, scope.run_id, copied)


def _repoint_writes(organisation: str, thread_id: str, copied: Mapping[str, str]) -> Operation[None]:
    """Let a copied thread's writes point to the copied payloads."""
    thread: dict[str, object] = {"organisation": organisation, "thread_id": thread_id}
    where = "WHERE organisation = :organisation AND thread_id = :thread_id"
    for (old,) in (
        yield Statement(f"SELECT DISTINCT payload_id FROM checkpoint_writes {where} AND payload_id IS NOT NULL", thread)
    ):
        sql = f"UPDATE checkpoint_writes SET payload_id = :new {where} AND payload_id = :old"
        yield Statement(sql, {**thread, "old": old, "new": copied[old]})
    for (parts,) in (
        yield Statement(f"SELECT DISTINCT parts FROM checkpoint_writes {where} AND parts IS NOT NULL", thread)
    ):
        new = json.dumps([copied[part] for part in json.loads(parts)], separators=(",", ":"))
        sql = f"UPDATE checkpoint_writes SET parts = :new {where} AND parts = :old"
        yield Statement(sql, {**thread, "old": parts, "new": new})


def _copy_payloads(scope: PayloadScope, source: dict[str, object], at: str) -> Operation[dict[str, str]]:
    copied: dict[str, str] = {}
    stored = yield Statement(
        "SELECT payload_id, subject FROM payloads "
        "WHERE organisation = :organisation AND run_id = :thread_id AND holder = 'checkpoint'",
        source,
    )
    for payload_id, subject in stored:  # one at a time: a thread's payloads need not fit into memory
        contents = yield from read_payloads(scope.organisation, [payload_id])
        about = replace(scope, subject=subject)
        payload = about.payload(contents[payload_id])
        yield from insert_payloads(about, [payload], at)
        copied[payload_id] = payload.payload_id
    return copied


def delete_checkpoints(keys: Sequence[CheckpointKey]) -> Operation[None]:
    """Drop checkpoints and their writes; what they point to is left behind."""
    by_namespace: dict[CheckpointKey, list[str]] = {}
    for key in keys:
        by_namespace.setdefault(replace(key, checkpoint_id=""), []).append(key.checkpoint_id)
    for namespace, checkpoint_ids in by_namespace.items():
        for table in ("checkpoint_writes", "checkpoints"):
            sql = f"DELETE FROM {table} {_WHERE_NAMESPACE} AND checkpoint_id IN "
            yield from in_parts(sql, namespace.parameters(), checkpoint_ids)


def unreferenced(
    organisation: str, thread_id: str, without: Collection[CheckpointKey] = frozenset()
) -> Operation[list[str]]:
    """The payloads of a thread's checkpoints that none of them points to, or would point to without some of them."""
    scope: dict[str, object] = {"organisation": organisation, "thread_id": thread_id}
    gone = {(key.namespace, key.checkpoint_id) for key in without}
    where = "WHERE organisation = :organisation AND thread_id = :thread_id"
    held: set[str | None] = set()
    for row in (
        yield Statement(
            f"SELECT checkpoint_ns, checkpoint_id, channels, metadata_payload_id FROM checkpoints {where}", scope
        )
    ):
        if (row[0], row[1]) not in gone:
            held.update(referenced(json.loads(row[2])), [row[3]])
    for row in (
        yield Statement(f"SELECT checkpoint_ns, checkpoint_id, payload_id, parts FROM checkpoint_writes {where}", scope)
    ):
        if (row[0], row[1]) not in gone:
            held.update(referenced({"": [None, ids_of_write(row[2], row[3])]}))
    stored = yield Statement(
        "SELECT payload_id FROM payloads "
        "WHERE organisation = :organisation AND run_id = :thread_id AND holder = 'checkpoint'",
        scope,
    )
    return [row[0] for row in stored if row[0] not in held]


def _delete_unreferenced(organisation: str, thread_id: str) -> Operation[None]:
    yield from delete_payloads(organisation, (yield from unreferenced(organisation, thread_id)))


_WHERE_NAMESPACE = "WHERE organisation = :organisation AND thread_id = :thread_id AND checkpoint_ns = :checkpoint_ns"

_OF_THREAD = "FROM checkpoints WHERE organisation = :organisation AND thread_id = :thread_id"

_COPY_CHECKPOINT = """\
INSERT INTO checkpoints (organisation, thread_id, checkpoint_ns, checkpoint_id, person, parent_checkpoint_id, run_id,
  document, channels, metadata, metadata_payload_id, created_at)
SELECT organisation, :target_id, checkpoint_ns, checkpoint_id, :person, parent_checkpoint_id,
  CASE WHEN run_id = thread_id THEN :target_id ELSE run_id END,
  document, :channels, metadata, :metadata_payload_id, created_at FROM checkpoints
WHERE organisation = :organisation AND thread_id = :thread_id
  AND checkpoint_ns = :checkpoint_ns AND checkpoint_id = :checkpoint_id"""

_COPY_WRITES = """\
INSERT INTO checkpoint_writes (organisation, thread_id, checkpoint_ns, checkpoint_id, task_id, position, person,
  task_path, channel, payload_id, number, parts)
SELECT organisation, :target_id, checkpoint_ns, checkpoint_id, task_id, position, :person,
  task_path, channel, payload_id, number, parts FROM checkpoint_writes
WHERE organisation = :organisation AND thread_id = :thread_id"""
