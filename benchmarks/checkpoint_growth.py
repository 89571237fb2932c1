"""How `runs.db` grows with a run: `python -m benchmarks.checkpoint_growth`.

Graphs of 200 steps over a state of 100 kB, checkpointed by our saver on SQLite; bytes in use (pages that are not free)
of the first half of the steps beside the second: 1 where growth is linear, 3 where it is quadratic. Then what `prune`
leaves. Beside it the same on the saver that LangGraph ships for SQLite, which keeps a full copy of the state a step.

The chain is the case that is not linear: LangGraph notes in each checkpoint what every node has seen, so a step costs
some 90 bytes for each node of the graph that has run. It is the size of the graph that counts there, not the steps.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import asyncio
import operator
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, TypedDict

import aiosqlite
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph

from benchmarks.reporting import Figure, Goal, arguments, machine, report, versions
from harness.engines.run_store import NewRun, PruneDepth, RunStatus
from harness.storage.checkpoint_saver import SqlCheckpointSaver
from harness.storage.runs_tables import RUNS_MIGRATIONS
from harness.storage.sql_run_store import SqlRunStore
from harness.storage.transactions import TransactionWriter
from ontology.databases import open_database, sqlite_url, upgrade

DOCUMENT_BYTES = 100_000
APPENDED_BYTES = 1_000
GOAL_RATIO = 1.1

_DOCUMENT = "the state that no step changes. ".ljust(DOCUMENT_BYTES, "x")
BytesInUse = Callable[[], Any]


def merged(before: dict[str, str] | None, after: dict[str, str] | None) -> dict[str, str]:
    """As the reducer `merge`."""
    return {**(before or {}), **(after or {})}


class State(TypedDict, total=False):
    """What each step may write."""

    document: str
    step: int
    log: Annotated[list[str], operator.add]
    notes: Annotated[dict[str, str], merged]
    history: list[str]


def line(step: int) -> str:
    """What a step says: no two lines are equal."""
    return f"{step:06} ".ljust(APPENDED_BYTES, "x")


def unchanged(_state: Any) -> dict[str, Any]:
    """A step that writes its number alone."""
    return {}


def appending(state: Any) -> dict[str, Any]:
    """A step whose line is appended by the channel's reducer."""
    return {"log": [line(state["step"])]}


def adding(state: Any) -> dict[str, Any]:
    """A step whose line is added to a mapping by the channel's reducer."""
    return {"notes": {str(state["step"]): line(state["step"])}}


def rewriting(state: Any) -> dict[str, Any]:
    """A step that writes the whole list with its line at the end."""
    return {"history": [*state.get("history", []), line(state["step"])]}


# What a step returns, by the name of the case.
CASES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "state unchanged": unchanged,
    "list appended to": appending,
    "mapping added to": adding,
    "list written whole": rewriting,
}


def looping_graph(case: str, steps: int, saver: Any) -> Any:
    """One node in a loop, as an agent's."""
    work = CASES[case]

    def node(state: Any) -> dict[str, Any]:
        return {**work(state), "step": state["step"] + 1}

    def onwards(state: Any) -> str:
        return "work" if state["step"] < steps else END

    graph: Any = StateGraph(State)
    graph.add_node("work", node)
    graph.add_edge(START, "work")
    graph.add_conditional_edges("work", onwards, ["work", END])
    return graph.compile(checkpointer=saver)


def chain(steps: int, saver: Any) -> Any:
    """As many nodes as steps, each run once."""

    def node(state: Any) -> dict[str, Any]:
        return {"step": state["step"] + 1}

    graph: Any = StateGraph(State)
    names = [f"n{place}" for place in range(steps)]
    for name in names:
        graph.add_node(name, node)
    for before, after in zip([START, *names], names, strict=False):
        graph.add_edge(before, after)
    return graph.compile(checkpointer=saver)


@dataclass(frozen=True)
class Growth:
    """Bytes a step in the first and the second half, what pruning left, and the time a step took."""

    first: float
    second: float
    left: float
    ms: float

    @property
    def ratio(self) -> float:
        """1 where growth is linear, 3 where it is quadratic."""
        return self.second / self.first


async def grown(graph: Any, thread_id: str, steps: int, in_use: BytesInUse) -> tuple[float, float, float]:
    """Run to the end, looking at the middle."""
    config = {"configurable": {"thread_id": thread_id}, "recursion_limit": steps + 10}
    at: list[int] = []
    began = time.perf_counter()
    step = 0
    async for _ in graph.astream({"document": _DOCUMENT, "step": 0}, config, stream_mode="updates", durability="sync"):
        step += 1
        # The first step also pays for the state itself.
        if step in (1, 1 + (steps - 1) // 2, steps):
            at.append(await in_use())
    half = (steps - 1) // 2
    took = (time.perf_counter() - began) * 1000 / steps
    return (at[1] - at[0]) / half, (at[2] - at[1]) / (steps - 1 - half), took


@asynccontextmanager
async def ours(path: Path) -> AsyncGenerator[tuple[TransactionWriter, BytesInUse]]:
    """Our database, and how many of its bytes are in use."""
    engine = open_database(sqlite_url(path))
    upgrade(engine, RUNS_MIGRATIONS)
    writer = TransactionWriter(engine, name="runs")

    async def in_use() -> int:
        with engine.connect() as connection:
            page, pages, free = (
                connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("page_size", "page_count", "freelist_count")
            )
        return page * (pages - free)

    yield writer, in_use
    writer.close()
    engine.dispose()


async def our_growth(folder: Path, case: str, steps: int) -> Growth:
    """A run on our saver, then pruned."""
    async with ours(folder / f"{case}.db") as (writer, in_use):
        saver = SqlCheckpointSaver(writer, organisation="acme", person="ada", clock=_now)
        store = SqlRunStore(writer, organisation="acme", clock=_now, new_id=lambda: "run1")
        await store.record(NewRun("ada", "growth", {}, {}, "/", 1))
        await store.claim("run1", owner="benchmark", lease_seconds=600)
        graph = chain(steps, saver) if case == "chain of nodes" else looping_graph(case, steps, saver)
        first, second, took = await grown(graph, "run1", steps, in_use)
        await store.release("run1", owner="benchmark", status=RunStatus.COMPLETED)
        await store.prune(before=_now() + timedelta(seconds=1), depth=PruneDepth.CHECKPOINTS)
        return Growth(first, second, await in_use(), took)


async def their_growth(folder: Path, case: str, steps: int) -> Growth:
    """The same on LangGraph's own saver, which prunes nothing."""
    async with aiosqlite.connect(folder / f"{case} theirs.db") as connection:
        saver = AsyncSqliteSaver(connection)
        await saver.setup()

        async def in_use() -> int:
            values = [
                (await (await connection.execute(f"PRAGMA {name}")).fetchone() or (0,))[0]
                for name in ("page_size", "page_count", "freelist_count")
            ]
            return values[0] * (values[1] - values[2])

        graph = chain(steps, saver) if case == "chain of nodes" else looping_graph(case, steps, saver)
        first, second, took = await grown(graph, "run1", steps, in_use)
        return Growth(first, second, await in_use(), took)


async def main() -> None:
    """Measure each case once: bytes do not scatter."""
    options = arguments(__doc__ or "", steps=200)
    ran_on = machine()
    folder = Path(tempfile.mkdtemp(prefix="checkpoint_growth_"))
    figures: list[Figure] = []
    goals: list[Goal] = []
    try:
        for case in (*CASES, "chain of nodes"):
            for side, measure in (("ours", our_growth), ("langgraph", their_growth)):
                growth = await measure(folder, case, options.steps)
                figures += [
                    Figure.of(f"{case}, {side}: first half", "B/step", [growth.first]),
                    Figure.of(f"{case}, {side}: second half", "B/step", [growth.second]),
                    Figure.of(f"{case}, {side}: wall", "ms/step", [growth.ms]),
                    Figure.of(f"{case}, {side}: {'pruned' if side == 'ours' else 'at the end'}", "B", [growth.left]),
                ]
                if side == "ours":
                    goals.append(Goal(f"{case}: second half, times the first", growth.ratio, GOAL_RATIO))
    finally:
        shutil.rmtree(folder)
    used = versions("langgraph", "langgraph-checkpoint-sqlite", "sqlalchemy", "pysqlite3")
    report(as_json=options.json, ran_on=ran_on, used=used, figures=figures, goals=goals)


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    asyncio.run(main())
