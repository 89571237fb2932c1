"""The memory as its users see it: remember, search, read. Joins the record with its indexes."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from memory.embedder import Embedder
from memory.exceptions import EmbedderUnavailable, VectorIndexError
from memory.record_filters import AsOf, RecordFilter
from memory.record_store import Written
from memory.records import Kind, MemoryRecord, NewRecord, Scope, Trust
from memory.search import Searcher, SearchResult
from memory.space_registry import SpaceRegistry
from memory.sql_record_store import SqlRecordStore
from memory.vector_index import VectorIndex
from memory.verify import Disagreement, Verifier
from memory.writing import VectorWriter

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Remembered:
    """What became of a batch.

    Args:
        written: for each record, in the batch's order.
        degraded: why its vectors are not made yet; None when they are. It can be found by its words all the same.
    """

    written: tuple[Written, ...]
    degraded: str | None = None


class MemoryStore:
    """The record of one database with one vector index and one embedder. Safe to call from several threads.

    Opening creates or upgrades the tables; the embedder and the index are loaded when first used.

    Args:
        engine: from `ontology.databases.open_database`; stays the caller's to dispose of.
        index, embedder: the index is closed with the store.
        clock: the time, aware UTC.
        new_id: a fresh identifier for a version.

    Raises:
        SpaceMismatch: stored vectors are of another embedder's space.
    """

    def __init__(
        self,
        engine: Engine,
        index: VectorIndex,
        embedder: Embedder,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._store = SqlRecordStore(engine, clock, new_id)
        self._clock = clock
        self._index = index
        spaces = SpaceRegistry(engine, clock)
        spaces.check_all(embedder.space)
        self._writer = VectorWriter(self._store, spaces, index, embedder)
        self._searcher = Searcher(self._store, spaces, index, embedder, clock)
        self._verifier = Verifier(self._store, spaces, index, embedder, self._writer)

    def remember(self, records: Sequence[NewRecord]) -> Remembered:
        """Write a batch in one transaction, then make its vectors.

        Writing the same again changes nothing; writing other content at the same place of the same source closes the
        version that was current and adds one. With the vector index down the records are written all the same.

        Raises:
            LineageUnknown: made from a record that is not there; nothing of the batch was written.
            WriteConflict: another writer was at the same record; nothing was written, try again.
            SpaceMismatch: another embedder's space came to serve; the records are written, their vectors are not.
        """
        written = self._store.write(records)
        degraded = None
        for organisation in dict.fromkeys(record.scope.organisation for record in records):
            try:
                self._writer.index_pending(organisation)
            except (VectorIndexError, EmbedderUnavailable) as error:
                _log.warning("remembered, but not indexed yet: %s", error)
                degraded = str(error)
        return Remembered(tuple(written), degraded)

    def index_pending(self, organisation: str | None = None) -> int:
        """Make the vectors that are owed, after a crash or when the index was down; says how many were."""
        return self._writer.index_pending(organisation)

    def search(
        self,
        query: str,
        scope: Scope,
        *,
        k: int = 10,
        kinds: Iterable[Kind] | None = None,
        as_of: AsOf | None = None,
        trust_at_least: Trust | None = None,
        explain: bool = False,
    ) -> SearchResult:
        """The k best records for a question, of those that a reader in the scope may see: `Searcher.search`."""
        return self._searcher.search(
            query, scope, k=k, kinds=kinds, as_of=as_of, trust_at_least=trust_at_least, explain=explain
        )

    def record(self, record_id: str, scope: Scope, *, as_of: AsOf | None = None) -> MemoryRecord:
        """One record as it stands, or stood.

        Raises:
            RecordNotFound: there is none that the scope may see.
        """
        return self._store.record(record_id, self._filter(scope, as_of))

    def versions(self, record_id: str, scope: Scope) -> list[MemoryRecord]:
        """Every version of a record, oldest first."""
        return self._store.versions(record_id, scope)

    def count(self, scope: Scope, *, as_of: AsOf | None = None) -> int:
        """How many records the scope may see."""
        return self._store.count(self._filter(scope, as_of))

    def verify(self, *, repair: bool = False) -> list[Disagreement]:
        """Whether the vectors agree with the record, an organisation each; with `repair`, how it is afterwards."""
        return self._verifier.repair() if repair else self._verifier.verify()

    def close(self) -> None:
        """Let go of the vector index."""
        self._index.close()

    def _filter(self, scope: Scope, as_of: AsOf | None) -> RecordFilter:
        return RecordFilter(scope=scope, now=self._clock(), as_of=as_of or AsOf())
