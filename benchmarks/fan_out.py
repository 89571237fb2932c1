"""What a step costs when many run at the same time: `python -m benchmarks.fan_out`.

One, ten, a hundred and a thousand scripted steps at once through our engine (routed, held, sent, priced, settled,
journalled, checkpointed): as the items of one model node, and as model nodes of a graph side by side. Each width has a
process of its own, so that its peak of memory is its own; a run is recorded and advanced as any is.

The CPU a step takes may not grow with the width: each width is held against the cheapest of the narrower ones. The
fixed cost of a run makes the narrow ones look dearer, so that a comparison with width one alone would hide growth.
"""

import argparse
import asyncio
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.reporting import Figure, Goal, machine, report, versions
from harness.assembly import Harness
from harness.engines.embedded import RunOrder
from harness.json_values import JsonObject
from harness.project import load_project
from harness.settings import Surroundings, load_settings
from harness.workflow.loading import load_workflow

WIDTHS = (1, 10, 100, 1000)
SHAPES = ("items", "nodes")
GOAL_RATIO = 1.5
KIBIBYTES_A_MEBIBYTE = 1024


@dataclass(frozen=True)
class Measured:
    """One width of one shape: CPU and wall milliseconds a step for each run, and the process's peak memory."""

    cpu_ms: list[float]
    wall_ms: list[float]
    start_mib: float
    peak_mib: float


def write_project(folder: Path, shape: str, width: int) -> None:
    """A model node over a list, or so many model nodes that all start at once, on a scripted, priced model."""
    asking = "kind: model, role: r, prompt: p.md, max_output_tokens: 20"
    if shape == "items":
        state = "  many: {type: array}\n  found: {type: array}\n"
        nodes = f"  n: {{{asking}, for_each: many, max_concurrency: {width}, output: found}}\n"
        starts, prompt = "n", "Say {{ item }}.\n"
    else:
        state = "".join(f"  k{place}: {{type: string}}\n" for place in range(width)) + "  many: {type: array}\n"
        nodes = "".join(f"  n{place}: {{{asking}, output: k{place}}}\n" for place in range(width))
        starts, prompt = f"[{', '.join(f'n{place}' for place in range(width))}]", "Say something short.\n"
    files = {
        "harness.yaml": "workflows: {wide: workflow.yaml}\nbindings: bindings.yaml\n",
        "bindings.yaml": "bindings: [{role: r, model: m}]\nendpoints: {e: {scripted_replies: replies.yaml}}\n"
        "models: {m: {endpoint: e, wire_name: m, context_tokens: 8192, price: {input_usd_per_million: 0.15, "
        "output_usd_per_million: 0.6, source: made up, checked: 2026-11-24}}}\n",
        "replies.yaml": "replies: [{text: a short reply, usage: {input: 20, output: 5}}]\n",
        "p.md": prompt,
        "workflow.yaml": f"workflow: wide\ninputs: [many]\nstate:\n{state}nodes:\n{nodes}start: {starts}\n",
    }
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


async def measured(folder: Path, shape: str, width: int, runs: int) -> Measured:
    """Run one width in this process; the first run warms up and is left out."""
    write_project(folder, shape, width)
    project = load_project(folder / "harness.yaml")
    settings = load_settings({"home": str(folder / "home"), "person": "ada"}, project, Surroundings.of_this_process())
    inputs: JsonObject = {"many": [f"word {place}" for place in range(width)]}
    cpu_ms: list[float] = []
    wall_ms: list[float] = []
    async with Harness(settings, project) as harness:
        version = await harness.binding_version()
        order = RunOrder(
            load_workflow(project.workflow_path("wide")), inputs, "ada", None, folder, folder, version.version
        )
        started = _peak_mib()
        for _ in range(runs + 1):
            cpu, wall = time.process_time(), time.perf_counter()
            run = await harness.engine.record(order)
            outcome = await harness.engine.advance(run.run_id, lambda _event: None)
            assert outcome.error is None, outcome.error
            cpu_ms.append((time.process_time() - cpu) * 1000 / width)
            wall_ms.append((time.perf_counter() - wall) * 1000 / width)
    return Measured(cpu_ms[1:], wall_ms[1:], started, _peak_mib())


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIBIBYTES_A_MEBIBYTE


def in_a_process(shape: str, width: int, runs: int) -> Measured:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.fan_out", "--only", f"{shape}:{width}", "--runs", str(runs)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def figures_of(shape: str, width: int, found: Measured) -> list[Figure]:
    """What is reported of one width."""
    name = f"{width:>5} {shape} at once"
    return [
        Figure.of(f"{name}: CPU a step", "ms", found.cpu_ms),
        Figure.of(f"{name}: wall a step", "ms", found.wall_ms),
        Figure.of(f"{name}: peak memory", "MiB", [found.peak_mib]),
        Figure.of(f"{name}: memory above an idle harness", "MiB", [found.peak_mib - found.start_mib]),
    ]


def goals_of(shape: str, cpu: dict[int, float]) -> list[Goal]:
    """Each width against the cheapest of those that are narrower."""
    return [
        Goal(
            f"CPU a step of {width} {shape} at once, times the cheapest narrower",
            cpu[width] / min(cpu[each] for each in cpu if each < width),
            GOAL_RATIO,
        )
        for width in sorted(cpu)[1:]
    ]


def main() -> None:
    """Measure all widths of both shapes and report; with `--only` one of them, for the process that asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--most", type=int, default=max(WIDTHS), help="the widest that is run")
    parser.add_argument("--only", default="", help="SHAPE:WIDTH, in this process")
    options = parser.parse_args()
    if options.only:
        shape, _, width = options.only.partition(":")
        folder = Path(tempfile.mkdtemp(prefix="fan_out_"))
        try:
            found = asyncio.run(measured(folder / "project", shape, int(width), options.runs))
        finally:
            shutil.rmtree(folder)
        print(json.dumps(vars(found)))
        return
    ran_on = machine()
    figures: list[Figure] = []
    goals: list[Goal] = []
    for shape in SHAPES:
        cpu: dict[int, float] = {}
        for width in (each for each in WIDTHS if each <= options.most):
            of_width = figures_of(shape, width, in_a_process(shape, width, options.runs))
            cpu[width] = of_width[0].median
            figures += of_width
        goals += goals_of(shape, cpu)
    used = versions("langgraph", "sqlalchemy", "pysqlite3")
    report(as_json=options.json, ran_on=ran_on, used=used, figures=figures, goals=goals)


if __name__ == "__main__":
    main()
