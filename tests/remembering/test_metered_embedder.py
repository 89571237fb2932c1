"""The memory embeds through the metered call: charged as any other, and only by the model its vectors came from."""

import asyncio
import threading
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from harness.assembly import Harness
from harness.ledger.entries import CallContext
from harness.models.catalogue import Catalogue
from harness.parts import Ambient
from harness.remembering.metered_embedder import MeteredEmbedder, space_of_model
from harness.routing.bindings import BindingsFile
from harness.settings import Settings
from memory import Kind, MemoryStore, NewRecord, Provenance, Scope, Trust
from memory.chroma_index import ChromaIndex
from memory.exceptions import EmbedderUnavailable
from tests.vector_server import WIDTH, VectorServer, vector_of

PRICE = {"input_usd_per_million": 1, "output_usd_per_million": 0, "source": "here", "checked": "2026-11-24"}


def bindings_for(url, **wire_names):
    models = {
        name: {
            "endpoint": "here",
            "wire_name": wire,
            "context_tokens": 600,
            "capabilities": ["embeddings"],
            "price": PRICE,
        }
        for name, wire in wire_names.items()
    }
    bound = [{"role": "memory", "model": next(iter(wire_names))}]
    return BindingsFile.model_validate({"bindings": bound, "endpoints": {"here": {"base_url": url}}, "models": models})


class World:
    def __init__(self, harness, server):
        self.harness = harness
        self.server = server
        self._asked = 0

    async def bind(self, **wire_names):
        current = await self.harness.bindings.current(self.harness.organisation)
        self.bindings = bindings_for(self.server.base_url, **wire_names)
        await self.harness.bindings.add(
            self.harness.organisation,
            self.bindings,
            made_by="ada",
            reason="",
            replaces=current.version if current else None,
        )

    def embedder(self, name="small", *, dimensions=WIDTH, **more):
        return MeteredEmbedder(
            self.harness.embedding_call,
            name=name,
            model=self.bindings.catalogue(Catalogue()).model(name),
            dimensions=dimensions,
            context=self._context,
            loop=asyncio.get_running_loop(),
            **more,
        )

    def _context(self):
        self._asked += 1
        return CallContext(
            organisation=self.harness.organisation, person="ada", task_id="t", role="memory", path=f"m{self._asked}"
        )


@pytest.fixture
def world(tmp_path):
    def run(scenario):
        async def main():
            server = await VectorServer().start()
            settings = Settings(home=tmp_path / "home", person="ada")
            async with Harness(settings, None, ambient=Ambient(environment={})) as harness:
                there = World(harness, server)
                await there.bind(small="text-small")
                try:
                    return await scenario(there)
                finally:
                    await server.close()

        return asyncio.run(main())

    return run


def test_texts_are_embedded_in_a_thread_and_told_query_from_document(world):
    async def scenario(there):
        embedder = there.embedder()
        found = await asyncio.to_thread(embedder.embed, ["one", "two"])
        assert found.dtype == np.float32
        assert np.array_equal(found, np.asarray([vector_of("one"), vector_of("two")], dtype=np.float32))
        query = await asyncio.to_thread(embedder.embed_query, "one")
        assert np.array_equal(query, found[0])
        assert embedder.embed([]).shape == (0, WIDTH)
        assert "dimensions" not in there.server.requests[0]
        charged = there.harness.reports.costs(there.harness.organisation, "role")
        assert [(line.group, line.calls) for line in charged] == [("memory", 2)]

    world(scenario)


def test_a_memory_remembers_and_finds_by_its_vectors(world, tmp_path):
    async def scenario(there):
        harness = there.harness

        def worked():
            ids = iter(range(100))
            index = ChromaIndex(tmp_path / "vectors")
            memory = MemoryStore(
                harness.databases.memory, index, embedder, lambda: datetime.now(UTC), lambda: f"v{next(ids)}"
            )
            scope = Scope(organisation="acme")
            records = [
                NewRecord(
                    text=text,
                    kind=Kind.FACT,
                    author="ada",
                    scope=scope,
                    provenance=Provenance(source="test", principal="ada", place=text),
                    trust=Trust.STATED,
                )
                for text in ("the roof leaks", "invoices are paid on Fridays")
            ]
            memory.remember(records)
            found = memory.search("the roof leaks", scope)
            memory.close()
            return found

        embedder = there.embedder()
        found = await asyncio.to_thread(worked)
        assert found.degraded is None
        assert found.hits[0].record.text == "the roof leaks"
        assert sum(len(request["input"]) for request in there.server.requests) == 3

    world(scenario)


def test_while_another_model_fills_the_role_nothing_is_embedded_and_nothing_is_sent(world):
    async def scenario(there):
        embedder = there.embedder()
        for rebound in ({"large": "text-large"}, {"small": "text-large"}):
            await there.bind(**rebound)
            with pytest.raises(EmbedderUnavailable, match="'small' again"):
                await asyncio.to_thread(embedder.embed, ["one"])
        assert not there.server.requests

    world(scenario)


def test_a_role_that_is_bound_anew_in_the_middle_is_asked_as_it_was_looked_at(world):
    async def scenario(there):
        embedder = there.embedder()
        router = there.harness.embedding_call._router
        route = router.route

        async def route_and_rebind(context):
            decision = await route(context)
            await there.bind(large="text-large")
            return decision

        router.route = route_and_rebind
        await asyncio.to_thread(embedder.embed, ["one"])
        return [request["model"] for request in there.server.requests]

    assert world(scenario) == ["text-small"]


def test_vectors_of_another_model_are_refused(world):
    async def scenario(there):
        call = there.harness.embedding_call

        class Wrong:
            route = call.route

            def of_router(self, router):
                del router
                return self

            async def embed(self, request, context):
                return replace(await call.embed(request, context), model="large")

        embedder = there.embedder()
        embedder._call = Wrong()
        with pytest.raises(EmbedderUnavailable, match="'large' answered where 'small' was asked"):
            await asyncio.to_thread(embedder.embed, ["one"])

    world(scenario)


def test_what_goes_wrong_is_said_as_the_memory_s_own_error(world):
    async def scenario(there):
        await there.bind(small="context")
        with pytest.raises(EmbedderUnavailable, match="maximum context length"):
            await asyncio.to_thread(there.embedder().embed, ["one"])
        await there.bind(small="text-small")
        with pytest.raises(EmbedderUnavailable, match="in a thread"):
            there.embedder().embed(["one"])
        closed = asyncio.new_event_loop()
        closed.close()
        embedder = there.embedder()
        embedder._loop = closed
        with pytest.raises(EmbedderUnavailable, match="being closed"):
            await asyncio.to_thread(embedder.embed, ["one"])

    world(scenario)


def test_a_house_that_closes_leaves_nobody_waiting(tmp_path):
    raised = []

    async def main():
        asked = asyncio.Event()

        class Never:
            async def route(self, _):
                asked.set()
                await asyncio.Event().wait()

        model = bindings_for("http://127.0.0.1:1", small="w").models["small"]
        embedder = MeteredEmbedder(
            Never(),
            name="small",
            model=model,
            dimensions=2,
            context=lambda: CallContext(organisation="a", person="p", task_id="t", role="r", path="p"),
            loop=asyncio.get_running_loop(),
        )

        def wait():
            try:
                embedder.embed(["one"])
            except EmbedderUnavailable as error:
                raised.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        await asked.wait()
        return thread

    thread = asyncio.run(main())
    thread.join(10)
    assert not thread.is_alive()
    assert "being closed" in str(raised[0])


def test_a_space_is_told_by_the_names_of_its_model_and_its_width():
    models = bindings_for("http://127.0.0.1:1", small="a", large="b").models
    spaces = [
        space_of_model("small", models["small"], 4),
        space_of_model("small", models["small"], 5),
        space_of_model("small", models["large"], 4),
        space_of_model("large", models["small"], 4),
    ]
    assert len({space.digest for space in spaces}) == 4
