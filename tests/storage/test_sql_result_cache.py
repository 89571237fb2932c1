"""A cached result is given until it is too old, within its organisation, for as long as its run is kept."""

import asyncio

import pytest

from harness.engines.run_store import PruneDepth, RunStatus
from harness.storage.sql_result_cache import SqlResultCache
from harness.workflow.nodes.result_cache import CachedResult
from tests.storage.run_samples import Clock, a_held_run, a_store, count


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cache(writer, clock):
    return SqlResultCache(writer, organisation="acme", person="ada", clock=clock)


def test_a_result_is_found_until_it_is_too_old(cache, clock):
    async def drive():
        assert await cache.find("d") is None
        await cache.keep("d", {"answer": ["é", None]}, run_id="run-1", seconds=60)
        clock.advance(59)
        assert await cache.find("d") == CachedResult({"answer": ["é", None]}, "run-1")
        clock.advance(1)
        assert await cache.find("d") is None

    asyncio.run(drive())


def test_a_newer_result_takes_the_place_and_the_older_text_goes(cache, engine):
    async def drive():
        await cache.keep("d", "old", run_id="run-1", seconds=60)
        await cache.keep("same text", "old", run_id="run-1", seconds=60)
        await cache.keep("d", "new", run_id="run-2", seconds=60)
        assert await cache.find("d") == CachedResult("new", "run-2")
        assert await cache.find("same text") == CachedResult("old", "run-1")
        await cache.keep("same text", "new", run_id="run-2", seconds=60)
        await cache.keep("d", "new", run_id="run-2", seconds=60)
        assert await cache.find("d") == await cache.find("same text") == CachedResult("new", "run-2")

    asyncio.run(drive())
    assert count(engine, "payloads") == 1


def test_another_organisation_finds_nothing_and_keeps_its_own(cache, writer, clock):
    async def drive():
        await cache.keep("d", "ours", run_id="run-1", seconds=60)
        other = SqlResultCache(writer, organisation="other", person="ada", clock=clock)
        assert await other.find("d") is None
        await other.keep("d", "theirs", run_id="run-1", seconds=60)
        assert (await cache.find("d")).result == "ours"

    asyncio.run(drive())


def test_a_result_goes_with_the_run_that_made_it(cache, writer, clock):
    async def drive():
        store = a_store(writer, clock)
        run_id = await a_held_run(store)
        await cache.keep("d", "made", run_id=run_id, seconds=10_000)
        await store.release(run_id, owner="one", status=RunStatus.COMPLETED)
        clock.advance(60)
        await store.prune(before=clock.now, depth=PruneDepth.CHECKPOINTS)
        assert (await cache.find("d")).result == "made"
        await store.prune(before=clock.now, depth=PruneDepth.ALL)
        assert await cache.find("d") is None

    asyncio.run(drive())
