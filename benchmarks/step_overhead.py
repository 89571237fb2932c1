"""What our harness adds to a step of a graph: `python -m benchmarks.step_overhead`.

A chain of ten nodes of scripted replies, run by our engine (routed, held, sent, priced, settled, journalled,
checkpointed) beside the same chain of bare functions on LangGraph with its own SQLite saver, alternating in one
process. Twice: with synchronous=NORMAL on both sides, except that our holds wait for the disk as they always do; and with
FULL on both, which is our `durability: power`.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import asyncio
import contextlib
import itertools
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypedDict

import aiosqlite
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph

from benchmarks.reporting import Figure, Goal, arguments, machine, report, versions
from harness.assembly import Harness
from harness.engines.embedded import RunOrder
from harness.project import load_project
from harness.settings import Surroundings, load_settings
from harness.workflow.loading import load_workflow

NODES = 10
REPLY = "a short reply"
GOAL_RATIO = 1.5

RunOnce = Callable[[], Awaitable[None]]


def write_project(folder: Path) -> None:
    """A chain of model nodes on a scripted, priced model."""
    folder.mkdir()
    nodes = "".join(
        f"  n{i}: {{kind: model, role: r, prompt: p.md, max_output_tokens: 20, output: k{i}}}\n" for i in range(NODES)
    )
    keys = "".join(f"  k{i}: {{type: string}}\n" for i in range(NODES))
    edges = "".join(f"  - {{from: n{i}, to: n{i + 1}}}\n" for i in range(NODES - 1))
    files = {
        "harness.yaml": "workflows: {chain: workflow.yaml}\nbindings: bindings.yaml\n",
        "bindings.yaml": "bindings: [{role: r, model: m}]\nendpoints: {e: {scripted_replies: replies.yaml}}\n"
        "models: {m: {endpoint: e, wire_name: m, context_tokens: 8192, price: {input_usd_per_million: 0.15, "
        "output_usd_per_million: 0.6, source: made up, checked: 2026-11-24}}}\n",
        "replies.yaml": f"replies: [{{text: {REPLY!r}, usage: {{input: 20, output: 5}}}}]\n",
        "p.md": "Say something short.\n",
        "workflow.yaml": f"workflow: chain\nstate:\n{keys}nodes:\n{nodes}start: n0\nedges:\n{edges}",
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


@contextlib.asynccontextmanager
async def ours(folder: Path, durability: str = "holds") -> AsyncGenerator[RunOnce]:
    """Our engine on the chain."""
    write_project(folder)
    project = load_project(folder / "harness.yaml")
    settings = load_settings(
        {"home": str(folder / "home"), "person": "ada", "durability": durability},
        project,
        Surroundings.of_this_process(),
    )
    async with Harness(settings, project) as harness:
        version = await harness.binding_version()
        loaded = load_workflow(project.workflow_path("chain"))
        order = RunOrder(loaded, {}, "ada", None, folder, folder, version.version)

        async def run_once() -> None:
            run = await harness.engine.record(order)
            outcome = await harness.engine.advance(run.run_id, lambda _event: None)
            assert outcome.error is None, outcome.error

        yield run_once


@contextlib.asynccontextmanager
async def bare(path: Path, synchronous: str) -> AsyncGenerator[RunOnce]:
    """LangGraph with the saver it ships for SQLite, in WAL mode, its writes beside the next step as it does by default."""
    keys: Any = {f"k{i}": str for i in range(NODES)}
    functional: Any = TypedDict
    graph: Any = StateGraph(functional("State", keys))
    for i in range(NODES):

        async def node(_state: Any, key: str = f"k{i}") -> dict[str, str]:
            return {key: REPLY}

        graph.add_node(f"n{i}", node)
    graph.add_edge(START, "n0")
    for i in range(NODES - 1):
        graph.add_edge(f"n{i}", f"n{i + 1}")
    threads = itertools.count()
    async with aiosqlite.connect(path) as connection:
        saver = AsyncSqliteSaver(connection)
        await saver.setup()
        await connection.execute(f"PRAGMA synchronous={synchronous}")
        app = graph.compile(checkpointer=saver)

        async def run_once() -> None:
            await app.ainvoke({}, {"configurable": {"thread_id": str(next(threads))}})

        yield run_once


async def measured(run_once: RunOnce) -> tuple[float, float]:
    """Milliseconds a node: wall and CPU."""
    cpu, wall = time.process_time(), time.perf_counter()
    await run_once()
    return (time.perf_counter() - wall) * 1000 / NODES, (time.process_time() - cpu) * 1000 / NODES


async def main() -> None:
    """Measure both sides in turn and report."""
    options = arguments(__doc__ or "", runs=40, warmup=5)
    ran_on = machine()
    folder = Path(tempfile.mkdtemp(prefix="step_overhead_"))
    sides: dict[str, list[tuple[float, float]]] = {
        "ours, NORMAL": [],
        "langgraph, NORMAL": [],
        "ours, FULL": [],
        "langgraph, FULL": [],
    }
    try:
        async with (
            ours(folder / "normal") as our_normal,
            bare(folder / "normal.db", "NORMAL") as their_normal,
            ours(folder / "full", "power") as our_full,
            bare(folder / "full.db", "FULL") as their_full,
        ):
            runners = dict(zip(sides, (our_normal, their_normal, our_full, their_full), strict=True))
            for _ in range(options.warmup):
                for run_once in runners.values():
                    await run_once()
            for _ in range(options.runs):
                for name, run_once in runners.items():
                    sides[name].append(await measured(run_once))
    finally:
        shutil.rmtree(folder)
    figures = [
        figure
        for name, values in sides.items()
        for figure in (
            Figure.of(f"{name}: wall a node", "ms", [wall for wall, _ in values]),
            Figure.of(f"{name}: CPU a node", "ms", [cpu for _, cpu in values]),
        )
    ]
    median = {figure.name: figure.median for figure in figures}
    goals = [
        Goal(
            f"{what} a node with synchronous={mode}, times LangGraph's own saver",
            median[f"ours, {mode}: {what} a node"] / median[f"langgraph, {mode}: {what} a node"],
            GOAL_RATIO,
        )
        for mode in ("NORMAL", "FULL")
        for what in ("CPU", "wall")
    ]
    used = versions("langgraph", "langgraph-checkpoint-sqlite", "sqlalchemy", "pysqlite3")
    report(as_json=options.json, ran_on=ran_on, used=used, figures=figures, goals=goals)


if __name__ == "__main__":
    asyncio.run(main())
