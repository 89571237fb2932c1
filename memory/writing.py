"""Keeping the vector index in step with the record.

The record's own transaction notes which vectors it owes; here they are made, stored and ticked off. Whatever breaks in
between, the note is still there and the next round does it again, to the same effect.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence

from memory.embedder import Embedder
from memory.record_store import PendingVector, RecordStore
from memory.space_registry import SpaceRegistry
from memory.vector_index import VectorIndex

_BATCH = 256

_log = logging.getLogger(__name__)


class VectorWriter:
    """Brings the vectors of one embedder's space up to date."""

    def __init__(self, store: RecordStore, spaces: SpaceRegistry, index: VectorIndex, embedder: Embedder) -> None:
        self._store = store
        self._spaces = spaces
        self._index = index
        self._embedder = embedder

    def index_pending(self, organisation: str | None = None) -> int:
        """Make the vectors that are owed, and say how many were.

        Raises:
            VectorIndexUnavailable, EmbedderUnavailable: what was done by then is done, the rest still owed.
            SpaceMismatch: another space serves an organisation; none of its vectors was touched.
        """
        done, last = 0, 0
        while pending := self._store.pending(_BATCH, organisation, after=last):
            last = pending[-1].entry_id
            by_organisation: dict[str, list[PendingVector]] = defaultdict(list)
            for entry in pending:
                by_organisation[entry.organisation].append(entry)
            for name, entries in by_organisation.items():
                self._index_some(name, entries)
            self._store.settle(entry.entry_id for entry in pending)
            done += len(pending)
        return done

    def _index_some(self, organisation: str, entries: Sequence[PendingVector]) -> None:
        space = self._embedder.space
        self._spaces.serve(organisation, space)
        texts = {entry.version_id: entry.text for entry in entries if entry.text is not None}
        gone = {entry.version_id for entry in entries if entry.text is None}
        if texts:
            self._index.upsert(organisation, space, list(texts), self._embedder.embed(list(texts.values())))
        if gone:
            self._index.delete(organisation, space, sorted(gone))
        _log.debug("%d vectors stored and %d removed in space %s", len(texts), len(gone), space.name)
