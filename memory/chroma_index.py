"""The vector index on Chroma: embedded while one process uses the folder, its server when there are more."""

from collections.abc import Sequence
from pathlib import Path

from typing_extensions import override

from memory.chroma_folder import ChromaFolder
from memory.spaces import EmbeddingSpace, Vectors, check_ids, collection_name
from memory.vector_index import VectorHit, VectorIndex

_MANY = 1000


class ChromaIndex(VectorIndex):
    """`VectorIndex` on a folder. Making one costs nothing; the first operation loads Chroma.

    Chroma is given ids and vectors, no text, no metadata and no embedding function.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = ChromaFolder(folder)

    @property
    def served(self) -> bool:
        """Whether the last operation went through a server that several processes share."""
        return self._folder.served

    @override
    def upsert(self, organisation: str, space: EmbeddingSpace, ids: Sequence[str], vectors: Vectors) -> None:
        checked = space.check(vectors, len(ids))
        check_ids(space, ids)
        if ids:
            with self._folder.connection() as chroma:
                chroma.upsert(collection_name(organisation, space), ids, checked)

    @override
    def query(self, organisation: str, space: EmbeddingSpace, vector: Vectors, k: int) -> list[VectorHit]:
        target = space.check(vector.reshape(1, -1), 1)[0]
        if k < 1:
            return []
        name = collection_name(organisation, space)
        with self._folder.connection() as chroma:
            if k > _MANY:
                k = min(k, max(1, chroma.count(name)))  # Chroma makes room for all that it is asked for
            found = chroma.query(name, target, k)
        return [VectorHit(key, 1.0 - distance) for key, distance in found]

    @override
    def delete(self, organisation: str, space: EmbeddingSpace, ids: Sequence[str]) -> None:
        with self._folder.connection() as chroma:
            chroma.delete(collection_name(organisation, space), ids)

    @override
    def count(self, organisation: str, space: EmbeddingSpace) -> int:
        with self._folder.connection() as chroma:
            return chroma.count(collection_name(organisation, space))

    @override
    def ids(self, organisation: str, space: EmbeddingSpace) -> list[str]:
        with self._folder.connection() as chroma:
            return chroma.ids(collection_name(organisation, space))

    @override
    def drop(self, organisation: str, space: EmbeddingSpace) -> None:
        with self._folder.connection() as chroma:
            chroma.drop(collection_name(organisation, space))

    @override
    def close(self) -> None:
        self._folder.close()
