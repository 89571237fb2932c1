"""Parts that the memory's tests share: databases, indexes, a store, and a clock that is told the time."""

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from memory import Kind, MemoryStore, NewRecord, Provenance, Scope, Trust
from memory.chroma_index import ChromaIndex
from memory.exact_index import ExactIndex
from memory.vector_index import VectorIndex
from memory.wordllama_embedder import WordLlamaEmbedder
from ontology.databases import open_database, sqlite_url


class Clock:
    """Each look is a second later; `at` sets it."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def new_id() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"version-{next(numbers)}"


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        engine = open_database(sqlite_url(tmp_path / "memory.db"))
    else:
        engine = open_database(request.getfixturevalue("postgres_url"))
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(sqlite_url(tmp_path / "memory.db"))
    yield engine
    engine.dispose()


@pytest.fixture(params=[ExactIndex, ChromaIndex])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VectorIndex]:
    index: VectorIndex = request.param(tmp_path / "vectors")
    yield index
    index.close()


@pytest.fixture(scope="session")
def embedder() -> WordLlamaEmbedder:
    return WordLlamaEmbedder()


@pytest.fixture
def exact_index(tmp_path: Path) -> Iterator[ExactIndex]:
    index = ExactIndex(tmp_path / "vectors")
    yield index
    index.close()


@pytest.fixture
def store(
    sqlite_engine: Engine, exact_index: ExactIndex, embedder: WordLlamaEmbedder, clock: Clock, new_id: Callable[[], str]
) -> MemoryStore:
    return MemoryStore(sqlite_engine, exact_index, embedder, clock, new_id)


@pytest.fixture
def make() -> Callable[..., NewRecord]:
    """Builds a record of which only what a test is about needs saying."""

    def build(text: str = "Paris is the capital of France.", *, place: str = "1", source: str = "atlas", **rest):
        whole = {
            "scope": Scope(organisation="acme"),
            "kind": Kind.FACT,
            "author": "ada",
            "provenance": Provenance(source=source, principal="ada", place=place),
            "trust": Trust.STATED,
        }
        return NewRecord(text=text, **(whole | rest))

    return build
