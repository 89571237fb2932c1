"""The port to vector indexes: ids and vectors, nothing else.

An index is derived from the record and can be thrown away. It knows no text, no person and no facts; who may see what
it finds is settled by the record afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from memory.spaces import EmbeddingSpace, Vectors


@dataclass(frozen=True, slots=True)
class VectorHit:
    """A vector near the one asked for; `similarity` is the cosine, 1 for the same direction."""

    id: str
    similarity: float


class VectorIndex(Protocol):
    """Vectors by id, one collection for each organisation and space.

    What `upsert` returned from is found by every process from then on, and survives the death of any. Safe to use from
    several threads and processes at once. All methods raise `VectorIndexUnavailable` when the index does not answer
    and `CollectionRefused` when what is stored is not ours.
    """

    def upsert(self, organisation: str, space: EmbeddingSpace, ids: Sequence[str], vectors: Vectors) -> None:
        """Store vectors under ids, replacing those that are there.

        Raises:
            VectorsRefused: the vectors do not belong into the space, or an id stands twice; none was stored.
        """
        ...

    def query(self, organisation: str, space: EmbeddingSpace, vector: Vectors, k: int) -> list[VectorHit]:
        """The k nearest, best first, fewer when there are fewer. An index may be approximate."""
        ...

    def delete(self, organisation: str, space: EmbeddingSpace, ids: Sequence[str]) -> None:
        """Remove ids; those that are not there are passed over."""
        ...

    def count(self, organisation: str, space: EmbeddingSpace) -> int:
        """How many are stored."""
        ...

    def ids(self, organisation: str, space: EmbeddingSpace) -> list[str]:
        """All that are stored, in no order."""
        ...

    def drop(self, organisation: str, space: EmbeddingSpace) -> None:
        """Throw a collection away, if it is there."""
        ...

    def close(self) -> None:
        """Let go of files and servers; using the index afterwards is an error."""
        ...
