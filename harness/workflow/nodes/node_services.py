"""What nodes need to run, handed in by the composition root: nothing here is global."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.ledger.tasks import Task
from harness.model_call import ModelCall
from harness.workflow.events import OnRunEvent
from harness.workflow.nodes.findings import FindingsStore
from harness.workflow.nodes.node_context import RunLedger


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """Which run this is, who pays and where it works.

    Args:
        resumed: an earlier process began it, so answers may be in the journal.
    """

    run_id: str
    workflow: str
    task_id: str
    organisation: str
    person: str
    team: str | None
    working_folder: Path
    project_folder: Path
    resumed: bool


@dataclass(frozen=True)
class NodeServices:
    """The rest of the house, as far as nodes may see it.

    Args:
        resolve: a registered tool or piece of code by its name.
        findings: the memory, opened when it is first asked for; None where the project has no ontology.
        stream: whether models' answers are heard as they arrive.
    """

    model_call: ModelCall
    resolve: Callable[[str], Callable[..., Any]]
    findings: Callable[[], FindingsStore | None]
    ledger: RunLedger
    start_task: Callable[[Task], Awaitable[None]]
    on_event: OnRunEvent
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    random: random.Random
    stream: bool = False


class NodesUnderWay:
    """The nodes of one run that are at work now.

    LangGraph cancels what runs beside a node that fails, and with it calls that are paid for by then. So a failure is
    held back until the others are done: their results are kept, and resuming does not ask for them again.
    """

    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()

    @contextmanager
    def one(self) -> Generator[None]:
        """A node is at work."""
        self._count += 1
        self._none.clear()
        try:
            yield
        finally:
            self._count -= 1
            if self._count == 0:
                self._none.set()

    async def done(self) -> None:
        """Wait until none is at work."""
        await self._none.wait()


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a graph is run with; the compiled graph itself knows no run."""

    run: RunIdentity
    services: NodeServices
    under_way: NodesUnderWay = field(default_factory=NodesUnderWay)
