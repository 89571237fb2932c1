"""Embeddings: on this machine for nothing, or by a role through the metered call."""

import asyncio
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

import pytest
from langchain_core.vectorstores import InMemoryVectorStore

from harness.exceptions import BudgetExceeded
from harness.integrations.langchain import HarnessEmbeddings
from harness.integrations.langchain.houses import HOUSES
from memory.wordllama_embedder import WordLlamaEmbedder
from tests.integrations.langchain_house import PRICE, costs_of, set_cap

TEXTS = ["the cat sleeps", "stocks fell sharply", "a kitten naps"]


class Embedding(BaseHTTPRequestHandler):
    """Answers as OpenAI's embeddings do: a vector that tells the text's length."""

    asked: ClassVar[list] = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append(body)
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        data = [{"index": at, "object": "embedding", "embedding": [float(len(t)), 0.5]} for at, t in enumerate(texts)]
        usage = {"prompt_tokens": 5, "total_tokens": 5}
        answer = json.dumps({"object": "list", "data": data, "model": body["model"], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        """Nothing is written."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_PERSON", "ada")
    Embedding.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Embedding)
    thread = Thread(target=server.serve_forever)
    thread.start()
    model = {
        "endpoint": "there",
        "wire_name": "e",
        "context_tokens": 512,
        "capabilities": ["embeddings"],
        "price": PRICE,
    }
    bindings = {
        "bindings": [{"role": "embedder", "model": "e"}],
        "endpoints": {"there": {"base_url": f"http://127.0.0.1:{server.server_port}/v1"}},
        "models": {"e": model},
    }
    (tmp_path / "harness.yaml").write_text("bindings: bindings.yaml\n")
    (tmp_path / "bindings.yaml").write_text(json.dumps(bindings))
    yield tmp_path
    HOUSES.close_folder(tmp_path)
    server.shutdown()
    thread.join()
    server.server_close()


def test_this_machines_embedder_serves_a_vector_store():
    store = InMemoryVectorStore.from_texts(TEXTS, HarnessEmbeddings())
    assert {found.page_content for found in store.similarity_search("sleeping cat", k=2)} == {TEXTS[0], TEXTS[2]}


def test_its_vectors_are_those_of_the_memory():
    embedder = WordLlamaEmbedder()
    made = HarnessEmbeddings(embedder=embedder)
    assert made.embed_documents(TEXTS) == embedder.embed(TEXTS).tolist()
    assert asyncio.run(made.aembed_query("cat")) == embedder.embed_query("cat").tolist()
    assert made.embed_documents([]) == []


def test_a_role_is_metered_and_charged_to_a_task(folder):
    with HarnessEmbeddings(role="embedder", folder=folder, task_kind="indexing") as made:
        assert made.embed_documents(["a", "bcd"]) == [[1.0, 0.5], [3.0, 0.5]]
        assert made.embed_query("ab") == [2.0, 0.5]
        assert asyncio.run(made.aembed_documents(["abcd"])) == [[4.0, 0.5]]
        # The same text again is a question of its own.
        assert made.embed_query("ab") == [2.0, 0.5]
    assert len(Embedding.asked) == 4
    line = costs_of(folder)["indexing"]
    assert (line.calls, line.input_tokens) == (4, 20)


def test_a_cap_holds_for_it_and_nothing_is_sent(folder):
    set_cap(folder, 0)
    with pytest.raises(BudgetExceeded):
        HarnessEmbeddings(role="embedder", folder=folder).embed_query("ab")
    assert Embedding.asked == []


def test_a_role_and_an_embedder_at_once_are_refused():
    with pytest.raises(ValueError, match="one of them"):
        HarnessEmbeddings(role="embedder", embedder=WordLlamaEmbedder())
