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
    CommandEntry("approve", "question_commands", _RUNS, "Answer what a run waits for, and let it go on."),
    CommandEntry("questions", "question_commands", _RUNS, "List what waits for a person."),
    CommandEntry("cancel", "control_commands", _RUNS, "Stop a run; it can be resumed."),
    CommandEntry("fork", "control_commands", _RUNS, "Start a new run from a step of another one."),
    CommandEntry("runs", "history_commands", _RUNS, "List runs; drop what is kept of old ones."),
    CommandEntry("show", "show_commands", _RUNS, "Show one run: how far it came and what it cost."),
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
    CommandEntry("tools", "tool_commands", _PROJECT, "Show what workflows may do in the world; let servers' tools in."),
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
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = GlobalOptions()
    try:
        code: object = command_line().main(args=words, prog_name="harness", obj=options, standalone_mode=False)
    except SystemExit:
        raise
    except (typer.TyperException, typer.Abort) as error:
        sys.exit(_misused(error, as_json=options.json or "--json" in words))
    except BaseException as error:  # noqa: BLE001 - the last place where anything can be said about it
        # Late, because the error trees of the floors below come with their databases' libraries.
        from harness.cli.failures import explained

        sys.exit(explained(error, options.log_folder, as_json=options.json))
    sys.exit(code if isinstance(code, int) else 0)


def _misused(error: typer.TyperException | typer.Abort, *, as_json: bool) -> int:
    """Say what is wrong with the command line itself, in typer's own words."""
    if isinstance(error, typer.Abort):
        typer.echo("aborted", err=True)
        return 1
    if not as_json:
        from typer import rich_utils  # loads a part of rich that a command without a mistake needs not

        rich_utils.rich_format_error(error)  # pyright: ignore[reportArgumentType] - every one of them is click's
    else:
        from harness.cli.output import error_object, json_line

        typer.echo(json_line(error_object(error, error.format_message(), error.exit_code)))
    return error.exit_code


if __name__ == "__main__":
    run()
