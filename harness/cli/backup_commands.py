"""The command `backup`: a copy of the databases that can be trusted, and the check of one."""

from pathlib import Path
from typing import Annotated

import typer

from harness.assembly import utc_now
from harness.cli.context import context_of
from harness.cli.global_options import Commands
from harness.cli.output import Output, time_text
from harness.exceptions import ConfigurationInvalid
from harness.storage.backup import Backup, back_up, restore_check

commands = Commands()


@commands.command("backup")
def backup(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder; with --verify, one of a backup.")],
    verify: Annotated[bool, typer.Option("--verify", help="Read a backup as a restore would.")] = False,
) -> None:
    """Copy the databases to a new folder while they are in use; it appears whole or not at all.

    To restore, stop what runs and put the files back into the home folder. The vectors are not copied: `harness memory
    verify --repair` makes them anew from the record.
    """
    context = context_of(ctx)
    if verify:
        _say(context.output, folder, restore_check(folder), "is whole")
        return
    settings = context.settings
    if settings.database_url is not None:
        origin = settings.origin_of("database_url")
        raise ConfigurationInvalid("database_url", "********", origin, "back PostgreSQL up by its own tools (pg_dump)")
    _say(context.output, folder, back_up(settings.home, folder, clock=utc_now), "is made")


def _say(output: Output, folder: Path, found: Backup, what: str) -> None:
    lines = [
        f"{each.name}  {each.bytes:,} bytes  integrity {each.integrity}  sha256 {each.sha256[:16]}"
        for each in found.databases
    ]
    output.record(
        {"folder": folder, "made_at": found.made_at, "sqlite": found.sqlite, "databases": found.databases},
        "\n".join(lines),
    )
    output.say(f"{folder} {what}: {len(lines)} databases of {time_text(found.made_at)}")
