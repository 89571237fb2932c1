"""What the shell offers for names: workflows, nodes, runs, models. Cheap, and silent whatever goes wrong.

Nothing of it makes a database where there is none.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress

import typer

from harness.assembly import Harness
from harness.cli.context import CommandContext
from harness.cli.forecast import bindings_in_force
from harness.cli.global_options import options_of
from harness.cli.recorded import has_state
from harness.workflow.loading import load_workflow

_MOST = 50


def workflow_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """The workflows of the project."""
    return _offered(ctx, incomplete, _workflows)


def node_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """The nodes of the project's workflows, as `workflow/node`."""
    return _offered(ctx, incomplete, _nodes)


def model_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """The models that can be bound."""
    return _offered(ctx, incomplete, lambda context: context.work(_models))


def run_ids(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The newest runs, each with its workflow and status."""
    found: list[tuple[str, str]] = []
    with suppress(Exception):
        found = CommandContext(options_of(ctx)).work(_runs)
    return [(run_id, said) for run_id, said in found if run_id.startswith(incomplete)]


def _offered(ctx: typer.Context, incomplete: str, names: Callable[[CommandContext], Iterable[str]]) -> list[str]:
    # A shell shows whatever is printed in the middle of what is being typed, so nothing is ever said.
    with suppress(Exception):
        return sorted(name for name in names(CommandContext(options_of(ctx))) if name.startswith(incomplete))
    return []


def _workflows(context: CommandContext) -> Iterable[str]:
    return context.required_project().file.workflows


def _nodes(context: CommandContext) -> Iterable[str]:
    project = context.required_project()
    for name in project.file.workflows:
        with suppress(Exception):
            loaded = load_workflow(project.workflow_path(name))
            yield from (f"{loaded.spec.workflow}/{node}" for node in loaded.spec.nodes)


async def _models(harness: Harness) -> Iterable[str]:
    in_force = await bindings_in_force(harness)
    return in_force.bindings.catalogue(harness.catalogue).models


async def _runs(harness: Harness) -> list[tuple[str, str]]:
    if not has_state(harness):
        return []
    return [(run.run_id, f"{run.workflow}, {run.status}") for run in await harness.runs.runs(limit=_MOST)]
