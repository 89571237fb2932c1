"""Langgraph's checkpoints in `runs.db`: the one place of the storage that knows langgraph.

Values are turned into JSON before the call is handed to the writer, because the graph goes on changing its channels;
each call is then one transaction. The statements are those of `checkpoint_operations`.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# langgraph and langchain-core leave the values of state and configuration untyped.

import json
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from threading import Lock
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.types import ERROR, _DeltaSnapshot  # pyright: ignore[reportPrivateUsage]
from langgraph.types import Interrupt, Overwrite, Send, TimeoutPolicy

from harness.storage.checkpoint_operations import (
    Channels,
    CheckpointKey,
    Kept,
    ListedCheckpoint,
    NewCheckpoint,
    NewWrite,
    StoredCheckpoint,
    list_checkpoints,
    put_checkpoint,
    put_writes,
    read_checkpoint,
)
from harness.storage.checkpoint_serializer import CheckpointSerializer, TaggedType
from harness.storage.checkpoint_threads import copy_thread, delete_for_runs, delete_thread, prune_thread
from harness.storage.payloads import PayloadScope
from harness.storage.transactions import Operation, TransactionWriter
from harness.storage.value_parts import WHOLE_UP_TO, parts_of

GRAPH_TYPES = (
    TaggedType(
        "langgraph.send",
        Send,
        lambda send: {"node": send.node, "arg": send.arg, "timeout": send.timeout},
        lambda fields: Send(fields["node"], fields["arg"], timeout=fields["timeout"]),
    ),
    TaggedType(
        "langgraph.interrupt",
        Interrupt,
        lambda interrupt: {
            "value": interrupt.value,
            "id": interrupt.id,
            "response_schema": interrupt.response_schema,
        },
        lambda fields: Interrupt(fields["value"], fields["id"], response_schema=fields["response_schema"]),
    ),
    TaggedType("langgraph.overwrite", Overwrite, lambda value: value.value, Overwrite),
    TaggedType("langgraph.delta_snapshot", _DeltaSnapshot, lambda value: value.value, _DeltaSnapshot),
    TaggedType(
        "langgraph.timeout",
        TimeoutPolicy,
        lambda policy: {
            "run_timeout": policy.run_timeout,
            "idle_timeout": policy.idle_timeout,
            "refresh_on": policy.refresh_on,
        },
        lambda fields: TimeoutPolicy.coerce(TimeoutPolicy(**fields)),
    ),
)

# What langgraph keeps for itself in a checkpoint and its metadata: names, versions and counts, no values.
_DOCUMENT = ("v", "ts", "versions_seen", "updated_channels")
_encode = json.JSONEncoder(separators=(",", ":")).encode

_NULL = Kept(number="null")
_NUMBERS = (type(None), bool, int, float)
_OWN_METADATA = frozenset({"source", "step", "parents", "run_id", "counters_since_delta_snapshot"})
_RECENT = 256  # checkpoints; each costs about a kilobyte
_PAGE = 16  # checkpoints read in one transaction of a listing


class _RecentChannels:
    """The channels of the last checkpoints written here, so that the next one need not read its parent's.

    They stay true while nobody else drops checkpoints of a run that is being advanced; what is dropped here is
    forgotten here.
    """

    def __init__(self) -> None:
        self._by_key: dict[CheckpointKey, Channels] = {}
        self._lock = Lock()

    def get(self, key: CheckpointKey) -> Channels | None:
        return self._by_key.get(key)

    def put(self, key: CheckpointKey, channels: Channels | None) -> None:
        if channels is None:
            return
        with self._lock:
            self._by_key[key] = channels
            if len(self._by_key) > _RECENT:
                del self._by_key[next(iter(self._by_key))]

    def clear(self) -> None:
        with self._lock:
            self._by_key.clear()


class SqlCheckpointSaver(BaseCheckpointSaver[int]):
    """Keeps the checkpoints of one organisation.

    Args:
        person: on whose behalf; written beside everything, not a condition of reading.
        types: what state may hold beside plain JSON (`versioned_model`).
    """

    def __init__(
        self,
        writer: TransactionWriter,
        *,
        organisation: str,
        person: str,
        clock: Callable[[], datetime],
        types: Sequence[TaggedType] = (),
    ) -> None:
        self._serializer = CheckpointSerializer((*GRAPH_TYPES, *types))
        super().__init__(serde=self._serializer)
        self._writer = writer
        self._organisation = organisation
        self._person = person
        self._clock = clock
        self._recent = _RecentChannels()

    # Writing.

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint; returns the configuration that names it.

        Raises:
            StateRefused: a channel holds what checkpoints do not carry; nothing was stored.
        """
        key = _key(self._organisation, config, checkpoint["id"])
        channels = await self._writer.run(self._put(key, config, checkpoint, metadata, new_versions))
        if channels is None:
            whole = checkpoint["channel_versions"]
            channels = await self._writer.run(self._put(key, config, checkpoint, metadata, whole))
        self._recent.put(key, channels)
        return _config(key)

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """As `aput`."""
        key = _key(self._organisation, config, checkpoint["id"])
        channels = self._writer.run_blocking(self._put(key, config, checkpoint, metadata, new_versions))
        if channels is None:
            whole = checkpoint["channel_versions"]
            channels = self._writer.run_blocking(self._put(key, config, checkpoint, metadata, whole))
        self._recent.put(key, channels)
        return _config(key)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store what a task wrote.

        Raises:
            StateRefused: a write holds what checkpoints do not carry; nothing was stored.
        """
        await self._writer.run(self._put_writes(config, writes, task_id, task_path))

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """As `aput_writes`."""
        self._writer.run_blocking(self._put_writes(config, writes, task_id, task_path))

    # Reading.

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that is named, or the newest.

        Raises:
            NameUnknown: a value of it was erased.
            StateRefused: a value of it is not ours.
        """
        return self._tuple(await self._writer.run(self._read(config)))

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """As `aget_tuple`."""
        return self._tuple(self._writer.run_blocking(self._read(config)))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - the name is the base class's
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Checkpoints whose metadata equals the filter, newest first."""
        listed = await self._writer.run(self._list(config, before))
        for page in self._pages(listed, filter, limit):
            for found in await self._writer.run(page):
                if (each := self._tuple(found)) is not None:
                    yield each

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - the name is the base class's
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """As `alist`."""
        listed = self._writer.run_blocking(self._list(config, before))
        for page in self._pages(listed, filter, limit):
            for found in self._writer.run_blocking(page):
                if (each := self._tuple(found)) is not None:
                    yield each

    # Whole threads; for runs that nobody advances at that moment.

    async def adelete_thread(self, thread_id: str) -> None:
        """Drop a thread."""
        self._recent.clear()
        await self._writer.run(lambda: delete_thread(self._organisation, thread_id))

    def delete_thread(self, thread_id: str) -> None:
        """As `adelete_thread`."""
        self._recent.clear()
        self._writer.run_blocking(lambda: delete_thread(self._organisation, thread_id))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Drop what these runs stored."""
        self._recent.clear()
        await self._writer.run(lambda: delete_for_runs(self._organisation, run_ids))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """As `adelete_for_runs`."""
        self._recent.clear()
        self._writer.run_blocking(lambda: delete_for_runs(self._organisation, run_ids))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread to a new one."""
        await self._writer.run(self._copy(source_thread_id, target_thread_id))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """As `acopy_thread`."""
        self._writer.run_blocking(self._copy(source_thread_id, target_thread_id))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Drop all but the newest checkpoint of each namespace ("keep_latest"), or all ("delete")."""
        self._recent.clear()
        for thread_id in thread_ids:
            await self._writer.run(self._prune(thread_id, strategy))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """As `aprune`."""
        self._recent.clear()
        for thread_id in thread_ids:
            self._writer.run_blocking(self._prune(thread_id, strategy))

    def with_allowlist(
        self,
        extra_allowlist: Collection[tuple[str, ...]],  # noqa: ARG002 - ignored, as the docstring says
    ) -> "SqlCheckpointSaver":
        """Itself: the list of types is this class's own, and no configuration of langgraph's widens it."""
        return self

    # What the two faces share.

    def _put(
        self,
        key: CheckpointKey,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> Callable[[], Operation[Channels | None]]:
        scope = self._scope(key.thread_id)
        values = checkpoint["channel_values"]
        own, further = _split_metadata(get_checkpoint_metadata(config, metadata))
        document = {name: checkpoint.get(name) for name in _DOCUMENT}
        parent_id = get_checkpoint_id(config)
        new = NewCheckpoint(
            key=key,
            parent_id=parent_id,
            run_id=str(own.get("run_id", key.thread_id)),
            document=_encode(document),
            metadata=_encode(own),
            metadata_payload=scope.payload(self._serializer.dumps(further, where="metadata")) if further else None,
            versions=checkpoint["channel_versions"],
            changed={
                channel: self._keep(scope, values[channel], channel) if channel in values else None
                for channel in new_versions
            },
            unchanged=values.keys() - new_versions.keys(),
            inherited=self._recent.get(replace(key, checkpoint_id=parent_id)) if parent_id else None,
        )
        at = self._now()
        return lambda: put_checkpoint(scope, new, at)

    def _put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str
    ) -> Callable[[], Operation[None]]:
        key = _key(self._organisation, config, cast("str", get_checkpoint_id(config)))
        scope = self._scope(key.thread_id)
        by_position: dict[int, NewWrite] = {}
        for place, (channel, value) in enumerate(writes):
            position = WRITES_IDX_MAP.get(channel, place)
            # langgraph hands the exception itself over and expects its text back.
            kept = repr(value) if channel == ERROR and isinstance(value, BaseException) else value
            by_position[position] = NewWrite(position, channel, self._keep(scope, kept, channel))
        at, new = self._now(), list(by_position.values())
        return lambda: put_writes(scope, key, task_id, task_path, new, at)

    def _keep(self, scope: PayloadScope, value: object, where: str) -> Kept:
        if value is None:
            return _NULL
        text = self._serializer.dumps(value, where=where)
        if type(value) in _NUMBERS:
            return Kept(number=text)
        if len(text) > WHOLE_UP_TO:
            parts = parts_of(self._serializer.dumps_items(value, where=where), brackets=text[0] + text[-1])
            if len(parts) > 1:
                return Kept(parts=[scope.payload(part) for part in parts])
        return Kept(payload=scope.payload(text))

    def _read(self, config: RunnableConfig) -> Callable[[], Operation[StoredCheckpoint | None]]:
        key = _key(self._organisation, config, get_checkpoint_id(config) or "")
        return lambda: read_checkpoint(key.organisation, key.thread_id, key.namespace, key.checkpoint_id or None)

    def _list(
        self, config: RunnableConfig | None, before: RunnableConfig | None
    ) -> Callable[[], Operation[Sequence[ListedCheckpoint]]]:
        asked = config["configurable"] if config is not None and "configurable" in config else {}
        thread_id = asked.get("thread_id")
        return lambda: list_checkpoints(
            self._organisation,
            thread_id=None if thread_id is None else str(thread_id),
            namespace=asked.get("checkpoint_ns"),
            checkpoint_id=asked.get("checkpoint_id"),
            before_id=get_checkpoint_id(before) if before else None,
        )

    def _pages(
        self, listed: Sequence[ListedCheckpoint], wanted: Mapping[str, Any] | None, limit: int | None
    ) -> Iterator[Callable[[], Operation[Sequence[StoredCheckpoint | None]]]]:
        chosen = [found.key for found in listed if not wanted or self._matches(found, wanted)][:limit]
        for start in range(0, len(chosen), _PAGE):
            page = chosen[start : start + _PAGE]
            yield lambda page=page: _read_all(page)

    def _matches(self, found: ListedCheckpoint, wanted: Mapping[str, Any]) -> bool:
        metadata = self._metadata(found.metadata, found.further_metadata)
        return all(metadata.get(key) == value for key, value in wanted.items())

    def _copy(self, source_id: str, target_id: str) -> Callable[[], Operation[None]]:
        scope, at = self._scope(target_id), self._now()
        return lambda: copy_thread(scope, source_id, at)

    def _prune(self, thread_id: str, strategy: str) -> Callable[[], Operation[None]]:
        operations = {"keep_latest": prune_thread, "delete": delete_thread}
        if strategy not in operations:
            raise ValueError(f"strategy {strategy!r}: 'keep_latest' or 'delete'")
        return lambda: operations[strategy](self._organisation, thread_id)

    def _tuple(self, stored: StoredCheckpoint | None) -> CheckpointTuple | None:
        if stored is None:
            return None
        loads = self._serializer.loads
        checkpoint = {
            **json.loads(stored.document),
            "id": stored.key.checkpoint_id,
            "channel_versions": stored.versions,
            "channel_values": {channel: loads(value) for channel, value in stored.values.items()},
        }
        return CheckpointTuple(
            config=_config(stored.key),
            checkpoint=cast("Checkpoint", checkpoint),
            metadata=cast("CheckpointMetadata", self._metadata(stored.metadata, stored.further_metadata)),
            parent_config=_config(stored.key, stored.parent_id) if stored.parent_id else None,
            pending_writes=[(write.task_id, write.channel, loads(write.value)) for write in stored.writes],
        )

    def _metadata(self, own: str, further: str | None) -> dict[str, Any]:
        metadata: dict[str, Any] = json.loads(own)
        return {**metadata, **cast("dict[str, Any]", self._serializer.loads(further))} if further else metadata

    def _scope(self, thread_id: str) -> PayloadScope:
        return PayloadScope(self._organisation, self._person, thread_id, "checkpoint")

    def _now(self) -> str:
        return self._clock().isoformat(timespec="microseconds")


def _read_all(keys: Sequence[CheckpointKey]) -> Operation[Sequence[StoredCheckpoint | None]]:
    found: dict[CheckpointKey, StoredCheckpoint | None] = {}
    for key in keys:
        found[key] = yield from read_checkpoint(key.organisation, key.thread_id, key.namespace, key.checkpoint_id)
    return list(found.values())


def _split_metadata(metadata: CheckpointMetadata) -> tuple[dict[str, Any], dict[str, Any]]:
    """Identifiers and numbers, which stand beside the checkpoint, and what may be somebody's text."""
    own: dict[str, Any] = {}
    further: dict[str, Any] = {}
    for name, value in metadata.items():
        (own if name in _OWN_METADATA or type(value) in _NUMBERS else further)[name] = value
    return own, further


def _key(organisation: str, config: RunnableConfig, checkpoint_id: str) -> CheckpointKey:
    configurable = config.get("configurable", {})
    return CheckpointKey(
        organisation, str(configurable["thread_id"]), configurable.get("checkpoint_ns", ""), checkpoint_id
    )


def _config(key: CheckpointKey, checkpoint_id: str | None = None) -> RunnableConfig:
    return {
        "configurable": {
            "thread_id": key.thread_id,
            "checkpoint_ns": key.namespace,
            "checkpoint_id": checkpoint_id or key.checkpoint_id,
        }
    }
