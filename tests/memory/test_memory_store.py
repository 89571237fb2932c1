"""Remembering and finding again, with real parts: SQLite, the default embedder, the exact index."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from memory import AsOf, Kind, MemoryStore, Scope, Trust
from memory.exact_index import ExactIndex
from memory.exceptions import QueryRefused, RecordNotFound, SpaceMismatch, VectorIndexUnavailable
from memory.spaces import EmbeddingSpace
from memory.wordllama_embedder import WordLlamaEmbedder

ROOT = Path(__file__).parents[2]
ACME = Scope(organisation="acme")

FACTS = [
    "The cat sleeps on the warm windowsill all afternoon.",
    "Quarterly revenue rose by nine percent.",
    "The Apache licence asks to keep the NOTICE file.",
    "Grace prefers tea without sugar.",
    "The server restarts every night at three.",
]


class Unplugged(ExactIndex):
    """A vector index that answers only while it is plugged in."""

    plugged = True

    def upsert(self, *args):
        self._answer()
        super().upsert(*args)

    def query(self, *args):
        self._answer()
        return super().query(*args)

    def _answer(self):
        if not self.plugged:
            raise VectorIndexUnavailable("exact", "unplugged")


class OtherModel:
    """Another model of the same width."""

    space = EmbeddingSpace(name="another-256", model_digest="x", dimensions=256, pooling="mean")

    def embed(self, texts):
        return np.ones((len(texts), 256), np.float32)

    def embed_query(self, text):
        return self.embed([text])[0]


@pytest.fixture
def filled(store, make):
    store.remember([make(text, place=str(place)) for place, text in enumerate(FACTS)])
    return store


@pytest.fixture
def unplugged(sqlite_engine, tmp_path, embedder, clock, new_id):
    index = Unplugged(tmp_path / "other-vectors")
    yield MemoryStore(sqlite_engine, index, embedder, clock, new_id), index
    index.close()


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("What does the Apache license require?", 2),  # by its words
        ("where is the kitten napping", 0),  # by its meaning: not a word in common
        ("What beverage does Grace like?", 3),
    ],
)
def test_the_right_record_comes_first(filled, question, found):
    result = filled.search(question, ACME, k=3)
    assert result.hits[0].record.text == FACTS[found]
    assert result.degraded is None
    assert [hit.score for hit in result.hits] == sorted((hit.score for hit in result.hits), reverse=True)


def test_an_explanation_says_what_found_a_hit(filled):
    hit = filled.search("kitten napping", ACME, k=1, explain=True).hits[0]
    assert hit.lexical is None
    assert "words not found" in hit.why
    assert "meaning 1.00" in hit.why
    assert filled.search("kitten", ACME, k=1).hits[0].why is None


def test_what_was_remembered_is_read_by_its_id(filled, make):
    record_id = make(FACTS[1], place="1").record_id
    assert filled.record(record_id, ACME).text == FACTS[1]
    assert filled.count(ACME) == len(FACTS)
    with pytest.raises(RecordNotFound, match="bolt"):
        filled.record(record_id, Scope(organisation="bolt"))


def test_nothing_of_a_narrower_or_another_scope_is_found(store, make):
    secret = "The password of the safe is swordfish."
    owners = [
        Scope(organisation="acme", person="grace"),
        Scope(organisation="bolt"),
        Scope(organisation="acme", session="1"),
    ]
    store.remember([make(secret, scope=owner) for owner in owners])
    readers = [
        ACME,
        Scope(organisation="acme", person="ada"),
        Scope(organisation="other"),
        Scope(organisation="acme", team="t"),
    ]
    for reader in readers:
        assert store.search(secret, reader, k=100).hits == ()
        assert store.count(reader) == 0
    for owner in owners:
        assert [hit.record.scope for hit in store.search(secret, owner, k=100).hits] == [owner]


def test_a_small_scope_is_found_among_many_nearer_vectors_of_others(store, make):
    others = [
        make(
            "The cat sleeps on the windowsill.",
            place=str(number),
            scope=Scope(organisation="acme", person=f"p{number}"),
        )
        for number in range(400)
    ]
    ada = Scope(organisation="acme", person="ada")
    store.remember([*others, make("A kitten naps near the window.", scope=ada)])
    hits = store.search("cat sleeping windowsill", ada, k=5).hits
    assert [hit.record.scope for hit in hits] == [ada]
    assert hits[0].dense is not None


def test_a_correction_is_found_and_the_old_version_only_as_of_its_time(store, make, clock):
    store.remember([make("Ada lives in Rome.")])
    then = clock()
    store.remember([make("Ada lives in Paris.")])
    assert [hit.record.text for hit in store.search("Where does Ada live?", ACME).hits] == ["Ada lives in Paris."]
    past = store.search("Where does Ada live?", ACME, as_of=AsOf(recorded=then))
    assert [hit.record.text for hit in past.hits] == ["Ada lives in Rome."]
    assert past.hits[0].dense is not None


def test_kinds_and_a_floor_of_trust_narrow_a_search(store, make):
    store.remember(
        [
            make("The cat is black.", place="1", kind=Kind.MESSAGE, trust=Trust.DOCUMENT),
            make("The cat is white.", place="2", kind=Kind.FACT, trust=Trust.VERIFIED),
        ]
    )
    assert [h.record.text for h in store.search("cat", ACME, kinds=[Kind.MESSAGE]).hits] == ["The cat is black."]
    assert [h.record.text for h in store.search("cat", ACME, trust_at_least=Trust.TOOL).hits] == ["The cat is white."]


def test_with_the_vector_index_down_it_is_remembered_found_by_words_and_indexed_later(unplugged, make):
    store, index = unplugged
    store.remember([make("The cat sleeps.", place="0")])
    index.plugged = False
    remembered = store.remember([make("The dog barks.", place="1")])
    assert "unplugged" in remembered.degraded
    result = store.search("dog", ACME)
    assert [hit.record.text for hit in result.hits] == ["The dog barks."]
    assert "unplugged" in result.degraded

    index.plugged = True
    assert store.index_pending() == 1
    assert store.search("a puppy yelps", ACME, k=1).hits[0].record.text == "The dog barks."


def test_a_crash_between_record_and_vector_is_repaired_by_the_next_round(filled, make, exact_index, embedder):
    filled._store.write([make("Written as the lights went out.", place="9")])  # and the process died here
    again = MemoryStore(filled._store._engine, exact_index, embedder, filled._clock, filled._store._new_id)
    assert again.verify()[0].pending == 1
    assert again.index_pending() == 1
    assert again.index_pending() == 0
    assert again.verify()[0].pending == 0
    assert exact_index.count("acme", embedder.space) == len(FACTS) + 1


def test_a_crash_before_ticking_off_does_the_work_twice_to_the_same_effect(
    filled, make, exact_index, embedder, monkeypatch
):
    def die(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(filled._store, "settle", die)
    with pytest.raises(KeyboardInterrupt):
        filled.remember([make("Once more.", place="9")])
    monkeypatch.undo()
    assert filled.index_pending() == 1
    assert exact_index.count("acme", embedder.space) == len(FACTS) + 1
    assert filled.verify()[0].clean


def test_verify_finds_and_repairs_lost_and_orphaned_vectors(filled, exact_index, embedder):
    lost = filled._store.version_ids("acme")[:2]
    exact_index.delete("acme", embedder.space, lost)
    exact_index.upsert("acme", embedder.space, ["orphan"], embedder.embed(["orphan"]))
    (found,) = filled.verify()
    assert (found.missing, found.orphans, found.clean) == (tuple(lost), ("orphan",), False)
    (after,) = filled.verify(repair=True)
    assert after.clean
    assert after.pending == 0
    assert sorted(exact_index.ids("acme", embedder.space)) == sorted(filled._store.version_ids("acme"))


def test_the_whole_index_can_be_thrown_away_and_built_anew(filled, exact_index, embedder):
    before = [hit.record.version_id for hit in filled.search("kitten napping", ACME).hits]
    exact_index.drop("acme", embedder.space)
    filled.verify(repair=True)
    assert [hit.record.version_id for hit in filled.search("kitten napping", ACME).hits] == before


def test_another_model_of_the_same_width_is_refused_by_name(filled, sqlite_engine, exact_index, clock, new_id):
    with pytest.raises(SpaceMismatch, match=r"wordllama-l2-supercat-256.*another-256"):
        MemoryStore(sqlite_engine, exact_index, OtherModel(), clock, new_id)


def test_another_model_is_refused_also_when_it_was_open_before_the_first_write(
    sqlite_engine, exact_index, embedder, clock, new_id, make
):
    other = MemoryStore(sqlite_engine, exact_index, OtherModel(), clock, new_id)
    first = MemoryStore(sqlite_engine, exact_index, embedder, clock, new_id)
    first.remember([make()])
    with pytest.raises(SpaceMismatch):
        other.remember([make("second", place="2")])
    with pytest.raises(SpaceMismatch):
        other.search("second", ACME)
    assert exact_index.count("acme", OtherModel.space) == 0
    assert first.index_pending() == 1


def test_on_either_database_it_remembers_finds_and_refuses(engine, exact_index, embedder, clock, new_id, make):
    store = MemoryStore(engine, exact_index, embedder, clock, new_id)
    store.remember([make(text, place=str(place)) for place, text in enumerate(FACTS)])
    assert store.search("where is the kitten napping", ACME, k=1).hits[0].record.text == FACTS[0]
    assert store.search("revenue of the quarter", ACME, k=1).hits[0].record.text == FACTS[1]
    assert store.verify()[0].clean
    with pytest.raises(SpaceMismatch):
        MemoryStore(engine, exact_index, OtherModel(), clock, new_id)


@pytest.mark.parametrize("query", ["", "  ", "\ud800", "x" * 200_000])
def test_a_query_that_cannot_be_answered_is_refused(filled, query):
    with pytest.raises(QueryRefused, match="query"):
        filled.search(query, ACME)


@pytest.mark.parametrize("k", [0, -1])
def test_less_than_one_record_cannot_be_asked_for(filled, k):
    with pytest.raises(QueryRefused, match="k"):
        filled.search("cat", ACME, k=k)


@pytest.mark.parametrize(
    "query", ['"', "text:cat OR *", "NEAR(cat)", "a\x00b", "?!", "who are you", "' OR 1=1 --", "😀"]
)
def test_any_other_query_is_answered(filled, query):
    assert filled.search(query, ACME, k=1_000_000).degraded is None


def test_an_empty_memory_finds_nothing(store):
    result = store.search("cat", ACME)
    assert (result.hits, result.degraded) == ((), None)
    assert store.verify() == []


def test_a_scope_with_path_tricks_is_a_name_like_any_other(store, make, tmp_path):
    tricky = Scope(organisation="../../outside", person="a/../b")
    store.remember([make("kept inside", scope=tricky)])
    assert len(store.search("kept inside", tricky).hits) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"memory.db", "memory.db-wal", "memory.db-shm", "vectors"}


def test_a_new_version_of_the_same_text_by_another_run_is_no_new_version(filled, make):
    record = make(FACTS[0], place="0")
    again = replace(record, provenance=replace(record.provenance, run_id="run-9"))
    assert filled.remember([again]).written[0].outcome == "unchanged"


def test_importing_the_package_and_opening_a_store_loads_nothing_heavy():
    program = """
import sys, tempfile, pathlib
from datetime import UTC, datetime
import memory
from memory.chroma_index import ChromaIndex
from memory.wordllama_embedder import WordLlamaEmbedder
from ontology.databases import open_database, sqlite_url
index = ChromaIndex(pathlib.Path(tempfile.mkdtemp()) / "vectors")
heavy = {"chromadb", "chromadb_rust_bindings", "wordllama", "tokenizers", "safetensors", "langgraph"} & set(sys.modules)
assert not heavy, heavy
WordLlamaEmbedder().space
assert "tokenizers" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})


def test_the_public_face_is_what_it_says():
    import memory

    assert all(hasattr(memory, name) for name in memory.__all__)
    assert isinstance(WordLlamaEmbedder().space.digest, str)
