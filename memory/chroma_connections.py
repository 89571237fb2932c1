"""The two ways to Chroma: its engine inside this process, and its server on loopback. Ids and vectors only.

Which of them may be used at a moment is decided in `chroma_folder`.
"""

# chromadb leaves many types open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import httpx
from typing_extensions import override

from memory.batches import in_batches
from memory.exceptions import CollectionRefused, VectorIndexUnavailable
from memory.spaces import Vectors

INDEX = "chroma"

# Chroma takes 5,461 vectors at once; fewer keep a request small.
_BATCH = 1000
_TIMEOUT_SECONDS = 60.0

_CONFIGURATION: dict[str, Any] = {"hnsw": {"space": "cosine", "ef_search": 200}}

Found = list[tuple[str, float]]


class ChromaConnection(Protocol):
    """Collections by name. Reading one that is not there finds nothing; writing makes it."""

    def upsert(self, name: str, ids: Sequence[str], vectors: Vectors) -> None:
        """Store vectors under ids, replacing those that are there."""
        ...

    def query(self, name: str, vector: Vectors, k: int) -> Found:
        """Ids and cosine distances, nearest first."""
        ...

    def delete(self, name: str, ids: Sequence[str]) -> None:
        """Remove ids, those that are there."""
        ...

    def count(self, name: str) -> int:
        """How many vectors a collection holds."""
        ...

    def ids(self, name: str) -> list[str]:
        """All that a collection holds."""
        ...

    def drop(self, name: str) -> None:
        """Throw a collection away, if it is there."""
        ...

    def close(self) -> None:
        """Let go of Chroma."""
        ...


def refuse_code(name: str, configuration: Mapping[str, Any]) -> None:
    """Refuse a collection whose stored configuration names an embedding function, or measures otherwise than we do.

    Chroma builds such a function when the collection is used, with what is stored as its arguments: whoever can write
    the folder could run code. Ours are made without one, which Chroma stores as "legacy".

    Raises:
        CollectionRefused: with what was found.
    """
    function = configuration.get("embedding_function") or {"type": "legacy"}
    if function.get("type") != "legacy":
        raise CollectionRefused(
            INDEX,
            f"collection {name!r} names an embedding function ({function.get('name')!r}); ours have none, so somebody "
            "else wrote it: remove the vector folder and build the index anew from the record",
        )
    measure = (configuration.get("hnsw") or {}).get("space")
    if measure != "cosine":
        raise CollectionRefused(INDEX, f"collection {name!r} measures by {measure!r}, not 'cosine'; build it anew")


class EmbeddedChroma(ChromaConnection):
    """Chroma's engine in this process. No second process may have the folder open meanwhile.

    Raises:
        VectorIndexUnavailable: the folder cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        # Imported here: it costs 0.7 s, which only who uses it should pay.
        import chromadb
        from chromadb.config import Settings
        from chromadb.errors import ChromaError, NotFoundError

        self._errors = (ChromaError, RuntimeError, ValueError, OSError)
        self._missing = NotFoundError
        # Without `_env_file` a `.env` in the working folder would choose the class that is loaded.
        chosen: dict[str, Any] = {"_env_file": None, "chroma_api_impl": "chromadb.api.rust.RustBindingsAPI"}
        settings = Settings(**chosen, anonymized_telemetry=False)
        with self._ours(f"cannot open {str(folder)!r}"):
            self._client: Any = chromadb.PersistentClient(str(folder), settings=settings)

    @override
    def upsert(self, name: str, ids: Sequence[str], vectors: Vectors) -> None:
        with self._ours(f"cannot write to {name!r}"):
            collection = self._collection(name)
            if collection is None:
                collection = self._client.create_collection(name, embedding_function=None, configuration=_CONFIGURATION)
            for start in range(0, len(ids), _BATCH):
                some = slice(start, start + _BATCH)
                collection.upsert(ids=list(ids[some]), embeddings=vectors[some])

    @override
    def query(self, name: str, vector: Vectors, k: int) -> Found:
        with self._ours(f"cannot search {name!r}"):
            collection = self._collection(name)
            if collection is None:
                return []
            found = collection.query(query_embeddings=vector.reshape(1, -1), n_results=k, include=["distances"])
            return _found(found)

    @override
    def delete(self, name: str, ids: Sequence[str]) -> None:
        with self._ours(f"cannot delete from {name!r}"):
            collection = self._collection(name)
            if collection is not None:
                for some in in_batches(ids, _BATCH):
                    collection.delete(ids=some)

    @override
    def count(self, name: str) -> int:
        with self._ours(f"cannot count {name!r}"):
            collection = self._collection(name)
            return 0 if collection is None else collection.count()

    @override
    def ids(self, name: str) -> list[str]:
        with self._ours(f"cannot list {name!r}"):
            collection = self._collection(name)
            return [] if collection is None else list(collection.get(include=[])["ids"])

    @override
    def drop(self, name: str) -> None:
        with self._ours(f"cannot drop {name!r}"):
            if self._collection(name) is not None:
                self._client.delete_collection(name)

    @override
    def close(self) -> None:
        self._client.close()

    def _collection(self, name: str) -> Any:
        try:
            collection = self._client.get_collection(name, embedding_function=None)
        except self._missing:
            return None
        refuse_code(name, collection.configuration_json)
        return collection

    @contextmanager
    def _ours(self, attempt: str) -> Generator[None]:
        """Chroma's errors as ours."""
        try:
            yield
        except self._errors as error:
            raise VectorIndexUnavailable(INDEX, f"{attempt}: {error}") from error


class ServedChroma(ChromaConnection):
    """Chroma's own server, by its HTTP interface. Chroma's Python client for it has no timeout and obeys proxy settings."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._http = httpx.Client(
            base_url=f"{address}/api/v2/tenants/default_tenant/databases/default_database/",
            timeout=_TIMEOUT_SECONDS,
            trust_env=False,
        )

    @override
    def upsert(self, name: str, ids: Sequence[str], vectors: Vectors) -> None:
        collection = self._collection(name)
        if collection is None:
            made = self._answer("POST", "collections", {"name": name, "configuration": _CONFIGURATION})
            collection = self._checked(name, made)
        for start in range(0, len(ids), _BATCH):
            some = slice(start, start + _BATCH)
            body = {"ids": list(ids[some]), "embeddings": vectors[some].tolist()}
            self._answer("POST", f"collections/{collection}/upsert", body)

    @override
    def query(self, name: str, vector: Vectors, k: int) -> Found:
        collection = self._collection(name)
        if collection is None:
            return []
        body = {"query_embeddings": [vector.tolist()], "n_results": k, "include": ["distances"]}
        return _found(self._answer("POST", f"collections/{collection}/query", body))

    @override
    def delete(self, name: str, ids: Sequence[str]) -> None:
        collection = self._collection(name)
        if collection is not None:
            for some in in_batches(ids, _BATCH):
                self._answer("POST", f"collections/{collection}/delete", {"ids": some})

    @override
    def count(self, name: str) -> int:
        collection = self._collection(name)
        return 0 if collection is None else int(self._answer("GET", f"collections/{collection}/count"))

    @override
    def ids(self, name: str) -> list[str]:
        collection = self._collection(name)
        if collection is None:
            return []
        return list(self._answer("POST", f"collections/{collection}/get", {"include": []})["ids"])

    @override
    def drop(self, name: str) -> None:
        if self._collection(name) is not None:
            self._answer("DELETE", f"collections/{name}")

    @override
    def close(self) -> None:
        self._http.close()

    def _collection(self, name: str) -> str | None:
        found = self._answer("GET", f"collections/{name}", or_missing=True)
        return None if found is None else self._checked(name, found)

    def _checked(self, name: str, found: Mapping[str, Any]) -> str:
        refuse_code(name, found["configuration_json"])
        return str(found["id"])

    def _answer(self, method: str, path: str, body: Any = None, *, or_missing: bool = False) -> Any:
        try:
            reply = self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise VectorIndexUnavailable(INDEX, f"the server at {self.address} does not answer: {error!r}") from error
        if or_missing and reply.status_code == HTTPStatus.NOT_FOUND:
            return None
        if reply.is_error:
            raise VectorIndexUnavailable(INDEX, f"the server refused {method} {path}: {reply.text[:300]}")
        return reply.json() if reply.content else None


def _found(answer: Mapping[str, Any]) -> Found:
    if not answer["ids"]:
        return []
    return list(zip(answer["ids"][0], answer["distances"][0], strict=True))
