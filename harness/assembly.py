"""The composition root: the parts of the house, the engine that runs workflows with them, and how programs use both."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from harness.engines.embedded import LEASE_SECONDS, EmbeddedEngine, EngineParts, RunOrder
from harness.engines.run_handles import RunHandle
from harness.engines.run_limits import MoneyRunLimits
from harness.engines.run_store import Run
from harness.engines.run_tasks import ended_task_of_run
from harness.exceptions import NameUnknown
from harness.json_values import JsonObject
from harness.parts import PRICES_FILE, Ambient, Parts, utc_now
from harness.project import Project, find_project
from harness.routing.binding_store import BindingVersion
from harness.settings import Settings, Surroundings, load_settings
from harness.storage.sql_questions import AskingRun, SqlRunQuestions
from harness.storage.sql_result_cache import SqlResultCache
from harness.storage.sql_run_ledger import LedgerOfRun, SqlRunLedger
from harness.storage.sql_step_journal import SqlStepJournal
from harness.workflow.building import Workflow
from harness.workflow.checking.checks import require_valid
from harness.workflow.checking.registry import Registry
from harness.workflow.events import OnRunEvent
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.nodes.node_services import ChildRuns, NodeServices, RunContext, RunIdentity
from harness.workflow.spec import WorkflowSpec
from harness.workflow.state_values import value_at
from harness.workflow_library import AnyWorkflow, WorkflowLibrary

__all__ = ["PRICES_FILE", "Ambient", "Harness", "utc_now"]


class Harness(Parts):
    """Everything one process needs, for one project and one person, and the runs that it advances.

    Use it as an asynchronous context manager, or call `close`.

    Args:
        project: None where there is no harness.yaml; then there are no tools, no code and no ontology.
        workflows: those that Python wrote; their functions are found by name while a run of them is advanced.
        stream: whether models' answers are heard as they arrive.
        lease_seconds: after this long without a sign of its process a run is anybody's.
    """

    def __init__(
        self,
        settings: Settings,
        project: Project | None,
        *,
        workflows: Iterable[Workflow] = (),
        ambient: Ambient | None = None,
        stream: bool = False,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        super().__init__(settings, project, ambient or Ambient())
        self._library = WorkflowLibrary(project, workflows)
        self._stream = stream
        self._lease_seconds = lease_seconds
        self._handles: list[RunHandle] = []

    @classmethod
    def of_folder(
        cls, folder: str | Path = ".", *, workflows: Iterable[Workflow] = (), stream: bool = False, **settings: object
    ) -> Self:
        """The house of the project that a folder lies in; without a project its home is in the folder.

        Args:
            settings: as their flags on the command line, e.g. `person="ada"`.

        Raises:
            ConfigurationInvalid, SpecificationInvalid: a setting or a file that cannot be used.
        """
        place = Path(folder).resolve()
        project = find_project(place)
        around = replace(Surroundings.of_this_process(), folder=place)
        return cls(load_settings(settings, project, around), project, workflows=workflows, stream=stream)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop what is advanced here, which leaves it to be resumed, and close what was opened; idempotent."""
        await asyncio.gather(*(handle.interrupt() for handle in self._handles))
        self._handles.clear()
        await super().close()

    async def start(
        self,
        workflow: AnyWorkflow,
        inputs: JsonObject | None = None,
        *,
        team: str | None = None,
        working_folder: Path | None = None,
    ) -> RunHandle:
        """Check a workflow, record a run of it and advance it in the background.

        Raises:
            SpecificationInvalid: with every problem; nothing was recorded.
            NameUnknown: there is no workflow of this name.
        """
        run = await self._recorded(workflow, inputs or {}, team, working_folder)
        return self._handle(run.run_id)

    @asynccontextmanager
    async def run_context(
        self,
        workflow: AnyWorkflow,
        inputs: JsonObject | None = None,
        *,
        on_event: OnRunEvent = lambda _: None,
    ) -> AsyncGenerator[RunContext]:
        """What a compiled graph is run with by somebody who runs it by themselves: a run that is recorded and held.

        The run is completed when the block ends and failed when it raises; its checkpoints are the graph's own matter.

        Raises:
            SpecificationInvalid, NameUnknown: as `start`.
        """
        run = await self._recorded(workflow, inputs or {}, None, None)
        async with self.engine.held(run.run_id, on_event) as context:
            yield context

    async def resume(self, run_id: str, *, migrate: AnyWorkflow | None = None) -> RunHandle:
        """Continue a run in the background; nothing that was finished or paid for is done again.

        Args:
            migrate: the workflow that it goes on with from here.

        Raises:
            NameUnknown: there is no such run, or no workflow of this name.
            SpecificationInvalid: the workflow that it is to go on with has problems; the run was left as it is.
        """
        run = await self.runs.run(run_id)
        return self._handle(run.run_id, None if migrate is None else (await self._checked(migrate))[0])

    def load(self, workflow: AnyWorkflow) -> LoadedWorkflow:
        """A workflow with the workflows that are its steps.

        Raises:
            NameUnknown: there is no workflow of this name.
            SpecificationInvalid: it cannot be used, or would come to run itself.
        """
        return self._library.load(workflow)

    def registry(self) -> Registry:
        """What workflows may name here. Imports nothing."""
        return self._library.registry()

    @cached_property
    def engine(self) -> EmbeddedEngine:
        """What runs workflows in this process."""
        return EmbeddedEngine(
            EngineParts(
                owner=self._ambient.owner,
                runs=self.runs,
                services_for=self._services_for,
                saver_for=self._saver_for,
                limits_for=self._limits_for,
                sweep=lambda: self.money.expire(at=self._ambient.clock()),
                on_ended=self._record_outcome,
                clock=self._ambient.clock,
                lease_seconds=self._lease_seconds,
            )
        )

    async def _recorded(
        self, workflow: AnyWorkflow, inputs: JsonObject, team: str | None, working_folder: Path | None
    ) -> Run:
        loaded, version = await self._checked(workflow)
        return await self.engine.record(
            RunOrder(
                loaded=loaded,
                inputs=inputs,
                person=self.settings.person,
                team=team,
                working_folder=working_folder or Path.cwd(),
                project_folder=self.project.folder if self.project else Path.cwd(),
                binding_version=version.version,
            )
        )

    async def _checked(self, workflow: AnyWorkflow) -> tuple[LoadedWorkflow, BindingVersion]:
        """A workflow without problems under the bindings in force, and those."""
        loaded = self.load(workflow)
        version = await self.binding_version()
        require_valid(loaded, self.registry(), version.bindings.is_bound)
        return loaded, version

    def _handle(self, run_id: str, migrate: LoadedWorkflow | None = None) -> RunHandle:
        handle = RunHandle(self.engine, run_id, person=self.settings.person, migrate=migrate)
        self._handles = [each for each in self._handles if not each.done]
        self._handles.append(handle)
        return handle

    def _services_for(self, run: RunIdentity, on_event: OnRunEvent, children: ChildRuns) -> NodeServices:
        clock, writer = self._ambient.clock, self.databases.runs_writer
        of_run = LedgerOfRun(run.run_id, run.task_id, run.organisation, run.person, run.workflow)
        asking = AskingRun(run.organisation, run.run_id, run.root_run_id, run.workflow, run.person)
        return NodeServices(
            model_call=self.model_call.of_step(run.within) if run.within else self.model_call,
            resolve=lambda name: self._library.code(run.workflow, name),
            toolbox=self.toolbox,
            findings=lambda: self.findings,
            recollection=lambda: self.recollection,
            journal=SqlStepJournal(
                writer,
                organisation=run.organisation,
                run_id=run.run_id,
                person=run.person,
                owner=self._ambient.owner,
                clock=clock,
                row_lock=self._row_lock,
            ),
            questions=SqlRunQuestions(writer, run=asking, clock=clock),
            cache=SqlResultCache(writer, organisation=run.organisation, person=run.person, clock=clock),
            children=children,
            limits=self._limits_for(run),
            ledger=SqlRunLedger(of_run, self.databases.money_writer, self.reports, clock),
            start_task=self.money.start_task,
            on_event=on_event,
            clock=clock,
            monotonic=self._ambient.monotonic,
            sleep=self._ambient.sleep,
            random=self._ambient.random,
            stream=self._stream,
            redactor=self.toolbox.redactor,
        )

    def _limits_for(self, run: RunIdentity) -> MoneyRunLimits:
        return MoneyRunLimits(
            money=self.money,
            organisation=run.organisation,
            run_id=run.run_id,
            person=run.person,
            clock=self._ambient.clock,
            new_id=self._ambient.new_id,
        )

    def _saver_for(self, person: str) -> Any:
        # Imports langgraph, which only what runs a graph may pay for.
        from harness.storage.fenced_checkpoint_saver import FencedCheckpointSaver

        return FencedCheckpointSaver(
            self.databases.runs_writer,
            organisation=self.organisation,
            person=person,
            clock=self._ambient.clock,
            owner=self._ambient.owner,
            row_lock=self._row_lock,
        )

    @property
    def _row_lock(self) -> str:
        """What holds off a claim of a run while one of its rows is written; SQLite's write transaction is alone."""
        return "FOR SHARE" if self.databases.runs.dialect.name == "postgresql" else ""

    async def _record_outcome(self, run: Run, spec: WorkflowSpec, state: JsonObject) -> None:
        """Say how the run's own task ended, where the workflow names the key that says so."""
        if spec.outcome is None:
            return
        task = ended_task_of_run(
            run,
            success=_is_true(state, spec.outcome),
            evidence=f"state key {spec.outcome}",
            at=self._ambient.clock(),
        )
        await self.money.end_task(task)


def _is_true(state: JsonObject, name: str) -> bool:
    try:
        return value_at(name, state) is True
    except NameUnknown:
        return False
