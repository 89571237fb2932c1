"""The command `harness`: the table of its commands. What becomes of an error is in `failures.py`.

A command's module is imported when that command is chosen and not before, so it may import at its top what it needs,
and `harness --help` stays light. Where a command is added: one line in `COMMANDS`, and in its module
`commands = Commands()` (from `harness.cli.global_options`) that registers it under the same name.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from harness.cli.global_options import Commands, GlobalOptions


class CommandEntry(NamedTuple):
    """A command or group of commands: its name, its module, the panel of `--help` it stands in, what it does."""

    name: str
    module: str
    panel: str
    summary: str


_DISTRIBUTION = "portable-harness"
_RUNS, _MODELS, _MONEY, _MEMORY, _PROJECT = "Runs", "Models", "Money", "Memory", "Project"

COMMANDS: tuple[CommandEntry, ...] = (
    CommandEntry("run", "run_commands", _RUNS, "Run a workflow."),
    CommandEntry("resume", "run_commands", _RUNS, "Continue a run, or all whose process is gone."),
    CommandEntry("runs", "history_commands", _RUNS, "List runs."),
    CommandEntry("show", "history_commands", _RUNS, "Show one run: how far it came and what it cost."),
    CommandEntry("outcome", "history_commands", _RUNS, "Say whether a run's business is done."),
    CommandEntry("bind", "binding_commands", _MODELS, "Bind a role to a model."),
    CommandEntry("bindings", "binding_commands", _MODELS, "Show which model fills which role."),
    CommandEntry("models", "model_commands", _MODELS, "Show the models that can be bound, and their prices."),
    CommandEntry("apply", "binding_commands", _MODELS, "Make a bindings file the version in force."),
    CommandEntry("diff", "binding_commands", _MODELS, "Show how the bindings in force differ from the file."),
    CommandEntry("costs", "cost_commands", _MONEY, "Show what completed tasks cost."),
    CommandEntry("budget", "budget_commands", _MONEY, "Set, show and end limits."),
    CommandEntry("memory", "memory_commands", _MEMORY, "Search what was learned."),
    CommandEntry("ontology", "ontology_commands", _MEMORY, "Query the things that are known."),
    CommandEntry("backup", "backup_commands", _MEMORY, "Copy the databases while they are in use."),
    CommandEntry("init", "project_commands", _PROJECT, "Write a project that runs at once."),
    CommandEntry("check", "project_commands", _PROJECT, "Find every mistake before a run; print its worst case."),
    CommandEntry("config", "config_commands", _PROJECT, "Show the settings and where they come from."),
)


# `exit_codes.py` maps errors to them.
_EXIT_CODES = (
    "Exit codes: 0 done, 1 run failed, 2 misuse, 3 specification invalid, 4 budget refused, 5 waits for a person, "
    "6 provider or key unavailable, 7 lease held elsewhere, 130 interrupted."
)


class LazyCommand(TyperCommand):
    """Stands for a command in `--help` and is replaced by it when it is chosen."""

    def __init__(self, entry: CommandEntry) -> None:
        super().__init__(entry.name, help=entry.summary, rich_help_panel=entry.panel)
        self._entry = entry

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the real command, which is invoked from there on."""
        return self._real().make_context(info_name, args, parent=parent, **extra)

    def _real(self) -> Any:
        module = importlib.import_module(f"harness.cli.{self._entry.module}")
        return typer.main.get_group(module.commands).commands[self._entry.name]


def _print_version(value: bool) -> None:
    if value:
        typer.echo(_version())
        raise typer.Exit


def _version() -> str:
    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:
        return f"{_DISTRIBUTION} is not installed: this is its source tree"


def _root(
    _asked: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Run business workflows on any model, within budgets, with a memory you can take with you."""


def command_line() -> TyperGroup:
    """The whole command line; only the commands' names and summaries are loaded."""
    app = Commands(rich_markup_mode="rich")
    app._add_completion = True  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    app.callback(epilog=_EXIT_CODES)(_root)
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    for entry in COMMANDS:
        group.add_command(LazyCommand(entry))
    return group


def run(arguments: Sequence[str] | None = None) -> None:
    """The console script: do what the arguments say and end the process with its exit code."""
    options = GlobalOptions()
    try:
        command_line().main(args=arguments, prog_name="harness", obj=options)
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - the last place where anything can be said about it
        # Late, because the error trees of the floors below come with their databases' libraries.
        from harness.cli.failures import explained

        sys.exit(explained(error, options.log_folder))


if __name__ == "__main__":
    run()
