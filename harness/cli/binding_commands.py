"""The commands about bindings: `bind`, `bindings`, `apply`, `diff`. Each change is a new version, in force at once."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer

from harness.assembly import Harness, utc_now
from harness.cli.context import CommandContext, context_of
from harness.cli.global_options import Commands
from harness.cli.model_commands import Rates, rates_of
from harness.cli.output import Column, time_text
from harness.exceptions import ConfigurationInvalid, NameUnknown, SpecificationInvalid
from harness.names import nearest_names
from harness.project import Project
from harness.routing.binding_changes import (
    Change,
    Place,
    check_models,
    differences,
    known_roles,
    parse_place,
    unknown_role_hint,
)
from harness.routing.binding_store import BindingVersion
from harness.routing.bindings import Binding, BindingsFile, read_bindings, unknown_model_problems
from harness.routing.bindings_text import BindingsText, bindings_put_into, bindings_text
from harness.workflow.loading import load_workflow
from harness.workflow.spec import ModelNode, WorkflowSpec

commands = Commands()

_STDOUT = Path("-")
_HISTORY = 50

FileArgument = Annotated[
    Path | None, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="Default: the project's own.")
]
ReasonOption = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept with the version.")]


@dataclass(frozen=True, slots=True)
class BindingRow:
    """One binding in force, with what its model costs."""

    place: str
    binding: Binding
    endpoint: str | None
    rates: Rates
    version: int

    def as_object(self) -> dict[str, object]:
        """As programs read it."""
        return {
            "place": self.place,
            "workflow": self.binding.workflow,
            "node": self.binding.node,
            "role": self.binding.role,
            "model": self.binding.model,
            "fallback": self.binding.fallback,
            "endpoint": self.endpoint,
            "input_usd_per_million": self.rates.input_usd_per_million,
            "output_usd_per_million": self.rates.output_usd_per_million,
            "version": self.version,
        }


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version, with what it changed."""

    version: int
    made_at: datetime
    made_by: str
    reason: str
    changes: tuple[Change, ...]


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
        _show_history(context, limit)
    else:
        _show_bindings(context)


@commands.command("bind")
def bind(
    ctx: typer.Context,
    place: Annotated[
        str | None, typer.Argument(metavar="PLACE", help="ROLE, WORKFLOW:ROLE or WORKFLOW/NODE; of --export: a file.")
    ] = None,
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="A model of `harness models`.")] = None,
    fallback: Annotated[
        list[str] | None,
        typer.Option("--fallback", metavar="MODEL", help="Answers if the one before fails; can be repeated."),
    ] = None,
    export: Annotated[
        bool,
        typer.Option("--export", help="Write the bindings in force to a file, `-` or the project's own."),
    ] = False,
    reason: ReasonOption = None,
) -> None:
    """Bind a role to a model, in running processes too: the next step goes to it.

    The most specific binding wins: that of a workflow's node, of a workflow, of the role everywhere.

    `harness bind --export [FILE]` writes the bindings in force back as YAML. Lines that did not change keep their
    comments, and endpoints and models that only the file has stay in it.
    """
    context = context_of(ctx)
    if export:
        if model is not None or fallback:
            raise typer.BadParameter("--export takes at most a file")
        _export(context, place)
    elif place is None or model is None:
        raise typer.BadParameter("name a place and a model: `harness bind ROLE MODEL`")
    else:
        _bind(context, parse_place(place), (model, *(fallback or ())), reason)


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
        current = await harness.bindings.current(harness.organisation)
        return (
            (current.version, differences(current.bindings, wanted))
            if current
            else (
                None,
                differences(BindingsFile(), wanted),
            )
        )

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


def _show_bindings(context: CommandContext) -> None:
    async def body(harness: Harness) -> list[BindingRow]:
        current = await harness.binding_version()
        catalogue = current.bindings.catalogue(harness.catalogue)
        at = utc_now()
        rows: list[BindingRow] = []
        for binding in sorted(current.bindings.bindings, key=lambda each: each.place):
            model = catalogue.models.get(binding.model)
            rates = rates_of(harness.prices, catalogue, binding.model, at)
            endpoint = model.endpoint if model else None
            rows.append(BindingRow(binding.place, binding, endpoint, rates, current.version))
        return rows

    context.output.rows(
        context.work(body),
        [
            Column("place", lambda row: row.place),
            Column("model", lambda row: row.binding.model),
            Column("fallback", lambda row: ", ".join(row.binding.fallback) or "-"),
            Column("endpoint", lambda row: row.endpoint or "-"),
            Column("in / out a million", lambda row: str(row.rates)),
            Column("version", lambda row: str(row.version), right=True),
        ],
        as_object=BindingRow.as_object,
        empty="nothing is bound: `harness bind ROLE MODEL`, or `harness apply FILE`",
    )


def _show_history(context: CommandContext, limit: int) -> None:
    async def body(harness: Harness) -> list[VersionRow]:
        versions = await harness.bindings.history(harness.organisation, limit=limit + 1)
        before = [*(each.bindings for each in versions), BindingsFile()]
        return [
            VersionRow(each.version, each.made_at, each.made_by, each.reason, differences(older, each.bindings))
            for each, (_, older) in zip(versions, pairwise(before), strict=True)
        ][:limit]

    context.output.rows(
        context.work(body),
        [
            Column("version", lambda row: str(row.version), right=True),
            Column("made", lambda row: time_text(row.made_at)),
            Column("by", lambda row: row.made_by),
            Column("reason", lambda row: row.reason or "-"),
            Column("changed", lambda row: "\n".join(map(str, row.changes)) or "nothing"),
        ],
        as_object=lambda row: row,
        empty="there is no version yet: the first run makes one of the project's bindings file",
    )


def _roll_back(context: CommandContext, version: int, reason: str | None) -> None:
    async def body(harness: Harness) -> tuple[BindingVersion | None, BindingVersion]:
        current = await harness.bindings.current(harness.organisation)
        old = await harness.bindings.version(harness.organisation, version)
        if old is None:
            there = await harness.bindings.history(harness.organisation)
            known = [str(each.version) for each in there]
            raise NameUnknown("version of the bindings", str(version), nearest_names(str(version), known) or known[:3])
        problems = unknown_model_problems(None, old.bindings, harness.catalogue)
        if problems:
            raise SpecificationInvalid([f"version {version} of the bindings: {each}" for each in problems])
        return current, await _add(harness, current, old.bindings, reason or f"rolled back to version {version}")

    _say_change(context, *context.work(body))


def _bind(context: CommandContext, place: Place, models: Sequence[str], reason: str | None) -> None:
    specs = workflows_of(context.project)
    workflow, role = _filled(place, specs, context.project)

    async def body(harness: Harness) -> tuple[BindingVersion | None, BindingVersion, str | None]:
        current = await harness.binding_version()
        check_models(models, current.bindings.catalogue(harness.catalogue))
        model, *fallback = models
        if len(set(models)) != len(models):
            raise ConfigurationInvalid("fallback", ", ".join(fallback), "command line", "name each model once")
        binding = Binding(role=role, model=model, workflow=workflow, node=place.node, fallback=tuple(fallback))
        known = known_roles(current.bindings, (each for spec in specs.values() for each in _roles(spec).values()))
        made = await _add(harness, current, current.bindings.with_binding(binding), reason or "")
        return current, made, unknown_role_hint(role, known) if specs else None

    before, after, hint = context.work(body)
    _say_change(context, before, after)
    if hint:
        context.output.say(f"note: {hint}", style="yellow")


def workflows_of(project: Project | None) -> dict[str, WorkflowSpec]:
    """The project's workflows by the name it gives them and by their own."""
    found: dict[str, WorkflowSpec] = {}
    for name in project.file.workflows if project else ():
        spec = load_workflow(project.workflow_path(name)).spec if project else None
        if spec is not None:
            found[name] = found[spec.workflow] = spec
    return found


def _roles(spec: WorkflowSpec) -> dict[str, str]:
    return {name: node.role for name, node in spec.nodes.items() if isinstance(node, ModelNode)}


def _filled(place: Place, specs: dict[str, WorkflowSpec], project: Project | None) -> tuple[str | None, str]:
    """The workflow and role that a place means, checked against the project's workflows where it has some.

    Raises:
        NameUnknown: no such workflow, node or role.
        ConfigurationInvalid: a node's role is asked for where there is no project.
    """
    if place.workflow is None:
        assert place.role is not None  # a place without a workflow is a role
        return None, place.role
    if not specs:
        if place.role is None:
            where = "no harness.yaml was found" if project is None else "the project names no workflow"
            shown = f"{place.workflow}/{place.node}"
            raise ConfigurationInvalid("place", shown, "command line", f"{where}, so write {shown}:ROLE")
        return place.workflow, place.role
    spec = specs.get(place.workflow)
    if spec is None:
        raise NameUnknown("workflow", place.workflow, nearest_names(place.workflow, specs))
    roles = _roles(spec)
    if place.node is not None and place.node not in roles:
        kind = "node that asks a model" if place.node in spec.nodes else "node"
        raise NameUnknown(f"{kind} in workflow {spec.workflow!r}:", place.node, nearest_names(place.node, roles))
    role = place.role or roles[place.node or ""]
    asked = {roles[place.node]} if place.node else set(roles.values())
    if role not in asked:
        where = f"{spec.workflow}/{place.node}" if place.node else spec.workflow
        raise NameUnknown(f"role of {where!r}:", role, nearest_names(role, asked) or sorted(asked)[:3])
    return spec.workflow, role


def _export(context: CommandContext, file: str | None) -> None:
    own = context.project.bindings_path if context.project else None
    path = Path(file) if file else own or _STDOUT
    current = context.work(lambda harness: harness.binding_version())
    if path == _STDOUT:
        text = bindings_text(current.bindings)
        shown = {"file": None, "version": current.version, "text": text}
        context.output.record(shown, text.rstrip("\n"))
        return
    target = path.resolve()
    existing = target.read_text(encoding="utf-8-sig") if target.is_file() else ""
    written = bindings_put_into(existing, current.bindings, name=str(path))
    changed = written.text != existing
    if changed:
        _write_whole(target, written.text)
    _say_exported(context, path, current, written, changed=changed)


def _say_exported(
    context: CommandContext, path: Path, current: BindingVersion, written: BindingsText, *, changed: bool
) -> None:
    found = {
        "file": path,
        "version": current.version,
        "changed": changed,
        "kept_comments": written.kept_comments,
        "only_in_file": written.only_in_file,
    }
    if context.output.as_json:
        context.output.event(found)
    what = f"version {current.version} is written to {path}" if changed else f"{path} says version {current.version}"
    context.output.say(what)
    if not written.kept_comments:
        context.output.say("comments within entries that were written anew, or around them, are gone", style="yellow")
    if written.only_in_file:
        context.output.say(f"kept, though not in force: {', '.join(written.only_in_file)}; `harness apply` adds them")


def _write_whole(path: Path, text: str) -> None:
    """Put a text in a file's place: it is there whole or as it was."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    partial = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


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
