"""How bindings and their versions are shown."""

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from harness.assembly import Harness, utc_now
from harness.cli.context import CommandContext
from harness.cli.forecast import bindings_in_force
from harness.cli.model_views import Rates, rates_of
from harness.cli.output import Column, time_text
from harness.routing.binding_changes import Change, differences
from harness.routing.bindings import Binding, BindingsFile


@dataclass(frozen=True, slots=True)
class BindingRow:
    """One binding in force, with what its model costs; version 0 is the project's file, which nobody applied yet.

    Args:
        endpoint: the one that is tried first.
    """

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


def show_bindings(context: CommandContext) -> None:
    """Print the bindings in force."""

    async def body(harness: Harness) -> list[BindingRow]:
        current = await bindings_in_force(harness)
        catalogue = current.bindings.catalogue(harness.catalogue)
        at = utc_now()
        rows: list[BindingRow] = []
        for binding in sorted(current.bindings.bindings, key=lambda each: each.place):
            model = catalogue.models.get(binding.model)
            endpoint = binding.endpoint or (model.endpoint if model else None)
            rates = rates_of(harness.prices, catalogue, binding.model, at, endpoint=endpoint)
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
            Column("version", lambda row: str(row.version or "-"), right=True),
        ],
        as_object=BindingRow.as_object,
        empty="nothing is bound: `harness bind ROLE MODEL`, or `harness apply FILE`",
    )


def show_history(context: CommandContext, limit: int) -> None:
    """Print the versions, the newest first, each with what it changed."""

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
