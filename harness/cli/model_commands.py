"""The commands `models` and `models check`: which models can be bound, and whether one answers."""

import os
from pathlib import Path
from typing import Annotated

import typer

from harness.assembly import Harness, utc_now
from harness.cli.completion import model_names
from harness.cli.context import CommandContext, context_of
from harness.cli.forecast import bindings_in_force
from harness.cli.global_options import Commands
from harness.cli.model_check import ModelChecked, checked_model
from harness.cli.model_views import ModelRow, PlaceRow, model_row
from harness.cli.output import Column, usd_text
from harness.endpoint_keys import EndpointKeys

commands = Commands()
models = Commands(
    invoke_without_command=True,
    help="Show the models that can be bound, and where each is served; try one.",
)
commands.add_typer(models, name="models")


@models.callback(invoke_without_command=True)
def show_models(ctx: typer.Context) -> None:
    """Show the models that can be bound: the built-in ones, and those the bindings in force bring along.

    A model that several endpoints serve has a line for each, in the order in which they are tried. One without a known
    price is never called; its price is added to the project's file of prices.
    """
    if ctx.invoked_subcommand is not None:
        return
    context = context_of(ctx)
    rows = context.work(_rows)
    if context.output.as_json:
        for row in rows:
            context.output.event(row.as_object())
        return
    context.output.rows(
        [(row, place) for row in rows for place in row.places],
        [
            Column("model", lambda shown: _model(*shown)),
            Column("endpoint", lambda shown: shown[1].endpoint),
            Column("context", lambda shown: f"{shown[0].context_tokens:,}", right=True),
            Column("can", lambda shown: " ".join(shown[0].capabilities) or "-"),
            Column("in / out a million", lambda shown: str(shown[1].rates)),
            Column("key", lambda shown: shown[1].key),
        ],
        as_object=lambda shown: shown,
        empty="there are no models",
    )


@models.command("check")
def check_model(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model of `harness models`.", autocompletion=model_names)
    ],
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", metavar="NAME", help="Only at this endpoint; else at each.")
    ] = None,
) -> None:
    """Ask a model a few words at each endpoint that serves it: one small call each, held and charged as any other.

    Exit code 0 where all answered, else that of the first which did not: 6 where it or its key failed, 4 where no budget
    allows it, 3 where it has no price.
    """
    context = context_of(ctx)
    checked = context.work(lambda harness: checked_model(harness, name, endpoint))
    _say_checked(context, checked)
    failed = next((each for each in checked if not each.answered), None)
    if failed is not None:
        raise typer.Exit(failed.exit_code)


def _say_checked(context: CommandContext, checked: list[ModelChecked]) -> None:
    context.output.rows(
        checked,
        [
            Column("endpoint", lambda each: each.endpoint),
            Column("answered", lambda each: "yes" if each.answered else "no"),
            Column("seconds", lambda each: f"{each.seconds:.2f}", right=True),
            Column("cost", lambda each: usd_text(each.cost_usd), right=True),
            Column("says", lambda each: each.says),
        ],
        as_object=lambda each: each,
        empty="it is served nowhere",
    )


async def _rows(harness: Harness) -> list[ModelRow]:
    current = await bindings_in_force(harness)
    catalogue = current.bindings.catalogue(harness.catalogue)
    keys = EndpointKeys(harness.project.folder if harness.project else Path.cwd(), os.environ)
    at = utc_now()
    return [model_row(name, catalogue, harness.prices, keys, at) for name in sorted(catalogue.models)]


def _model(row: ModelRow, place: PlaceRow) -> str:
    return row.model if place is row.places[0] else f"{row.model} (also)"
