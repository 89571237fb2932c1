"""The options that every command takes, before its name or after it, and the classes that give them to it.

Only typer is loaded here: `harness --help` and a mistyped command cost nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

_PANEL = "Global options"
_HELP_NAMES = {"help_option_names": ["-h", "--help"]}


@dataclass(slots=True)
class GlobalOptions:
    """What was said for the whole command.

    Args:
        person: who pays; None takes the setting.
        home: where state is kept; None takes the setting.
        project: a folder in which harness.yaml is looked for, or that file; None starts at the working folder.
        json: print JSON for programs in place of text for people.
        no_progress: True says nothing while a run goes on; None takes the setting.
        log_folder: where a fault of ours is written down; set once the settings are known.
    """

    person: str | None = None
    home: Path | None = None
    project: Path | None = None
    json: bool = False
    no_progress: bool | None = None
    log_folder: Path | None = None


def options_of(ctx: typer.Context) -> GlobalOptions:
    """The one object of a command line, whatever depth a command stands at."""
    options: object = ctx.find_root().obj
    if not isinstance(options, GlobalOptions):
        options = GlobalOptions()
        ctx.find_root().obj = options
    return options


def _kept_as(name: str) -> Callable[[typer.Context, Any], Any]:
    """A callback that keeps an option's value where it was given; the innermost one given counts."""

    def keep(ctx: typer.Context, value: Any) -> Any:
        if value is not None:
            setattr(options_of(ctx), name, value)
        return value

    return keep


def _option(name: str, flag: str, help_text: str, metavar: str | None = None) -> Any:
    """An option that is kept for the whole command and given to no command's function."""
    return typer.Option(
        flag,
        metavar=metavar,
        help=help_text,
        callback=_kept_as(name),
        expose_value=False,
        rich_help_panel=_PANEL,
    )


def _said_of_every_command(
    person: Annotated[str | None, _option("person", "--as", "Who pays and whose name stands on it.", "PERSON")] = None,
    home: Annotated[Path | None, _option("home", "--home", "Where state is kept.", "DIR")] = None,
    project: Annotated[
        Path | None, _option("project", "--project", "The folder of harness.yaml; else it is found upwards.", "DIR")
    ] = None,
    json: Annotated[
        bool | None, _option("json", "--json", "Print JSON: one object, or one a line for lists and streams.")
    ] = None,
    no_progress: Annotated[
        bool | None, _option("no_progress", "--no-progress", "Say nothing while a run goes on.")
    ] = None,
) -> None:
    """Only its parameters are used."""


def _global_parameters() -> list[Any]:
    probe = typer.Typer(add_completion=False)
    probe.command()(_said_of_every_command)
    return [each for each in typer.main.get_command(probe).params if each.name != "help"]


class _WithGlobalOptions:
    """Adds the global options to what typer makes of a command or a group."""

    params: list[Any]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        named["context_settings"] = _HELP_NAMES | (named.get("context_settings") or {})
        super().__init__(*arguments, **named)
        self.params.extend(_global_parameters())


class GlobalCommand(_WithGlobalOptions, TyperCommand):
    """A command with the global options."""


class GlobalGroup(_WithGlobalOptions, TyperGroup):
    """A group of commands with the global options."""


class Commands(typer.Typer):
    """The commands of one module, each with the global options.

    Use it as `commands = Commands()` and `@commands.command("name")`; for `harness budget set`, make another
    `Commands(help=...)` and add it by `commands.add_typer(other, name="budget")`. A group that does something without
    a command has a callback: `@group.callback(invoke_without_command=True)`.
    """

    def __init__(self, *, invoke_without_command: bool = False, **named: Any) -> None:
        super().__init__(
            cls=GlobalGroup,
            no_args_is_help=not invoke_without_command,
            invoke_without_command=invoke_without_command,
            add_completion=False,
            **named,
        )

    def command(self, name: str | None = None, **named: Any) -> Callable[[Any], Any]:
        """As typer's, with the global options."""
        return super().command(name, cls=GlobalCommand, **named)
