"""The command `models`: which models can be bound, at what price, and whether their key is there."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import typer

from harness.assembly import Harness, utc_now
from harness.cli.context import context_of
from harness.cli.forecast import bindings_in_force
from harness.cli.global_options import Commands
from harness.cli.output import Column, usd_text
from harness.exceptions import NameUnknown, PriceUnknown
from harness.models.catalogue import Catalogue
from harness.models.prices import PriceBook, PricedModel
from harness.models.usage import Usage

commands = Commands()

# Asked of a prompt this short, so that a provider's dearer tier for long ones does not stand for its usual price.
_TOKENS = 1000
_MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Rates:
    """What a million tokens cost in US dollars; None where no price is known."""

    input_usd_per_million: Decimal | None = None
    output_usd_per_million: Decimal | None = None
    price_source: str | None = None

    def __str__(self) -> str:
        if self.input_usd_per_million is None:
            return "unknown price"
        if not self.input_usd_per_million and not self.output_usd_per_million:
            return "free"
        return f"{usd_text(self.input_usd_per_million)} / {usd_text(self.output_usd_per_million)}"


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model of the catalogue.

    Args:
        key_env: the variable that its endpoint's key is read from; None where it needs none.
        key_present: None where it needs none.
    """

    model: str
    endpoint: str
    wire_name: str
    context_tokens: int
    max_output_tokens: int | None
    capabilities: tuple[str, ...]
    rates: Rates
    key_env: str | None
    key_present: bool | None

    def as_object(self) -> dict[str, object]:
        """As programs read it."""
        return {
            "model": self.model,
            "endpoint": self.endpoint,
            "wire_name": self.wire_name,
            "context_tokens": self.context_tokens,
            "max_output_tokens": self.max_output_tokens,
            "capabilities": self.capabilities,
            "input_usd_per_million": self.rates.input_usd_per_million,
            "output_usd_per_million": self.rates.output_usd_per_million,
            "price_source": self.rates.price_source,
            "key_env": self.key_env,
            "key_present": self.key_present,
        }

    @property
    def key(self) -> str:
        """In words."""
        if self.key_env is None:
            return "not needed"
        return f"{'set' if self.key_present else 'missing'} ({self.key_env})"


def rates_of(prices: PriceBook, catalogue: Catalogue, name: str, at: datetime) -> Rates:
    """The price of a model of the catalogue, from the source that would price a call of it at that time."""
    try:
        model = catalogue.model(name)
        provider = catalogue.endpoint_of(model).price_provider
        priced = PricedModel(name, model.wire_name, provider, model.price)
        into = prices.price(priced, Usage(_TOKENS, 0), at)
        out = prices.price(priced, Usage(0, _TOKENS), at)
    except (NameUnknown, PriceUnknown):
        return Rates()
    scale = _MILLION / _TOKENS
    return Rates(into.cost_usd * scale, out.cost_usd * scale, into.price_source)


def _row(name: str, catalogue: Catalogue, prices: PriceBook, environment: Mapping[str, str], at: datetime) -> ModelRow:
    model = catalogue.models[name]
    endpoint = catalogue.endpoints.get(model.endpoint)
    key_env = endpoint.api_key_env if endpoint else None
    return ModelRow(
        model=name,
        endpoint=model.endpoint,
        wire_name=model.wire_name,
        context_tokens=model.context_tokens,
        max_output_tokens=model.max_output_tokens,
        capabilities=tuple(sorted(each.value for each in model.capabilities)),
        rates=rates_of(prices, catalogue, name, at),
        key_env=key_env,
        key_present=bool(environment.get(key_env, "").strip()) if key_env else None,
    )


@commands.command("models")
def models(ctx: typer.Context) -> None:
    """Show the models that can be bound: the built-in ones, and those the bindings in force bring along.

    A model without a known price is never called; its price is added to the project's file of prices.
    """
    context = context_of(ctx)

    async def body(harness: Harness) -> list[ModelRow]:
        current = await bindings_in_force(harness)
        catalogue = current.bindings.catalogue(harness.catalogue)
        at = utc_now()
        return [_row(name, catalogue, harness.prices, os.environ, at) for name in sorted(catalogue.models)]

    context.output.rows(
        context.work(body),
        [
            Column("model", lambda row: row.model),
            Column("endpoint", lambda row: row.endpoint),
            Column("context", lambda row: f"{row.context_tokens:,}", right=True),
            Column("can", lambda row: " ".join(row.capabilities) or "-"),
            Column("in / out a million", lambda row: str(row.rates)),
            Column("key", lambda row: row.key),
        ],
        as_object=ModelRow.as_object,
        empty="there are no models",
    )
