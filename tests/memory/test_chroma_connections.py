"""What is not to be trusted in a Chroma folder, and that nothing leaves this machine."""

import chromadb
import numpy as np
import pytest
from chromadb.config import Settings
from chromadb.utils.embedding_functions import DefaultEmbeddingFunction

from memory.chroma_connections import refuse_code
from memory.chroma_index import ChromaIndex
from memory.chroma_server import DATA
from memory.exceptions import CollectionRefused
from memory.spaces import EmbeddingSpace, collection_name

SPACE = EmbeddingSpace(name="four", model_digest="a", dimensions=4, pooling="mean")


def test_a_collection_that_names_an_embedding_function_is_refused_and_nothing_of_it_runs(tmp_path, monkeypatch):
    (tmp_path / DATA).mkdir()
    client = chromadb.PersistentClient(str(tmp_path / DATA), settings=Settings(anonymized_telemetry=False))
    client.create_collection(
        collection_name("acme", SPACE),
        embedding_function=DefaultEmbeddingFunction(),
        configuration={"hnsw": {"space": "cosine"}},
    )
    client.close()
    ran = []
    monkeypatch.setattr(DefaultEmbeddingFunction, "build_from_config", lambda *_: ran.append("built"))
    monkeypatch.setattr(DefaultEmbeddingFunction, "__call__", lambda *_: ran.append("called"))
    index = ChromaIndex(tmp_path)
    row = np.ones((1, 4), np.float32)
    for use in (
        lambda: index.upsert("acme", SPACE, ["a"], row),
        lambda: index.query("acme", SPACE, row[0], 1),
        lambda: index.count("acme", SPACE),
        lambda: index.ids("acme", SPACE),
    ):
        with pytest.raises(CollectionRefused, match="'default'"):
            use()
    assert ran == []
    index.close()


def test_a_collection_that_measures_otherwise_is_refused():
    refuse_code("ours", {"hnsw": {"space": "cosine"}, "embedding_function": {"type": "legacy"}})
    with pytest.raises(CollectionRefused, match="l2"):
        refuse_code("other", {"hnsw": {"space": "l2"}, "embedding_function": None})


def test_a_dotenv_file_does_not_choose_what_is_loaded(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("CHROMA_API_IMPL=chromadb.api.segment.SegmentAPI\nANONYMIZED_TELEMETRY=true\n")
    monkeypatch.chdir(tmp_path)
    index = ChromaIndex(tmp_path / "vectors")
    index.upsert("acme", SPACE, ["a"], np.ones((1, 4), np.float32))
    settings = index._folder._embedded[0]._client.get_settings()
    assert settings.chroma_api_impl == "chromadb.api.rust.RustBindingsAPI"
    assert settings.anonymized_telemetry is False
    index.close()


def test_chroma_gets_neither_text_nor_metadata(tmp_path):
    index = ChromaIndex(tmp_path)
    index.upsert("acme", SPACE, ["a"], np.ones((1, 4), np.float32))
    collection = index._folder._embedded[0]._client.get_collection(
        collection_name("acme", SPACE), embedding_function=None
    )
    stored = collection.get(include=["documents", "metadatas"])
    assert stored["documents"] == [None]
    assert stored["metadatas"] == [None]
    index.close()
