"""What tokens cost: genai-prices, with our overrides first.

Money is `Decimal` US dollars here and integer nano-dollars in tables. An unknown price is refused, never zero: the
only honest zero is a catalogue entry that says `free`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, ValidationError, model_validator

from harness.exceptions import PriceUnknown, SpecificationInvalid
from harness.models.usage import Usage
from ontology.exceptions import YamlInvalid
from ontology.yaml_documents import read_yaml, validation_problems

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice, PriceCalculation

NANO = Decimal(1_000_000_000)
_MILLION = 1_000_000

# Rates of genai-prices beside `input_mtok` and `output_mtok` that tokens of ours can be charged at.
_INPUT_RATES = ("cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok")
_OUTPUT_RATES = ("output_reasoning_mtok",)

# Bounded digits, so that 1e300000 is refused before it becomes a number of that length.
Rate = Annotated[Decimal, Field(ge=0, le=1_000_000, max_digits=18, decimal_places=12, allow_inf_nan=False)]


def nano_usd(cost_usd: Decimal, *, rounding: str = ROUND_HALF_UP) -> int:
    """Dollars as the ledger keeps them: whole nano-dollars, rounded once, half up (a bound is rounded up)."""
    return int((cost_usd * NANO).to_integral_value(rounding=rounding))


def usd(nano: int) -> Decimal:
    """The ledger's nano-dollars as dollars, exactly."""
    return Decimal(nano) / NANO


class PriceOverride(BaseModel):
    """A price we state ourselves, US dollars a million tokens, with where it was read and when.

    `free` is for models that run on one's own machine: a zero that somebody vouched for. A rate for cached tokens
    that is left out is the input rate.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    free: bool = False
    input_usd_per_million: Rate | None = None
    output_usd_per_million: Rate | None = None
    cache_read_usd_per_million: Rate | None = None
    cache_write_usd_per_million: Rate | None = None
    source: str
    checked: date
    starts: date | None = None

    @model_validator(mode="after")
    def _free_or_priced(self) -> Self:
        rates = (self.input_usd_per_million, self.output_usd_per_million)
        cached = (self.cache_read_usd_per_million, self.cache_write_usd_per_million)
        if self.free and any(rate is not None for rate in (*rates, *cached)):
            raise ValueError("a free model has no rates: leave out `free` or the rates")
        if not self.free and any(rate is None for rate in rates):
            raise ValueError("both input_usd_per_million and output_usd_per_million are needed, or `free: true`")
        if not self.free and not any(rates):
            raise ValueError("rates of zero: state what it costs, or `free: true` where somebody vouches for that")
        return self


@dataclass(frozen=True, slots=True)
class PricedUsage:
    """A cost and where its price came from."""

    cost_usd: Decimal
    price_source: str
    price_version: str


def price_from_override(override: PriceOverride, usage: Usage) -> Decimal:
    """Cost of known usage at our own rates, unrounded.

    cost = (input - cache_read - cache_write) * input rate + cache_read * its rate + cache_write * its rate
    + output * output rate.
    """
    if override.free:
        return Decimal(0)
    input_rate = override.input_usd_per_million or Decimal(0)
    read_rate = _rate(override.cache_read_usd_per_million, input_rate)
    write_rate = _rate(override.cache_write_usd_per_million, input_rate)
    read, write = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    fresh = max((usage.input_tokens or 0) - read - write, 0)
    output = (usage.output_tokens or 0) * (override.output_usd_per_million or Decimal(0))
    return (fresh * input_rate + read * read_rate + write * write_rate + output) / _MILLION


@dataclass(frozen=True, slots=True)
class PricedModel:
    """What a price is looked up by.

    Args:
        name: the catalogue's name; overrides are found by it.
        provider: how genai-prices calls the provider; None where only an override can price it.
        own: the price that stands in the catalogue itself, for that endpoint.
        endpoint: where it is called; None where that is not said.
        elsewhere: that is not the endpoint which the catalogue names first. What is charged there nobody can tell from
            the first one's price, and a hold that is too small is worse than a refusal.
    """

    name: str
    wire_name: str
    provider: str | None
    own: PriceOverride | None
    endpoint: str | None = None
    elsewhere: bool = False

    @property
    def entries(self) -> tuple[str, ...]:
        """What its price may be called in the overrides file, the more exact first: `model@endpoint`, `model`."""
        exact = [] if self.endpoint is None else [f"{self.name}@{self.endpoint}"]
        return (*exact, *([] if self.elsewhere and exact else [self.name]))


@dataclass(frozen=True)
class PriceBook:
    """Effective prices: the overrides file, then the catalogue's own, then genai-prices.

    Args:
        overrides: by `model`, for the endpoint that serves it first, or by `model@endpoint`; several for one are
            versions, told apart by `starts`.
        overrides_file: where a missing price is to be added, for the error.
    """

    overrides: Mapping[str, tuple[PriceOverride, ...]] = field(default_factory=dict[str, tuple[PriceOverride, ...]])
    overrides_file: str = "prices.yaml"

    def price(self, model: PricedModel, usage: Usage, at: datetime) -> PricedUsage:
        """What known usage cost at a time.

        Raises:
            PriceUnknown: no source has a price for it at that time.

        Source: https://github.com/pydantic/genai-prices
        """
        override = self._override(model, at.date())
        if override is not None:
            cost = price_from_override(override, usage)
            return PricedUsage(cost, override.source, f"checked {override.checked.isoformat()}")
        found = self._calculated(model, usage, at)
        return PricedUsage(found.total_price, "genai-prices", _genai_version())

    def dearest(self, model: PricedModel, input_tokens: int, output_tokens: int, at: datetime) -> Decimal:
        """The most that up to this many tokens can cost, whatever part of them is cached or reasoning.

        Rates are linear within a tier and tiers only rise, so all of a side at its dearest rate is the most.

        Raises:
            PriceUnknown: as `price`.
        """
        override = self._override(model, at.date())
        if override is not None:
            shapes = ((0, 0), (input_tokens, 0), (0, input_tokens))
            usages = (Usage(input_tokens, output_tokens, read, write) for read, write in shapes)
            return max(price_from_override(override, usage) for usage in usages)
        found = self._calculated(model, Usage(input_tokens, output_tokens), at)
        more = (
            _dearer(found.model_price, "input_mtok", _INPUT_RATES, input_tokens, input_tokens),
            _dearer(found.model_price, "output_mtok", _OUTPUT_RATES, output_tokens, input_tokens),
        )
        return found.total_price + sum(more)

    def _override(self, model: PricedModel, day: date) -> PriceOverride | None:
        for entry in model.entries:
            dated = self.overrides.get(entry, ())
            in_force = [each for each in dated if each.starts is None or each.starts <= day]
            if in_force:
                return max(in_force, key=lambda each: each.starts or date.min)
        return model.own

    def _unknown(self, model: PricedModel) -> PriceUnknown:
        return PriceUnknown(model.name, self.overrides_file, model.endpoint, model.entries[-1])

    def _calculated(self, model: PricedModel, usage: Usage, at: datetime) -> "PriceCalculation":
        # Imported late: 0.2 s of CPU that a run on local models never needs.
        import genai_prices

        if model.provider is None:
            raise self._unknown(model)
        try:
            found = genai_prices.calc_price(
                genai_prices.Usage(**_genai_tokens(usage)),
                model.wire_name,
                provider_id=model.provider,
                genai_request_timestamp=at,
            )
        except LookupError as error:
            raise self._unknown(model) from error
        # It lists models without any rate, or with none for a side (embeddings), and answers 0 for them.
        rates = found.model_price
        sides = ((usage.input_tokens, rates.input_mtok), (usage.output_tokens, rates.output_mtok))
        if any(tokens and not rate for tokens, rate in sides):
            raise self._unknown(model)
        return found


def read_price_overrides(path: Path) -> PriceBook:
    """The overrides file of a project: `model` or `model@endpoint` to one price, or to a list of dated ones.

    Raises:
        SpecificationInvalid: with every problem by file, line, column and key.
    """
    try:
        document = read_yaml(path)
    except YamlInvalid as error:
        raise SpecificationInvalid(error.problems) from error
    try:
        found = _Overrides.model_validate({} if document.value is None else document.value)
    except ValidationError as error:
        raise SpecificationInvalid(validation_problems(document, error, PriceOverride)) from error
    return PriceBook(found.root, str(path))


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType]


def _genai_tokens(usage: Usage) -> dict[str, int]:
    """Usage by the names of genai-prices, which refuses parts that are more than their whole.

    Some servers report input without what the cache read: a whole is then at least the sum of its parts.
    """
    read, write = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    write_1h = usage.cache_write_1h_tokens or 0
    write = max(write, write_1h)
    output, reasoning = usage.output_tokens or 0, usage.reasoning_tokens or 0
    return {
        "input_tokens": max(usage.input_tokens or 0, read + write),
        "output_tokens": max(output, reasoning),
        "cache_read_tokens": read,
        "cache_write_tokens": write,
        "cache_write_1h_tokens": write_1h,
        "output_reasoning_tokens": reasoning,
    }


def _dearer(rates: "ModelPrice", plain: str, others: Sequence[str], tokens: int, input_tokens: int) -> Decimal:
    """How much more all tokens of a side cost at its dearest rate than at its plain one; tiers go by the input."""
    from genai_prices.types import calc_unit_price

    costs = [calc_unit_price(getattr(rates, name), tokens, input_tokens, _MILLION) for name in (plain, *others)]
    return max(costs) - costs[0]


def _rate(own: Decimal | None, otherwise: Decimal) -> Decimal:
    return otherwise if own is None else own


_Dated = Annotated[tuple[PriceOverride, ...], BeforeValidator(_as_list)]


class _Overrides(RootModel[dict[str, _Dated]]):
    """The file: model names to their prices."""


@lru_cache(maxsize=1)
def _genai_version() -> str:
    return version("genai-prices")
