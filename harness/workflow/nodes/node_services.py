"""What nodes need to run, handed in by the composition root: nothing here is global."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from harness.exceptions import WaitsForPerson
from harness.json_values import Json, JsonObject
from harness.ledger.tasks import Task
from harness.model_call import ModelCall
from harness.tools.redaction import Redactor
from harness.tools.tool import Toolbox
from harness.workflow.events import OnRunEvent
from harness.workflow.nodes.findings import FindingsStore
from harness.workflow.nodes.node_context import NodeContext, RunLedger
from harness.workflow.nodes.questions import RunQuestions
from harness.workflow.nodes.recollection import Recollection
from harness.workflow.nodes.result_cache import ResultCache
from harness.workflow.nodes.step_journal import StepJournal
from harness.workflow.origins import Carried


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """Which run this is, who pays and where it works.

    Args:
        root_run_id: the run that this one is a step of, or a step of a step; itself for a run that somebody started.
        within: the runs that this one is a step of, the innermost first.
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
    root_run_id: str = ""
    within: tuple[str, ...] = ()


class ChildRuns(Protocol):
    """Port: runs of other workflows that are steps of one run."""

    async def run(
        self,
        workflow: str,
        inputs: JsonObject,
        *,
        node: str,
        path: str,
        task_id: str,
        carried: Carried | None = None,
    ) -> JsonObject:
        """The end state of a workflow's run at this place; one that was begun there goes on, a completed one is read.

        Args:
            task_id: the task of ours that its task is a part of.
            carried: what the inputs came from; what the workflow brought in is added to it.

        Raises:
            NameUnknown: the run was recorded without a workflow of this name.
            HarnessError: what it failed or waits with.
        """
        ...


class RunLimits(Protocol):
    """Port: caps that a run sets on parts of itself, held with all others before each call."""

    async def cap(self, place: str, usd: Decimal) -> None:
        """Cap what the calls under one path of the run may cost together; idempotent."""
        ...


@dataclass(frozen=True)
class NodeServices:
    """The rest of the house, as far as nodes may see it.

    Args:
        resolve: a registered piece of code by its name.
        toolbox: the registered tools.
        findings: where findings are kept, opened when it is first asked for; None where the project has no ontology.
        recollection: what is remembered, opened when it is first asked for.
        stream: whether models' answers are heard as they arrive.
        redactor: takes secrets out of what a project's code prints and fails with.
    """

    model_call: ModelCall
    resolve: Callable[[str], Callable[..., Any]]
    toolbox: Toolbox
    findings: Callable[[], FindingsStore | None]
    recollection: Callable[[], Recollection]
    journal: StepJournal
    questions: RunQuestions
    cache: ResultCache
    children: ChildRuns
    limits: RunLimits
    ledger: RunLedger
    start_task: Callable[[Task], Awaitable[None]]
    on_event: OnRunEvent
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    random: random.Random
    stream: bool = False
    redactor: Redactor = field(default_factory=lambda: Redactor(()))


class NodesUnderWay:
    """The nodes of one run that are at work now.

    LangGraph cancels what runs beside a node that fails, and with it calls that are paid for by then. So a failure is
    held back until the others are done: their results are kept, and resuming does not ask for them again. One that
    hangs does not hold it back for ever.

    Args:
        grace_seconds: how long a failure waits for the others; who waits for a person waits for them all, because they
            may have a question too, and the run is put down only once everything else is done.
    """

    def __init__(self, grace_seconds: float = 60.0) -> None:
        self._grace_seconds = grace_seconds
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()
        self._failures: list[tuple[str, BaseException]] = []

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

    def any(self) -> bool:
        """Whether a node is at work."""
        return self._count > 0

    async def done(self, node: str = "", error: BaseException | None = None) -> None:
        """Hold a failure back until none is at work, or for as long as it may be."""
        if error is not None:
            self._failures.append((node, error))
        await asyncio.sleep(0)  # those of the same step have begun by then
        waits = isinstance(error, WaitsForPerson)
        with suppress(TimeoutError):
            async with asyncio.timeout(None if waits else self._grace_seconds):
                await self._none.wait()

    def failed_node(self, error: BaseException) -> str | None:
        """Which node a failure is of; None where it is of none."""
        return next((node for node, each in self._failures if each is error), None)


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a graph is run with; the compiled graph itself knows no run."""

    run: RunIdentity
    services: NodeServices
    under_way: NodesUnderWay = field(default_factory=NodesUnderWay)


@dataclass(frozen=True, slots=True)
class Visit:
    """One time that a run comes to a node, for one item where there are several: what a kind's runner works on.

    Args:
        node: its name.
        path: the place within the run: the node, its visit where it is not the first, the item where there are
            several. Parts of the node's work add to it: `{path}/tool#2`.
        task_id: what its calls are charged to.
        values: the state's own keys, and the item under its name.
        carried: what its values came from, and what its tools brought in; it grows as the visit goes on.
    """

    node: str
    path: str
    task_id: str
    values: Mapping[str, Json]
    run: RunIdentity
    services: NodeServices
    carried: Carried = field(default_factory=Carried)

    def context(self) -> NodeContext:
        """What a project's own function may know of it."""
        run = self.run
        return NodeContext(
            run_id=run.run_id,
            workflow=run.workflow,
            node=self.node,
            organisation=run.organisation,
            person=run.person,
            working_folder=run.working_folder,
            project_folder=run.project_folder,
            ledger=self.services.ledger,
        )


@dataclass(frozen=True, slots=True)
class SeveralKeys:
    """What a kind with more than one key to write has for each of them."""

    values: JsonObject


class KindRunner(Protocol):
    """Port: runs the nodes of one kind; made once a node of a compiled workflow, whose files it has read by then."""

    async def run(self, visit: Visit) -> "Json | SeveralKeys":
        """The node's output for one visit.

        Called again after a failure or a crash, under the same path: what it records in the journals is not done twice.

        Raises:
            WaitsForPerson: its question is recorded; it is run again once there is an answer.
            HarnessError: it failed. Anything else a project's code raises goes through as it is.
        """
        ...
