"""Finding records: by their words, by their meaning, and by both together.

Candidates come from the full text and from the vector index; the record settles which of them the reader may see. How
their scores are joined is left to `ranking`.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from memory.embedder import Embedder
from memory.exceptions import EmbedderUnavailable, QueryRefused, VectorIndexError
from memory.query_terms import query_terms
from memory.ranking import Fused, fuse
from memory.record_filters import AsOf, RecordFilter
from memory.record_store import RecordStore
from memory.records import Kind, MemoryRecord, Scope, Trust
from memory.space_registry import SpaceRegistry
from memory.vector_index import VectorIndex

MAX_QUERY_CHARACTERS = 100_000

# So many candidates of each kind are joined, at least; more do not change the first ten.
_CANDIDATES = 50
_CANDIDATES_PER_HIT = 4

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hit:
    """A record that was found.

    Args:
        score: 0 to 1, comparable within one search only.
        lexical, dense: the scaled scores it was joined from; None where a kind did not find it.
        why: in words, where it was asked for.
    """

    record: MemoryRecord
    score: float
    lexical: float | None
    dense: float | None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found, best first.

    Args:
        degraded: why it was answered by words alone; None when it was answered in full.
    """

    hits: tuple[Hit, ...]
    degraded: str | None = None


class Searcher:
    """Searches one store by the vectors of one embedder's space."""

    def __init__(
        self,
        store: RecordStore,
        spaces: SpaceRegistry,
        index: VectorIndex,
        embedder: Embedder,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._spaces = spaces
        self._index = index
        self._embedder = embedder
        self._clock = clock

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
        """The k best records for a question, of those that a reader in the scope may see.

        While the vector index is down the answer is by words alone, and says so.

        Raises:
            QueryRefused: an empty or broken query, or k below 1.
            SpaceMismatch: the organisation's vectors are of another embedder's space.
        """
        _check(query, k)
        wanted = RecordFilter(
            scope=scope,
            now=self._clock(),
            kinds=None if kinds is None else frozenset(kinds),
            as_of=as_of or AsOf(),
            trust_at_least=trust_at_least,
        )
        candidates = max(_CANDIDATES, k * _CANDIDATES_PER_HIT)
        terms = query_terms(query)
        lexical = {hit.version_id: hit.score for hit in self._store.lexical(terms, wanted, candidates)}
        dense, degraded = self._dense_or_nothing(query, wanted, candidates)
        best = fuse(lexical, dense)[:k]
        found = self._store.readable([candidate.id for candidate in best], wanted)
        hits = (_hit(found[candidate.id], candidate, explain) for candidate in best if candidate.id in found)
        return SearchResult(tuple(hits), degraded)

    def _dense_or_nothing(
        self, query: str, wanted: RecordFilter, candidates: int
    ) -> tuple[dict[str, float], str | None]:
        try:
            return self._dense(query, wanted, candidates), None
        except (VectorIndexError, EmbedderUnavailable) as error:
            _log.warning("search by words alone: %s", error)
            return {}, str(error)

    def _dense(self, query: str, wanted: RecordFilter, candidates: int) -> dict[str, float]:
        """Similarities of the nearest versions that the reader may see.

        The index knows neither scopes nor times, so what it finds is filtered by the record; while that leaves too few
        and there are more, it is asked for more.
        """
        organisation, space = wanted.scope.organisation, self._embedder.space
        if not self._spaces.check(organisation, space):
            return {}
        vector = self._embedder.embed_query(query)
        asked = candidates
        while True:
            hits = self._index.query(organisation, space, vector, asked)
            allowed = self._store.readable_ids([hit.id for hit in hits], wanted)
            if len(allowed) >= candidates or len(hits) < asked:
                return {hit.id: hit.similarity for hit in hits if hit.id in allowed}
            asked *= 4


def _check(query: str, k: int) -> None:
    if not query.strip():
        raise QueryRefused("query", query[:80], "there is nothing to look for")
    if len(query) > MAX_QUERY_CHARACTERS:
        raise QueryRefused("query", query[:80], f"{len(query):,} characters; ask with {MAX_QUERY_CHARACTERS:,} at most")
    if k < 1:
        raise QueryRefused("k", str(k), "ask for one record at least")
    try:
        query.encode()
    except UnicodeEncodeError as error:
        raise QueryRefused("query", ascii(query[:80]), "it holds a lone surrogate; decode it anew") from error


def _hit(record: MemoryRecord, candidate: Fused, explain: bool) -> Hit:
    why = None
    if explain:
        parts = [
            f"{name} {score:.2f}" if score is not None else f"{name} not found"
            for name, score in (("words", candidate.lexical), ("meaning", candidate.dense))
        ]
        why = f"score {candidate.score:.2f}, half of each: {', '.join(parts)}"
    return Hit(record, candidate.score, candidate.lexical, candidate.dense, why)
