"""The workflows that a process knows: those that the project registers, and those that Python wrote in it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.exceptions import NameUnknown, SpecificationInvalid
from harness.names import nearest_names
from harness.project import Project
from harness.workflow.building import Workflow
from harness.workflow.checking.registry import Registry
from harness.workflow.loading import LoadedWorkflow, load_workflow, named_workflows, workflow_from_spec

# A workflow by its name, its file, or as Python wrote or loaded it.
AnyWorkflow = str | Path | Workflow | LoadedWorkflow


class WorkflowLibrary:
    """Finds workflows, and the code that their nodes name.

    Args:
        written: those that Python wrote; another one of the same name takes the place of one that is here.
    """

    def __init__(self, project: Project | None, written: Iterable[Workflow]) -> None:
        self._project = project
        self._written = {each.name: each for each in written}

    def load(self, workflow: AnyWorkflow) -> LoadedWorkflow:
        """A workflow with the workflows that are its steps.

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
        paths = self._paths()
        if isinstance(workflow, str) and workflow not in paths:
            raise NameUnknown("workflow", workflow, nearest_names(workflow, [*paths, *self._written]))
        return load_workflow(paths[workflow] if isinstance(workflow, str) else workflow, paths)

    def registry(self) -> Registry:
        """What workflows may name here. Imports nothing."""
        known = self._project.registry() if self._project else Registry()
        functions = frozenset(name for each in self._written.values() for name in each.functions)
        return replace(known, code=known.code | functions, workflows=known.workflows | self._written.keys())

    def code(self, workflow: str, name: str) -> Callable[..., Any]:
        """The code of a name: what Python wrote with the workflow goes before what the project registers.

        Raises:
            NameUnknown: there is none.
            SpecificationInvalid: what is registered cannot be imported, or cannot be called.
        """
        functions: Mapping[str, Callable[..., Any]] = (
            self._written[workflow].functions if workflow in self._written else {}
        )
        if name in functions:
            return functions[name]
        if self._project is None:
            raise NameUnknown("code", name, nearest_names(name, functions))
        return self._project.resolve_callable(name)

    def _paths(self) -> dict[str, Path]:
        project = self._project
        return {name: project.workflow_path(name) for name in project.file.workflows} if project else {}

    def _with_steps(self, workflow: Workflow, above: tuple[str, ...]) -> LoadedWorkflow:
        """What Python wrote, with the workflows that it names; `above`: those that it is a step of."""
        built, paths = workflow.build(), self._paths()
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
