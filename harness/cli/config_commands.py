"""The command `config`: the settings in force, where each comes from, and the files they are read from."""

from typing import Annotated

import typer

from harness.cli.context import context_of
from harness.cli.global_options import Commands
from harness.cli.output import Column
from harness.project import PROJECT_FILE
from harness.settings import SettingRow, Surroundings

commands = Commands()
config = Commands(help="Show the settings and where they come from.")
commands.add_typer(config, name="config")


@config.command("show")
def show(
    ctx: typer.Context,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value comes from.")] = False,
) -> None:
    """Print every setting with its value; secrets are hidden."""
    context = context_of(ctx)
    columns = [Column("setting", _name), Column("value", _value), *([Column("from", _origin)] if origin else [])]
    context.output.rows(list(context.settings.rows()), columns, as_object=SettingRow._asdict, empty="")


@config.command("path")
def path(ctx: typer.Context) -> None:
    """Print the files that settings are read from, the one that counts more first, and whether each is there."""
    context = context_of(ctx)
    project = context.project
    user_file = Surroundings.of_this_process().user_file
    files = [
        {"file": "project", "path": str(project.folder / PROJECT_FILE) if project else None, "exists": bool(project)},
        {"file": "user", "path": str(user_file), "exists": user_file.is_file()},
    ]
    columns = [
        Column("file", lambda row: row["file"]),
        Column("path", lambda row: row["path"] or f"no {PROJECT_FILE} here or upwards"),
        Column("exists", lambda row: "yes" if row["exists"] else "no"),
    ]
    context.output.rows(files, columns, as_object=dict, empty="")


def _name(row: SettingRow) -> str:
    return row.name


def _value(row: SettingRow) -> str:
    return row.value


def _origin(row: SettingRow) -> str:
    return row.origin
