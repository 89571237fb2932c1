"""Running a graph of code nodes without a database: compiled as always, with nothing of a model within reach."""

import random
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.workflow.compiler import compile_graph
from harness.workflow.loading import workflow_from_spec
from harness.workflow.nodes.node_services import NodeServices, RunContext, RunIdentity
from harness.workflow.nodes.step_journal import RecordedStep, StepStatus
from harness.workflow.spec import WorkflowSpec
from harness.workflow.state_values import initial_state


class MemoryJournal:
    """A step journal that lives as long as its run."""

    def __init__(self):
        self.recorded = {}

    async def begin(self, path, kind, digest, **_):
        known = self.recorded.get((path, digest))
        if known is None or known.status is not StepStatus.DONE:
            attempts = known.attempts + 1 if known else 1
            at = datetime(2026, 11, 24, tzinfo=UTC)
            known = RecordedStep(path, kind, digest, StepStatus.BEGUN, attempts, None, None, at, None)
            self.recorded[path, digest] = known
        return known

    async def finish(self, path, digest, result):
        self.recorded[path, digest] = replace(self.recorded[path, digest], status=StepStatus.DONE, result=result)

    async def fail(self, path, digest, error):
        self.recorded[path, digest] = replace(self.recorded[path, digest], status=StepStatus.FAILED, error=error)

    async def steps(self, prefix=""):
        return [step for (path, _), step in self.recorded.items() if path.startswith(prefix)]


async def _no_sleep(seconds):
    pass


def context_of(registry, events, **services):
    """A run of nobody's, whose nodes find `registry` and whose events go to a list."""

    async def start_task(task):
        events.append(task)

    given = {
        "model_call": None,
        "findings": lambda: None,
        "ledger": None,
        "start_task": start_task,
        "on_event": events.append,
        "clock": lambda: datetime(2026, 11, 24, tzinfo=UTC),
        "monotonic": time.monotonic,
        "sleep": _no_sleep,
        "random": random.Random(1),
        "toolbox": None,
        "recollection": None,
        "journal": MemoryJournal(),
        "questions": None,
        "cache": None,
        "children": None,
        "limits": None,
    } | services
    run = RunIdentity("run", "w", "task", "acme", "ada", None, Path("/tmp"), Path("/tmp"), resumed=False)
    return RunContext(run, NodeServices(resolve=registry.__getitem__, **given))


@pytest.fixture(scope="session")
def run_graph():
    """`await run_graph(spec, registry, **inputs)`: the final state, and the events in `run_graph.events`."""

    async def run(spec, registry, services=None, **inputs):
        spec = spec if isinstance(spec, WorkflowSpec) else WorkflowSpec.model_validate(spec)
        run.events = []
        graph = compile_graph(workflow_from_spec(spec), checkpointer=None)
        return await graph.ainvoke(
            initial_state(spec, inputs), context=context_of(registry, run.events, **(services or {}))
        )

    return run
