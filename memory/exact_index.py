"""The reference vector index: all similarities, computed by numpy. Exact, and the fastest for small collections.

Vectors lie in a SQLite file of their own, which several processes may use; each keeps a matrix in memory and reads it
anew when the file changed.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from sqlalchemy import Column, Connection, Integer, LargeBinary, MetaData, Table, Text, delete, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import OperationalError
from typing_extensions import override

from memory.batches import in_batches
from memory.exceptions import VectorIndexUnavailable
from memory.spaces import EmbeddingSpace, Vectors, check_ids, collection_name
from memory.vector_index import VectorHit, VectorIndex
from ontology.databases import open_database, sqlite_url, writing

_PARAMETERS = 500

_METADATA = MetaData()
_vectors = Table(
    "vectors",
    _METADATA,
    Column("collection", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)
_changes = Table(
    "changes",
    _METADATA,
    Column("collection", Text, primary_key=True),
    Column("number", Integer, nullable=False),
)


@dataclass(frozen=True, slots=True)
class _Matrix:
    """A collection as it was after this many changes; rows have length 1."""

    changes: int
    ids: list[str]
    rows: Vectors


class ExactIndex(VectorIndex):
    """`VectorIndex` on the file `exact.db` of a folder.

    Not a record but derived from it, so its tables are made here and have no revisions: a file of another shape is
    thrown away and built anew.
    """

    def __init__(self, folder: Path) -> None:
        self._engine = open_database(sqlite_url(folder / "exact.db"))
        with writing(self._engine) as connection:
            _METADATA.create_all(connection)
        self._matrices: dict[str, _Matrix] = {}
        self._lock = Lock()

    @override
    def upsert(self, organisation: str, space: EmbeddingSpace, ids: Sequence[str], vectors: Vectors) -> None:
        checked = space.check(vectors, len(ids))
        check_ids(space, ids)
        if not ids:
            return
        name = collection_name(organisation, space)
        put = insert(_vectors)
        put = put.on_conflict_do_update(index_elements=["collection", "id"], set_={"vector": put.excluded.vector})
        rows = [{"collection": name, "id": key, "vector": row.tobytes()} for key, row in zip(ids, checked, strict=True)]
        with self._writing(name) as connection:
            connection.execute(put, rows)

    @override
    def query(self, organisation: str, space: EmbeddingSpace, vector: Vectors, k: int) -> list[VectorHit]:
        target = space.check(vector.reshape(1, -1), 1)[0]
        matrix = self._matrix(collection_name(organisation, space), space.dimensions)
        if not matrix.ids or k < 1:
            return []
        similarities = matrix.rows @ _unit(target)
        k = min(k, len(matrix.ids))
        nearest: list[int] = np.argpartition(-similarities, k - 1)[:k].tolist()
        hits = [VectorHit(matrix.ids[row], float(similarities[row])) for row in nearest]
        return sorted(hits, key=lambda hit: (-hit.similarity, hit.id))

    @override
    def delete(self, organisation: str, space: EmbeddingSpace, ids: Sequence[str]) -> None:
        name = collection_name(organisation, space)
        with self._writing(name) as connection:
            for some in in_batches(ids, _PARAMETERS):
                connection.execute(delete(_vectors).where(_vectors.c.collection == name, _vectors.c.id.in_(some)))

    @override
    def count(self, organisation: str, space: EmbeddingSpace) -> int:
        mine = _vectors.c.collection == collection_name(organisation, space)
        with self._engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(_vectors).where(mine)) or 0

    @override
    def ids(self, organisation: str, space: EmbeddingSpace) -> list[str]:
        mine = _vectors.c.collection == collection_name(organisation, space)
        with self._engine.connect() as connection:
            return list(connection.scalars(select(_vectors.c.id).where(mine)))

    @override
    def drop(self, organisation: str, space: EmbeddingSpace) -> None:
        name = collection_name(organisation, space)
        with self._writing(name) as connection:
            connection.execute(delete(_vectors).where(_vectors.c.collection == name))

    @override
    def close(self) -> None:
        self._matrices.clear()
        self._engine.dispose()

    @contextmanager
    def _writing(self, name: str) -> Generator[Connection]:
        """A transaction that changes a collection, and says so to those that hold its matrix."""
        count = insert(_changes).values(collection=name, number=1)
        count = count.on_conflict_do_update(index_elements=["collection"], set_={"number": _changes.c.number + 1})
        try:
            with writing(self._engine) as connection:
                yield connection
                connection.execute(count)
        except OperationalError as error:
            raise VectorIndexUnavailable("exact", str(error.orig)) from error

    def _matrix(self, name: str, dimensions: int) -> _Matrix:
        with self._lock, self._engine.begin() as connection:
            changes = connection.scalar(select(_changes.c.number).where(_changes.c.collection == name)) or 0
            held = self._matrices.get(name)
            if held is None or held.changes != changes:
                held = self._matrices[name] = _read(connection, name, changes, dimensions)
            return held


def _read(connection: Connection, name: str, changes: int, dimensions: int) -> _Matrix:
    stored = connection.execute(select(_vectors.c.id, _vectors.c.vector).where(_vectors.c.collection == name)).all()
    rows = np.empty((len(stored), dimensions), dtype=np.float32)
    for number, (_, vector) in enumerate(stored):
        rows[number] = _unit(np.frombuffer(vector, dtype=np.float32))
    return _Matrix(changes, [key for key, _ in stored], rows)


def _unit(vector: Vectors) -> Vectors:
    """The same direction with length 1; nothing stays nothing."""
    return vector / max(float(np.linalg.norm(vector)), float(np.finfo(np.float32).tiny))
