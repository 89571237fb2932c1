"""Whole threads of checkpoints: dropping, pruning, copying.

They are for runs that nobody advances: the caller holds the run's lease, so that no write refers at the same moment
to what is dropped.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.storage.checkpoint_operations import WHERE_KEY, CheckpointKey, has_value, referenced
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
    yield from _delete_checkpoints(organisation, [CheckpointKey(organisation, *row) for row in rows])


def prune_thread(organisation: str, thread_id: str) -> Operation[None]:
    """Keep the newest checkpoint of each namespace, and the ancestors its delta channels are rebuilt from."""
    rows = yield Statement(
        "SELECT checkpoint_ns, checkpoint_id, parent_checkpoint_id, channels, metadata FROM checkpoints "
        "WHERE organisation = :organisation AND thread_id = :thread_id ORDER BY checkpoint_ns, checkpoint_id DESC",
        {"organisation": organisation, "thread_id": thread_id},
    )
    by_namespace: dict[str, dict[str, _Ancestor]] = {}
    for namespace, checkpoint_id, parent_id, channels, metadata in rows:
        ancestor = _Ancestor(parent_id, json.loads(channels), json.loads(metadata))
        by_namespace.setdefault(namespace, {})[checkpoint_id] = ancestor
    dropped = [
        CheckpointKey(organisation, thread_id, namespace, checkpoint_id)
        for namespace, checkpoints in by_namespace.items()
        for checkpoint_id in checkpoints.keys() - _needed(checkpoints)
    ]
    yield from _delete_checkpoints(organisation, dropped)


@dataclass(frozen=True, slots=True)
class _Ancestor:
    parent_id: str | None
    channels: Mapping[str, list[Any]]
    metadata: Mapping[str, Any]


def _needed(newest_first: Mapping[str, _Ancestor]) -> set[str]:
    """The newest, and back to where each of its delta channels was last stored whole."""
    checkpoint_id, current = next(iter(newest_first.items()))
    counters: Mapping[str, Any] = current.metadata.get("counters_since_delta_snapshot") or {}
    missing = {channel for channel in counters if not has_value(current.channels.get(channel, ()))}
    needed = {checkpoint_id}
    while missing and current.parent_id is not None and current.parent_id in newest_first:
        needed.add(current.parent_id)
        current = newest_first[current.parent_id]
        missing = {channel for channel in missing if not has_value(current.channels.get(channel, ()))}
    return needed


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
                entry[1] = copied[entry[1]]
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
    for old, new in copied.items():
        yield Statement(
            "UPDATE checkpoint_writes SET payload_id = :new "
            "WHERE organisation = :organisation AND thread_id = :target_id AND payload_id = :old",
            {"organisation": scope.organisation, "target_id": scope.run_id, "old": old, "new": new},
        )


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


def _delete_checkpoints(organisation: str, keys: Sequence[CheckpointKey]) -> Operation[None]:
    for key in keys:
        yield Statement(f"DELETE FROM checkpoint_writes {WHERE_KEY}", key.parameters())
        yield Statement(f"DELETE FROM checkpoints {WHERE_KEY}", key.parameters())
    for thread_id in sorted({key.thread_id for key in keys}):
        yield from _delete_unreferenced(organisation, thread_id)


def _delete_unreferenced(organisation: str, thread_id: str) -> Operation[None]:
    scope: dict[str, object] = {"organisation": organisation, "thread_id": thread_id}
    where = "WHERE organisation = :organisation AND thread_id = :thread_id"
    held: set[str | None] = set()
    for channels, metadata_payload_id in (
        yield Statement(f"SELECT channels, metadata_payload_id FROM checkpoints {where}", scope)
    ):
        held.update(referenced(json.loads(channels)), [metadata_payload_id])
    held.update(row[0] for row in (yield Statement(f"SELECT payload_id FROM checkpoint_writes {where}", scope)))
    stored = yield Statement(
        "SELECT payload_id FROM payloads "
        "WHERE organisation = :organisation AND run_id = :thread_id AND holder = 'checkpoint'",
        scope,
    )
    yield from delete_payloads(organisation, [row[0] for row in stored if row[0] not in held])


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
  task_path, channel, payload_id, number)
SELECT organisation, :target_id, checkpoint_ns, checkpoint_id, task_id, position, :person,
  task_path, channel, payload_id, number FROM checkpoint_writes
WHERE organisation = :organisation AND thread_id = :thread_id"""
