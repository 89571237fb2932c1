"""The commands `init` and `check`: a project that runs at once, and everything that is wrong with one before it runs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from harness.assembly import Harness
from harness.cli.completion import workflow_names
from harness.cli.context import context_of
from harness.cli.exit_codes import ExitCode
from harness.cli.forecast import BindingsInForce, Forecast, bindings_in_force, forecast
from harness.cli.global_options import Commands
from harness.cli.output import counted
from harness.cli.workflow_files import loaded_workflow, workflow_file
from harness.exceptions import NameUnknown, PriceUnknown, SpecificationInvalid
from harness.models.prices import read_price_overrides
from harness.project import Project
from harness.routing.bindings import read_bindings
from harness.templates.new_project import write_project
from harness.workflow.checking.checks import check as check_workflow
from harness.workflow.checking.registry import Registry
from harness.workflow.loading import LoadedWorkflow
from ontology import load_schema
from ontology.exceptions import YamlInvalid

commands = Commands()


@dataclass(frozen=True, slots=True)
class Checked:
    """One file that was checked: a workflow, or one that the project names.

    Args:
        ahead: the worst case of a workflow without problems.
    """

    file: str
    problems: tuple[str, ...]
    ahead: Forecast | None = None


@commands.command("init")
def init(
    ctx: typer.Context,
    name: Annotated[Path, typer.Argument(metavar="NAME", help="The folder to make; its last part names the project.")],
) -> None:
    """Write a commented project that runs at once: two nodes, on replies from a file, in a new folder."""
    context = context_of(ctx)
    written = write_project(name)
    context.output.record(
        {"project": str(name), "files": [str(path) for path in written]},
        "\n".join(str(path) for path in written),
    )
    context.output.say(f"run it: `cd {name} && harness run {name.resolve().name}`")


@commands.command("check")
def check(
    ctx: typer.Context,
    workflows: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[WORKFLOW]...",
            help="Workflows of the project or files; all where none is named.",
            autocompletion=workflow_names,
        ),
    ] = None,
    items: Annotated[
        int | None, typer.Option("--items", min=0, help="How long to assume lists that are not known.")
    ] = None,
) -> None:
    """Find every mistake in workflows, bindings, prices and ontology, by file, line and column; runs nothing.

    What is right is printed with its worst case in dollars, calls and tokens beside what is left of the caps.
    """
    context = context_of(ctx)
    names = workflows or []
    paths = [workflow_file(context, name) for name in names]
    if not names:
        project = context.required_project()
        paths = [project.workflow_path(name) for name in project.file.workflows]
    checked = context.work(lambda harness: _check(harness, paths, items))
    problems = [problem for each in checked for problem in each.problems]
    context.output.record(_as_object(checked), "\n".join(_as_lines(checked)))
    if problems:
        context.output.problem(counted(len(problems), "problem"))
        raise typer.Exit(ExitCode.SPECIFICATION_INVALID)


async def _check(harness: Harness, paths: list[Path], items: int | None) -> list[Checked]:
    found = _check_files(harness.project, harness) if harness.project else []
    try:
        in_force = await bindings_in_force(harness)
    except SpecificationInvalid:
        in_force = None  # noted already, at the bindings file
    return [*found, *[await _check_one(harness, path, in_force, items) for path in paths]]


def _check_files(project: Project, harness: Harness) -> list[Checked]:
    """The files that a project names beside its workflows."""
    readers: list[tuple[Path | None, Callable[[Path], object]]] = [
        (project.bindings_path, lambda path: read_bindings(path, harness.catalogue)),
        (project.prices_path, read_price_overrides),
        (project.ontology_path, load_schema),
    ]
    return [Checked(str(path), _problems_of(path, read)) for path, read in readers if path is not None]


def _problems_of(path: Path, read: Callable[[Path], object]) -> tuple[str, ...]:
    try:
        read(path)
    except (SpecificationInvalid, YamlInvalid) as error:
        return tuple(error.problems)
    except OSError as error:
        return (f"{path}:1:1: cannot be read: {error.strerror}",)
    return ()


async def _check_one(harness: Harness, path: Path, in_force: BindingsInForce | None, items: int | None) -> Checked:
    try:
        loaded = loaded_workflow(path, harness.project)
    except SpecificationInvalid as error:
        return Checked(str(path), error.problems)
    names = harness.project.registry() if harness.project else Registry()

    def is_bound(workflow: str, node: str, role: str) -> bool:
        return in_force is None or in_force.bindings.is_bound(workflow, node, role)

    problems = check_workflow(loaded, names, is_bound)
    if problems or in_force is None:
        return Checked(str(path), tuple(problems))
    return await _with_forecast(harness, path, loaded, in_force, items)


async def _with_forecast(
    harness: Harness, path: Path, loaded: LoadedWorkflow, in_force: BindingsInForce, items: int | None
) -> Checked:
    # Inputs may be given another value than their default, so that they are as unknown as what nodes write.
    values = {key: spec.default for key, spec in loaded.spec.state.items() if key not in loaded.spec.inputs}
    try:
        return Checked(str(path), (), await forecast(harness, loaded, in_force, values=values, items=items))
    except (PriceUnknown, NameUnknown) as error:
        return Checked(str(path), (f"{path}:1:1: {error}",))
    except SpecificationInvalid as error:
        return Checked(str(path), error.problems)


def _as_object(checked: list[Checked]) -> dict[str, object]:
    return {
        "problems": [problem for each in checked for problem in each.problems],
        "files": [
            {
                "file": each.file,
                "problems": each.problems,
                "worst_case": each.ahead.as_object() if each.ahead else None,
            }
            for each in checked
        ],
    }


def _as_lines(checked: list[Checked]) -> list[str]:
    lines: list[str] = []
    for each in checked:
        lines += each.problems or [f"{each.file}: good"]
        lines += [each.ahead.as_text()] if each.ahead else []
    return lines
