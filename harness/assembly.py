"""The composition root: the parts of the house, the engine that runs workflows with them, and how programs use both."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from harness.engines.embedded import LEASE_SECONDS, EmbeddedEngine, EngineParts, RunOrder
from harness.engines.run_handles import RunHandle
from harness.engines.run_limits import MoneyRunLimits
from harness.engines.run_store import Run
from harness.engines.run_tasks import ended_task_of_run
from harness.exceptions import NameUnknown, SpecificationInvalid
from harness.json_values import JsonObject
from harness.names import nearest_names
from harness.parts import PRICES_FILE, Ambient, Parts, utc_now
from harness.project import Project, find_project
from harness.settings import Settings, Surroundings, load_settings
from harness.storage.sql_questions import AskingRun, SqlRunQuestions
from harness.storage.sql_result_cache import SqlResultCache
from harness.storage.sql_run_ledger import LedgerOfRun, SqlRunLedger
from harness.storage.sql_step_journal import SqlStepJournal
from harness.workflow.building import Workflow
from harness.workflow.checking.checks import require_valid
from harness.workflow.checking.registry import Registry
from harness.workflow.events import OnRunEvent
from harness.workflow.loading import LoadedWorkflow, load_workflow, named_workflows, workflow_from_spec
from harness.workflow.nodes.node_services import ChildRuns, NodeServices, RunIdentity
from harness.workflow.spec import WorkflowSpec
from harness.workflow.state_values import value_at

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
        self._written = {each.name: each for each in workflows}
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
        workflow: str | Path | Workflow | LoadedWorkflow,
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
        loaded = self.load(workflow)
        version = await self.binding_version()
        require_valid(loaded, self.registry(), version.bindings.is_bound)
        run = await self.engine.record(
            RunOrder(
                loaded=loaded,
                inputs=inputs or {},
                person=self.settings.person,
                team=team,
                working_folder=working_folder or Path.cwd(),
                project_folder=self.project.folder if self.project else Path.cwd(),
                binding_version=version.version,
            )
        )
        return self._handle(run.run_id)

    async def resume(self, run_id: str, *, migrate: str | Path | Workflow | LoadedWorkflow | None = None) -> RunHandle:
        """Continue a run in the background; nothing that was finished or paid for is done again.

        Args:
            migrate: the workflow that it goes on with from here.

        Raises:
            NameUnknown: there is no such run.
        """
        run = await self.runs.run(run_id)
        return self._handle(run.run_id, None if migrate is None else self.load(migrate))

    def load(self, workflow: str | Path | Workflow | LoadedWorkflow) -> LoadedWorkflow:
        """A workflow by its name, its file, or as Python wrote it, with the workflows that are its steps.

        Raises:
            NameUnknown: there is no workflow of this name.
            SpecificationInvalid: it cannot be used, or would come to run itself.
        """
        if isinstance(workflow, LoadedWorkflow):
            return workflow
        if isinstance(workflow, Workflow):
            self._written[workflow.name] = workflow
            return self._with_steps(workflow, ())
        if isinstance(workflow, str) and workflow in self._written:
            return self._with_steps(self._written[workflow], ())
        paths = self._workflow_paths()
        if isinstance(workflow, str) and workflow not in paths:
            raise NameUnknown("workflow", workflow, nearest_names(workflow, [*paths, *self._written]))
        return load_workflow(paths[workflow] if isinstance(workflow, str) else workflow, paths)

    def registry(self) -> Registry:
        """What workflows may name here. Imports nothing."""
        known = self.project.registry() if self.project else Registry()
        functions = frozenset(name for each in self._written.values() for name in each.functions)
        return replace(known, code=known.code | functions, workflows=known.workflows | self._written.keys())

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

    def _handle(self, run_id: str, migrate: LoadedWorkflow | None = None) -> RunHandle:
        handle = RunHandle(self.engine, run_id, person=self.settings.person, migrate=migrate)
        self._handles = [each for each in self._handles if not each.done]
        self._handles.append(handle)
        return handle

    def _workflow_paths(self) -> dict[str, Path]:
        project = self.project
        return {name: project.workflow_path(name) for name in project.file.workflows} if project else {}

    def _with_steps(self, workflow: Workflow, above: tuple[str, ...]) -> LoadedWorkflow:
        """What Python wrote, with the workflows that it names; `above`: those that it is a step of."""
        built, paths = workflow.build(), self._workflow_paths()
        steps: dict[str, LoadedWorkflow] = {}
        for _, name in named_workflows(built.spec):
            if name in (*above, workflow.name):
                way = " -> ".join([*above, workflow.name, name])
                raise SpecificationInvalid([f"{workflow.name}: {name!r} would come to run itself ({way})"])
            if name in self._written:
                step = self._with_steps(self._written[name], (*above, workflow.name))
            elif name in paths:
                step = load_workflow(paths[name], paths)
            else:
                continue  # the check says it
            steps |= {name: replace(step, workflows={}), **step.workflows}
        return workflow_from_spec(built.spec, built.files, steps)

    def _services_for(self, run: RunIdentity, on_event: OnRunEvent, children: ChildRuns) -> NodeServices:
        clock, writer = self._ambient.clock, self.databases.runs_writer
        of_run = LedgerOfRun(run.run_id, run.task_id, run.organisation, run.person, run.workflow)
        asking = AskingRun(run.organisation, run.run_id, run.root_run_id, run.workflow, run.person)
        return NodeServices(
            model_call=self.model_call.of_step(run.within) if run.within else self.model_call,
            resolve=lambda name: self._resolve(run.workflow, name),
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
            sleep=asyncio.sleep,
            random=self._ambient.random,
            stream=self._stream,
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

    def _resolve(self, workflow: str, name: str) -> Callable[..., Any]:
        """The code of a name: what Python wrote with the workflow goes before what the project registers."""
        functions: Mapping[str, Callable[..., Any]] = (
            self._written[workflow].functions if workflow in self._written else {}
        )
        if name in functions:
            return functions[name]
        if self.project is None:
            raise NameUnknown("code", name, nearest_names(name, functions))
        return self.project.resolve_callable(name)

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
