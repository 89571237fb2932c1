"""The commands about bindings: `bind`, `bindings`, `apply`, `diff`. Each change is a new version, in force at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from harness.assembly import Harness, utc_now
from harness.cli.binding_export import export_bindings
from harness.cli.binding_places import filled_place, roles_of, workflows_of
from harness.cli.binding_views import show_bindings, show_history
from harness.cli.completion import model_names, node_names
from harness.cli.context import CommandContext, context_of
from harness.cli.global_options import Commands
from harness.cli.model_views import unpriced_hint
from harness.cli.recorded import has_state
from harness.exceptions import ConfigurationInvalid, NameUnknown, SpecificationInvalid
from harness.names import nearest_names
from harness.routing.binding_changes import (
    Change,
    Place,
    check_endpoint,
    check_models,
    differences,
    known_roles,
    parse_place,
    unknown_role_hint,
)
from harness.routing.binding_store import BindingVersion
from harness.routing.bindings import Binding, BindingsFile, catalogue_problems, read_bindings
from harness.workflow.spec import WorkflowSpec

commands = Commands()

_HISTORY = 50

FileArgument = Annotated[
    Path | None, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="Default: the project's own.")
]
ReasonOption = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept with the version.")]


PlaceArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="PLACE", help="ROLE, WORKFLOW:ROLE or WORKFLOW/NODE; of --export: a file.", autocompletion=node_names
    ),
]
ModelArgument = Annotated[
    str | None, typer.Argument(metavar="MODEL", help="A model of `harness models`.", autocompletion=model_names)
]
FallbackOption = Annotated[
    list[str] | None,
    typer.Option(
        "--fallback",
        metavar="MODEL",
        help="Answers if the one before fails; can be repeated.",
        autocompletion=model_names,
    ),
]
EndpointOption = Annotated[
    str | None,
    typer.Option(
        "--endpoint", metavar="NAME", help="Of the endpoints that serve the model, the one that is tried first."
    ),
]
ExportOption = Annotated[
    bool, typer.Option("--export", help="Write the bindings in force to a file, `-` or the project's own.")
]


@commands.command("bindings")
def bindings(
    ctx: typer.Context,
    history: Annotated[bool, typer.Option("--history", help="Show the versions, the newest first.")] = False,
    rollback: Annotated[
        int | None,
        typer.Option("--rollback", metavar="VERSION", min=1, help="Make a new version with an older one's content."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="So many versions at most.")] = _HISTORY,
    reason: ReasonOption = None,
) -> None:
    """Show which model fills which role.

    With `--json` each line is one binding: place, workflow, node, role, model, fallback, endpoint, prices, version.
    """
    context = context_of(ctx)
    if history and rollback is not None:
        raise typer.BadParameter("give --history or --rollback, not both")
    if rollback is not None:
        _roll_back(context, rollback, reason)
    elif history:
        show_history(context, limit)
    else:
        show_bindings(context)


@commands.command("bind")
def bind(
    ctx: typer.Context,
    place: PlaceArgument = None,
    model: ModelArgument = None,
    fallback: FallbackOption = None,
    endpoint: EndpointOption = None,
    export: ExportOption = False,
    reason: ReasonOption = None,
) -> None:
    """Bind a role to a model, in running processes too: the next step goes to it.

    The most specific binding wins: that of a workflow's node, of a workflow, of the role everywhere.

    `harness bind --export [FILE]` writes the bindings in force back as YAML. Lines that did not change keep their
    comments, and endpoints and models that only the file has stay in it.
    """
    context = context_of(ctx)
    if export:
        if model is not None or fallback or endpoint:
            raise typer.BadParameter("--export takes at most a file")
        export_bindings(context, place)
    elif place is None or model is None:
        raise typer.BadParameter("name a place and a model: `harness bind ROLE MODEL`")
    else:
        _bind(context, parse_place(place), (model, *(fallback or ())), endpoint, reason)


@commands.command("apply")
def apply(ctx: typer.Context, file: FileArgument = None, reason: ReasonOption = None) -> None:
    """Make a bindings file the version in force, and show what that changed.

    The whole file counts: a binding that it does not have is gone afterwards. A file that says what is in force
    already makes no version.
    """
    context = context_of(ctx)
    path = file or _own_file(context)

    async def body(harness: Harness) -> tuple[BindingVersion | None, BindingVersion]:
        wanted = read_bindings(path, harness.catalogue)
        current = await harness.bindings.current(harness.organisation)
        return current, await _add(harness, current, wanted, reason or f"applied {path.name}")

    _say_change(context, *context.work(body))


@commands.command("diff")
def diff(ctx: typer.Context, file: FileArgument = None) -> None:
    """Show how the file differs from the bindings in force: what `harness apply` would change.

    Exit code 0 where they are equal, 1 where they differ.
    """
    context = context_of(ctx)
    path = file or _own_file(context)

    async def body(harness: Harness) -> tuple[int | None, tuple[Change, ...]]:
        wanted = read_bindings(path, harness.catalogue)
        current = await harness.bindings.current(harness.organisation) if has_state(harness) else None
        changes = differences(current.bindings if current else BindingsFile(), wanted)
        return current.version if current else None, changes

    version, changes = context.work(body)
    found = {"file": path, "version": version, "equal": not changes, "changes": changes}
    if context.output.as_json or changes:
        context.output.record(found, "\n".join(map(str, changes)))
    if version is None:
        context.output.say(f"nothing is in force yet: `harness apply {path}` makes this file the first version")
    else:
        context.output.say(f"{path} {'differs from' if changes else 'equals'} version {version}")
    if changes:
        raise typer.Exit(1)


def _roll_back(context: CommandContext, version: int, reason: str | None) -> None:
    async def body(harness: Harness) -> tuple[BindingVersion | None, BindingVersion]:
        current = await harness.bindings.current(harness.organisation)
        old = await harness.bindings.version(harness.organisation, version)
        if old is None:
            there = await harness.bindings.history(harness.organisation)
            known = [str(each.version) for each in there]
            raise NameUnknown("version of the bindings", str(version), nearest_names(str(version), known) or known[:3])
        problems = catalogue_problems(old.bindings, harness.catalogue)
        if problems:
            raise SpecificationInvalid([f"version {version} of the bindings: {each}" for each in problems])
        return current, await _add(harness, current, old.bindings, reason or f"rolled back to version {version}")

    _say_change(context, *context.work(body))


def _bind(
    context: CommandContext, place: Place, models: Sequence[str], endpoint: str | None, reason: str | None
) -> None:
    specs = workflows_of(context.project)
    workflow, role = filled_place(place, specs, context.project)
    model, *fallback = models
    if len(set(models)) != len(models):
        raise ConfigurationInvalid("fallback", ", ".join(fallback), "command line", "name each model once")
    binding = Binding(
        role=role, model=model, workflow=workflow, node=place.node, endpoint=endpoint, fallback=tuple(fallback)
    )

    async def body(harness: Harness) -> tuple[BindingVersion | None, BindingVersion, list[str]]:
        current = await harness.binding_version()
        made = await _add(harness, current, _with_binding(harness, current, binding), reason or "")
        return current, made, _notes(harness, current, binding, specs)

    before, after, notes = context.work(body)
    _say_change(context, before, after)
    for note in notes:
        context.output.say(f"note: {note}", style="yellow")


def _with_binding(harness: Harness, current: BindingVersion, binding: Binding) -> BindingsFile:
    """The bindings in force with this one in its place.

    Raises:
        NameUnknown: it names what is not in the catalogue.
        SpecificationInvalid: it brings a mistake in; what was wrong before is no reason to refuse what is right.
    """
    catalogue = current.bindings.catalogue(harness.catalogue)
    check_models((binding.model, *binding.fallback), catalogue)
    check_endpoint(binding.model, binding.endpoint, catalogue)
    wanted = current.bindings.with_binding(binding)
    known = catalogue_problems(current.bindings, harness.catalogue)
    problems = [each for each in catalogue_problems(wanted, harness.catalogue) if each not in known]
    if problems:
        raise SpecificationInvalid([f"binding {binding.place}: {each}" for each in problems])
    return wanted


def _notes(harness: Harness, current: BindingVersion, binding: Binding, specs: Mapping[str, WorkflowSpec]) -> list[str]:
    """What is worth knowing of a binding that is in force all the same."""
    asked_for = (role for spec in specs.values() for roles in roles_of(spec).values() for role in roles)
    hint = unknown_role_hint(binding.role, known_roles(current.bindings, asked_for)) if specs else None
    catalogue = current.bindings.catalogue(harness.catalogue)
    unpriced = unpriced_hint(harness.prices, catalogue, binding, utc_now())
    return [each for each in (hint, unpriced) if each is not None]


async def _add(harness: Harness, current: BindingVersion | None, wanted: BindingsFile, reason: str) -> BindingVersion:
    """The version that says what is wanted: the one in force where it does already, else a new one.

    Raises:
        BindingsChanged: another change came in between; nothing was written.
    """
    if current is not None and not differences(current.bindings, wanted):
        return current
    return await harness.bindings.add(
        harness.organisation,
        wanted,
        made_by=harness.settings.person,
        reason=reason,
        replaces=current.version if current else None,
    )


def _say_change(context: CommandContext, before: BindingVersion | None, after: BindingVersion) -> None:
    changed = before is None or before.version != after.version
    changes = differences(before.bindings if before else BindingsFile(), after.bindings)
    found = {
        "version": after.version,
        "changed": changed,
        "made_by": after.made_by,
        "reason": after.reason,
        "changes": changes,
    }
    if context.output.as_json or changes:
        context.output.record(found, "\n".join(map(str, changes)))
    context.output.say(
        f"version {after.version} is in force" if changed else f"nothing new: version {after.version} says so already"
    )


def _own_file(context: CommandContext) -> Path:
    """The project's bindings file.

    Raises:
        ConfigurationInvalid: there is none.
    """
    own = context.project.bindings_path if context.project else None
    if own is None:
        where = "no harness.yaml was found" if context.project is None else "harness.yaml names no bindings"
        raise ConfigurationInvalid("FILE", "", where, "name a bindings file")
    if not own.is_file():
        raise ConfigurationInvalid("bindings", str(own), "harness.yaml", "there is no such file: write it, or name one")
    return own
