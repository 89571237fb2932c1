"""The files of workflows: those a command names, and those a run's workflow has by now."""

from pathlib import Path

from harness.assembly import Harness
from harness.cli.context import CommandContext
from harness.engines.run_orders import StoredOrder
from harness.engines.run_store import Run
from harness.exceptions import NameUnknown
from harness.project import Project
from harness.workflow.loading import LoadedWorkflow, load_workflow


def workflow_file(context: CommandContext, workflow: str) -> Path:
    """The file of a workflow that is named as in harness.yaml, or by its path.

    Raises:
        NameUnknown: the project has no such workflow.
    """
    path = Path(workflow)
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        context.look_from(path.parent)
        return path
    return context.required_project().workflow_path(workflow)


def loaded_workflow(path: Path, project: Project | None) -> LoadedWorkflow:
    """A workflow with those of the project that are its steps.

    Raises:
        SpecificationInvalid: a file of it cannot be used.
    """
    names = project.file.workflows if project else ()
    return load_workflow(path, {name: project.workflow_path(name) for name in names} if project else {})


async def recorded_workflow(harness: Harness, run: Run) -> LoadedWorkflow:
    """The workflow that a run goes on with."""
    return (await _stored(harness, run)).loaded


async def workflow_now(harness: Harness, run: Run) -> LoadedWorkflow:
    """The workflow of a run as its files have it now.

    Raises:
        NameUnknown: its file is not there any more, or Python wrote it.
        SpecificationInvalid: a file of it cannot be used.
    """
    stored = await _stored(harness, run)
    path = stored.working_folder / stored.loaded.name
    if not stored.loaded.name or not path.is_file():
        raise NameUnknown("file of the run's workflow", stored.loaded.name)
    return harness.load(path)


async def _stored(harness: Harness, run: Run) -> StoredOrder:
    return StoredOrder.from_json(await harness.runs.spec(run.run_id))
