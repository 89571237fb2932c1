"""Versions of the bindings: the newest rules, none is ever changed, no change is lost."""

import asyncio
import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest

from harness.assembly import Harness
from harness.exceptions import BindingsChanged
from harness.models.catalogue import Capability, Endpoint, Model
from harness.models.prices import PriceOverride
from harness.routing.bindings import Binding, BindingsFile
from harness.settings import Settings
from harness.storage.driver_sessions import DriverSession
from harness.storage.sql_binding_store import SqlBindingStore
from harness.storage.transactions import TransactionWriter, run_operation
from ontology.databases import open_database

NOW = datetime(2026, 11, 28, 9, 30, tzinfo=UTC)
THREADS = 4


def bound(model, role="writer"):
    return BindingsFile(bindings=(Binding(role=role, model=model),))


@pytest.fixture
def store(writer, clock):
    return SqlBindingStore(writer, clock=clock)


def add(store, bindings, *, replaces=None, organisation="acme", reason="because"):
    return asyncio.run(store.add(organisation, bindings, made_by="ada", reason=reason, replaces=replaces))


def current(store, organisation="acme"):
    return asyncio.run(store.current(organisation))


def test_there_is_no_version_before_the_first(store):
    assert current(store) is None
    assert asyncio.run(store.version("acme", 1)) is None
    assert asyncio.run(store.history("acme")) == ()


def test_a_version_comes_back_as_it_was_made(store):
    bindings = BindingsFile(
        bindings=(
            Binding(role="writer", model="mine", fallback=("small", "big")),
            Binding(role="writer", model="small", workflow="audit", node="classify"),
        ),
        endpoints={"here": Endpoint(base_url="http://localhost:8080/v1", quirks={"strict_schema": False})},
        models={
            "mine": Model(
                endpoint="here",
                wire_name="org/mine:7b",
                context_tokens=4096,
                capabilities=frozenset({Capability.TOOLS, Capability.STREAMING}),
                price=PriceOverride(
                    input_usd_per_million="0.123456789012",
                    output_usd_per_million=2,
                    source="é ✓",
                    checked="2026-11-24",
                ),
            )
        },
    )
    made = add(store, bindings)
    assert (made.version, made.organisation, made.made_by, made.made_at) == (1, "acme", "ada", NOW)
    assert current(store) == made
    assert asyncio.run(store.version("acme", 1)) == made
    assert current(store).bindings == bindings


def test_the_newest_rules_and_the_older_stay(store):
    versions = [add(store, bound("a"))]
    for model in ("b", "c"):
        versions.append(add(store, bound(model), replaces=versions[-1].version))
    assert current(store) == versions[-1]
    assert asyncio.run(store.history("acme")) == tuple(reversed(versions))
    assert asyncio.run(store.history("acme", limit=2)) == (versions[2], versions[1])
    assert asyncio.run(store.version("acme", versions[0].version)) == versions[0]


def test_a_change_of_another_process_is_seen_at_the_next_reading(store, runs_url, clock):
    first = add(store, bound("a"))
    assert current(store) == first
    engine = open_database(runs_url)
    other = TransactionWriter(engine, name="runs")
    second = add(SqlBindingStore(other, clock=clock), bound("b"), replaces=first.version)
    assert current(store) == second
    other.close()
    engine.dispose()


def test_a_change_of_what_was_changed_meanwhile_is_refused_and_writes_nothing(store):
    first = add(store, bound("a"))
    second = add(store, bound("b"), replaces=first.version)
    with pytest.raises(BindingsChanged) as refused:
        add(store, bound("c"), replaces=first.version)
    assert (refused.value.expected, refused.value.current) == (first.version, second.version)
    assert refused.value.retryable
    assert current(store) == second
    for wrong in (None, 99):
        with pytest.raises(BindingsChanged):
            add(store, bound("c"), replaces=wrong)


def test_organisations_have_their_own_bindings(store):
    mine = add(store, bound("a"))
    theirs = add(store, bound("b"), organisation="other")
    assert mine.version != theirs.version
    assert current(store) == mine
    assert current(store, "other") == theirs
    assert asyncio.run(store.version("acme", theirs.version)) is None
    assert asyncio.run(store.history("other")) == (theirs,)
    assert add(store, bound("c"), replaces=mine.version).version > theirs.version


def test_two_who_change_the_same_version_at_once_do_not_both_succeed(store, runs_url, clock):
    """Between the first's reading and its writing the second comes and goes, at every place it can."""
    from harness.storage import sql_binding_store

    first = add(store, bound("a"))
    engine = open_database(runs_url)
    other_store = SqlBindingStore(TransactionWriter(engine, name="runs"), clock=clock)

    def slow(organisation):
        operation = sql_binding_store._add(
            organisation, bound("c").model_dump_json(), "grace", NOW, "slow", first.version
        )
        reading = next(operation)
        session = DriverSession(engine)
        rows = session.execute(reading)
        add(other_store, bound("b"), replaces=first.version)

        def rest():
            statement = operation.send(rows)
            while True:
                statement = operation.send((yield statement))

        with pytest.raises(BindingsChanged):
            run_operation(session, rest())
        session.close()

    slow("acme")
    assert current(store).bindings == bound("b")
    other_store._writer.close()
    engine.dispose()


def test_a_rollback_is_a_new_version_with_the_old_content(store):
    one = add(store, bound("a"))
    two = add(store, bound("b"), replaces=one.version)
    old = asyncio.run(store.version("acme", one.version))
    back = add(store, old.bindings, replaces=two.version)
    assert back.version > two.version
    assert [each.bindings for each in asyncio.run(store.history("acme"))] == [bound("a"), bound("b"), bound("a")]


def test_a_refused_change_is_the_same_error_in_another_process():
    error = pickle.loads(pickle.dumps(BindingsChanged(3, 5)))
    assert (str(error), error.expected, error.current) == (str(BindingsChanged(3, 5)), 3, 5)


def at_once(url, clock, attempt):
    """What `attempt(store, place)` returns in several threads that begin together, each with its own connections."""
    together = Barrier(THREADS, timeout=60)

    def work(place):
        engine = open_database(url)
        writer = TransactionWriter(engine, name="runs")
        try:
            store = SqlBindingStore(writer, clock=clock)
            current(store)
            together.wait()
            return attempt(store, place)
        finally:
            writer.close()
            engine.dispose()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, range(THREADS)))


def test_of_several_changes_at_once_one_wins_and_the_others_hear_of_it(store, runs_url, clock):
    replaces = None
    for turn in range(5):  # the first turn makes the first version

        def change(store, place, *, turn=turn, replaces=replaces):
            try:
                return add(store, bound(f"m{turn}-{place}"), replaces=replaces)
            except BindingsChanged as error:
                return error

        answers = at_once(runs_url, clock, change)
        refused = [answer for answer in answers if isinstance(answer, BindingsChanged)]
        (won,) = [answer for answer in answers if not isinstance(answer, BindingsChanged)]
        assert current(store) == won
        assert {(each.expected, each.current) for each in refused} == {(replaces or 0, won.version)}
        assert len(asyncio.run(store.history("acme"))) == turn + 1
        replaces = won.version


def test_changes_of_several_organisations_at_once_all_come_true(store, runs_url, clock):
    def change(store, place):
        first = add(store, bound("a"), organisation=f"org-{place}")
        return add(store, bound(f"b{place}"), replaces=first.version, organisation=f"org-{place}")

    made = at_once(runs_url, clock, change)
    assert len({each.version for each in made}) == THREADS
    for place, each in enumerate(made):
        assert current(store, f"org-{place}") == each
        assert len(asyncio.run(store.history(f"org-{place}"))) == 2


class _ReadTooEarly:
    """The store as a process sees it whose first look was before another process's change."""

    def __init__(self, store):
        self._store = store
        self._looked = False

    async def current(self, organisation):
        found = await self._store.current(organisation) if self._looked else None
        self._looked = True
        return found

    def __getattr__(self, name):
        return getattr(self._store, name)


def test_a_seed_that_comes_late_does_not_undo_what_was_bound(tmp_path):
    settings = Settings(home=tmp_path / "home", person="ada")

    async def main():
        async with Harness(settings, None) as one, Harness(settings, None) as other:
            chosen = await one.bindings.add(one.organisation, bound("a"), made_by="grace", reason="", replaces=None)
            other.bindings = _ReadTooEarly(other.bindings)
            assert await other.binding_version() == chosen
            assert await one.bindings.history(one.organisation) == (chosen,)

    asyncio.run(main())


def test_processes_that_seed_one_home_at_once_get_the_same_version(tmp_path):
    settings = Settings(home=tmp_path / "home", person="ada")
    together = Barrier(THREADS, timeout=60)

    async def seed():
        async with Harness(settings, None) as harness:
            assert harness.bindings  # opened, so that only the seeding is left to do
            together.wait()
            version = await harness.binding_version()
            return version, await harness.bindings.history(harness.organisation)

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(lambda _: asyncio.run(seed()), range(THREADS)))
    for version, history in answers:
        assert history == (version,)
        assert version.version == answers[0][0].version
