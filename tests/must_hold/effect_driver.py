"""Advances one run of the shop in a process of its own, whose every boundary is counted and can be its last.

As a program it is told orders, one JSON object a line, forks a process for each, so that the imports are paid for once,
and answers how that process ended (negative: by which signal). What became of the run is written to the order's `out`.

An order: `project`, `home`, `out`, and where they matter `run` (to continue), `database_url`, `process` (its number),
`later_seconds` (how much later than now it is, so that no lease of a dead process need be waited for), `kill_at`:
[BOUNDARY, N] to die with SIGKILL at the N-th time it comes to that boundary, `stop_at` to be stopped there, `opens` to make the databases and nothing
else. A run that waits for a person is approved and goes on.
"""

import asyncio
import contextlib
import faulthandler
import functools
import importlib
import json
import os
import sys
from datetime import timedelta
from pathlib import Path

import httpx

from harness.assembly import Ambient, Harness, utc_now
from harness.engines.embedded import RunOrder
from harness.engines.run_store import RunStatus
from harness.exceptions import HarnessError
from harness.project import load_project
from harness.settings import Surroundings, load_settings
from harness.storage.sql_step_journal import SqlStepJournal
from harness.tools.http_tool import IDEMPOTENCY_HEADER
from harness.workflow.checking.checks import require_valid
from harness.workflow.nodes import tool_calls
from tests.must_hold.driver import Moments, said

# What httpx tells of a request on its way, and what it is called here.
ON_THE_WAY = {
    "http11.send_request_headers.complete": "half sent",
    "http11.send_request_body.complete": "sent",
    "http11.receive_response_headers.complete": "answer begun",
    "http11.receive_response_body.complete": "answer read",
}


class Boundaries(Moments):
    """Keeps the trail of what the process came to, and dies where it is told to."""

    def __init__(self, order):
        super().__init__(order)
        self.trail = []

    def come_to(self, moment):
        self.trail.append(moment)
        super().come_to(moment)

    def around(self, owner, method, named):
        """Come to `before NAME` and `after NAME`; `named(*args)` names the call."""
        original = getattr(owner, method)

        @functools.wraps(original)
        async def watched(*args, **kwargs):
            name = named(*args)
            self.come_to(f"before {name}")
            result = await original(*args, **kwargs)
            self.come_to(f"after {name}")
            return result

        setattr(owner, method, watched)

    def watch_requests(self):
        """Each effect's request on its way through the real transport."""
        original, boundaries = httpx.AsyncHTTPTransport.handle_async_request, self

        async def handle(transport, request):
            place = _place(request.headers.get(IDEMPOTENCY_HEADER, ""))

            async def trace(event, _info):
                if event in ON_THE_WAY:
                    boundaries.come_to(f"{ON_THE_WAY[event]} {place}")

            boundaries.come_to(f"sending {place}")
            request.extensions["trace"] = trace
            return await original(transport, request)

        httpx.AsyncHTTPTransport.handle_async_request = handle


def watched(harness, boundaries):
    """Whatever the run writes down or sends is a boundary; each has two sides."""
    for owner, method in (
        (harness.runs, "claim"),
        (harness.runs, "release"),
        (harness.money, "hold"),
        (harness.money, "settle"),
        (harness.money, "end_task"),
        (harness.questions, "answer"),
    ):
        boundaries.around(owner, method, lambda *_, method=method: method)
    boundaries.around(tool_calls, "bounded_call", lambda _, call: f"call {_place(call.idempotency_key)}")
    boundaries.watch_requests()
    saver_for, services_for = harness._saver_for, harness._services_for

    def watched_saver(person):
        saver = saver_for(person)
        boundaries.around(saver, "aput", lambda *_: "checkpoint")
        boundaries.around(saver, "aput_writes", lambda *_: "writes")
        return saver

    def watched_services(*args):
        services = services_for(*args)
        for method in ("begin", "finish", "fail"):
            boundaries.around(services.journal, method, lambda path, *_, method=method: f"{method} {path}")
        boundaries.around(services.questions, "ask", lambda question: f"ask {question.path}")
        return services

    harness._saver_for, harness._services_for = watched_saver, watched_services


def _place(key):
    return key.partition("/")[2]


async def advance(order, boundaries):
    project = load_project(Path(order["project"]) / "harness.yaml")
    flags = {"home": order["home"], "person": "ada", "zone": "UTC", "database_url": order.get("database_url")}
    settings = load_settings(flags, project, Surroundings.of_this_process())
    later = timedelta(seconds=order.get("later_seconds", 0))
    async with Harness(settings, project, ambient=Ambient(clock=lambda: utc_now() + later)) as harness:
        if order.get("opens"):
            await harness.binding_version()
            return {"opened": str(harness.money)}
        watched(harness, boundaries)
        run_id = order.get("run") or await recorded(harness, order)
        said(order, {"run": run_id, "steps": await steps(harness, run_id), "pid": os.getpid()})
        boundaries.come_to("recorded")
        outcome = await to_the_end(harness, run_id)
        return {
            "run": run_id,
            "status": str(outcome.run.status),
            "state": outcome.state,
            "error": str(outcome.error) if outcome.error else None,
        }


async def recorded(harness, order):
    version = await harness.binding_version()
    loaded = harness.load("fulfil")
    require_valid(loaded, harness.registry(), version.bindings.is_bound)
    home, project = Path(order["home"]), harness.project.folder
    run = await harness.engine.record(RunOrder(loaded, {}, "ada", None, home, project, version.version))
    return run.run_id


async def steps(harness, run_id):
    """What is recorded of each effect before this process does anything."""
    journal = SqlStepJournal(
        harness.databases.runs_writer,
        organisation=harness.organisation,
        run_id=run_id,
        person="ada",
        owner="nobody",
        clock=utc_now,
        row_lock="",
    )
    return {step.path: str(step.status) for step in await journal.steps()}


async def to_the_end(harness, run_id):
    """Advance, and answer as a person would what is asked."""
    while True:
        outcome = await harness.engine.advance(run_id, lambda _event: None)
        if outcome.run.status is not RunStatus.WAITING:
            return outcome
        for asked in await harness.questions.open(run_id):
            digest = asked.question.digest
            await harness.questions.answer(asked.question_id, {"approved": True}, digest=digest, person="grace")


def child(order):
    boundaries = Boundaries(order)
    # The service is told whom to kill, and at which of its own two boundaries.
    kill = order.get("kill_at", [None])[0]
    os.environ["EFFECT_CALLER"] = json.dumps({"pid": os.getpid(), "process": order.get("process", 0), "kill": kill})
    try:
        result = asyncio.run(advance(order, boundaries))
    except HarnessError as error:
        result = {"status": "refused", "error": str(error)}
    with contextlib.suppress(FileNotFoundError):  # what it said at its beginning
        result = {**json.loads(Path(order["out"]).read_text()), **result}
    said(order, {**result, "trail": boundaries.trail})


def main():
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            faulthandler.enable()
            code = 1
            try:
                child(order)
                code = 0
            finally:
                sys.stderr.flush()
                os._exit(code)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n")
        sys.stdout.flush()


# What a process imports when it first needs it; none of these starts a thread.
IMPORTED_ONCE = (
    "anyio._backends._asyncio",
    "harness.engines.graph_threads",
    "harness.storage.fenced_checkpoint_saver",
    "harness.workflow.compiler",
    "httpcore",
    "langchain_core.tracers.stdout",
    "pysqlite3.dbapi2",
)


if __name__ == "__main__":
    for each in IMPORTED_ONCE:
        importlib.import_module(each)
    main()
