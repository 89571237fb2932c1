"""Advances runs in processes of their own, which can be killed at a moment that is named.

As a program it is told orders, one JSON object a line, and forks a process for each, so that the imports are paid for
once; it answers with the process's number. `{"wait": PID}` is answered with how that process ended (negative: by
which signal). A process writes what became of its run to the order's `out`.

An order: `project`, `home`, `out`, and where they matter `workflow`, `person`, `run` (to continue), `inputs`, `lease_seconds`,
`patience_seconds` (how long it waits for another's lease), `environment`, `kill_at`: [MOMENT, N] kills the process
with SIGKILL the N-th time it comes to that moment; `stop_at` stops it there (SIGSTOP).
"""

import asyncio
import faulthandler
import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path

from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.langchain import wait_for_all_tracers

from harness.assembly import Harness
from harness.engines.embedded import RunOrder
from harness.exceptions import HarnessError, LeaseHeld
from harness.project import load_project
from harness.settings import Surroundings, load_settings
from harness.workflow.events import CallAnswered, NodeFinished, NodeRetried, NodeStarted


class Moments:
    """Counts the moments that the process comes to, and ends it or stops it at the one that is named."""

    def __init__(self, order):
        self._kill_at = tuple(order.get("kill_at", ()))
        self._stop_at = tuple(order.get("stop_at", ()))
        self._seen = {}
        self.told = []

    def come_to(self, moment):
        self._seen[moment] = self._seen.get(moment, 0) + 1
        if (moment, self._seen[moment]) == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if (moment, self._seen[moment]) == self._stop_at:
            os.kill(os.getpid(), signal.SIGSTOP)

    def hear(self, event):
        kinds = {NodeStarted: "started", NodeFinished: "finished", CallAnswered: "answered", NodeRetried: "retried"}
        kind = kinds.get(type(event))
        if kind:
            replayed = " replayed" if isinstance(event, CallAnswered) and event.replayed else ""
            self.told.append(f"{kind} {event.node}{replayed}")
            self.come_to(f"{kind} {event.node}")

    def watch(self, owner, method, moment):
        """Come to `before MOMENT` and `after MOMENT` around a method of the real part."""
        original = getattr(owner, method)

        async def around(*args, **kwargs):
            self.come_to(f"before {moment}")
            result = await original(*args, **kwargs)
            self.come_to(f"after {moment}")
            return result

        def blocking(*args, **kwargs):
            self.come_to(f"before {moment}")
            result = original(*args, **kwargs)
            self.come_to(f"after {moment}")
            return result

        setattr(owner, method, around if asyncio.iscoroutinefunction(original) else blocking)


def watched(harness, moments):
    """Parts of the house whose boundaries are moments."""
    moments.watch(harness.money, "hold", "hold")
    moments.watch(harness.money, "settle", "settle")
    moments.watch(harness.money, "end_task", "outcome")
    moments.watch(harness.runs, "release", "release")
    moments.watch(harness.entities, "write", "entities")
    made = harness._saver_for

    def saver_for(person):
        saver = made(person)
        moments.watch(saver, "aput", "checkpoint")
        return saver

    harness._saver_for = saver_for


async def advance(order, moments):
    project = load_project(Path(order["project"]) / "harness.yaml")
    flags = {"home": order["home"], "person": order.get("person", "ada"), "zone": "UTC"}
    settings = load_settings(flags, project, Surroundings.of_this_process())
    async with Harness(settings, project, lease_seconds=order.get("lease_seconds", 0.6)) as harness:
        watched(harness, moments)
        run_id = order.get("run") or await recorded(order, harness, project)
        said(order, {"run": run_id})
        moments.come_to("recorded")
        outcome = await patiently(order, harness, run_id, moments)
        return {
            "run": run_id,
            "status": str(outcome.run.status),
            "state": outcome.state,
            "error": str(outcome.error) if outcome.error else None,
            "error_class": type(outcome.error).__name__ if outcome.error else None,
            "provider_error": any(each.__name__ == "ProviderError" for each in type(outcome.error).__mro__),
        }


async def recorded(order, harness, project):
    version = await harness.binding_version()
    loaded = harness.load(order.get("workflow", "audit"))
    person = harness.settings.person
    folder = Path(order["home"])
    inputs = order.get("inputs", {})
    run = await harness.engine.record(RunOrder(loaded, inputs, person, None, folder, project.folder, version.version))
    return run.run_id


async def patiently(order, harness, run_id, moments):
    until = time.monotonic() + order.get("patience_seconds", 0)
    while True:
        try:
            return await harness.engine.advance(run_id, moments.hear)
        except LeaseHeld:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.03)


def said(order, result):
    path = Path(order["out"])
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(result))
    draft.replace(path)


def child(order):
    os.environ.update(order.get("environment", {}))
    moments = Moments(order)
    try:
        result = asyncio.run(advance(order, moments))
    except HarnessError as error:
        result = {"refused": type(error).__name__, "error": str(error), "run": order.get("run")}
    except (asyncio.CancelledError, KeyboardInterrupt):
        result = {"refused": "interrupted", "run": json.loads(Path(order["out"]).read_text())["run"]}
    if order.get("trace_something"):
        RunnableLambda(str).invoke(1)
    if order.get("wait_for_tracers"):
        wait_for_all_tracers()
    said(order, result | {"told": moments.told})


def main():
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                faulthandler.enable()
                code = 1
                try:
                    child(order)
                    code = 0
                finally:
                    sys.stderr.flush()
                    os._exit(code)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


# What a process imports when it first needs it; none of these starts a thread.
IMPORTED_ONCE = (
    "memory.chroma_index",
    "memory.wordllama_embedder",
    "harness.workflow.compiler",
    "harness.storage.fenced_checkpoint_saver",
    "langsmith",
    "chromadb",
)


if __name__ == "__main__":
    for each in IMPORTED_ONCE:
        importlib.import_module(each)
    main()
