"""How the models of a catalogue are shown: what each can do, where it is served, at what price, with what key."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from harness.cli.output import usd_text
from harness.endpoint_keys import EndpointKeys
from harness.exceptions import NameUnknown, PriceUnknown
from harness.models.catalogue import AuthName, Capability, Catalogue, Endpoint, Model
from harness.models.prices import PriceBook
from harness.models.usage import Usage
from harness.routing.bindings import Binding

# Asked of a prompt this short, so that a provider's dearer tier for long ones does not stand for its usual price.
_TOKENS = 1000
_MILLION = Decimal(1_000_000)

_CREDENTIALS = {AuthName.AWS: "AWS credentials", AuthName.GOOGLE: "Google credentials"}


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
class PlaceRow:
    """A model at one endpoint.

    Args:
        dialect: None where the endpoint is in no catalogue.
        key_env, key_file: where the key is read from; None where it is not.
        key_present: None where it needs none, or where credentials are found by AWS's or Google's own tools.
    """

    endpoint: str
    wire_name: str
    dialect: str | None
    auth: AuthName
    key_env: str | None
    key_file: str | None
    key_present: bool | None
    rates: Rates

    def as_object(self) -> dict[str, object]:
        """As programs read it."""
        return {
            "endpoint": self.endpoint,
            "wire_name": self.wire_name,
            "dialect": self.dialect,
            "auth": self.auth.value,
            "key_env": self.key_env,
            "key_file": self.key_file,
            "key_present": self.key_present,
            "input_usd_per_million": self.rates.input_usd_per_million,
            "output_usd_per_million": self.rates.output_usd_per_million,
            "price_source": self.rates.price_source,
        }

    @property
    def key(self) -> str:
        """In words."""
        if self.auth in _CREDENTIALS:
            return _CREDENTIALS[self.auth]
        named = " or ".join(each for each in (self.key_env, self.key_file) if each is not None)
        if not named:
            return "not needed"
        return f"{'set' if self.key_present else 'missing'} ({named})"


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model of the catalogue.

    Args:
        places: the endpoints that serve it, in the order in which they are tried.
    """

    model: str
    context_tokens: int
    max_output_tokens: int | None
    capabilities: tuple[str, ...]
    fallback: tuple[str, ...]
    places: tuple[PlaceRow, ...]

    def as_object(self) -> dict[str, object]:
        """As programs read it; what is said of an endpoint at the top is of the first."""
        first = self.places[0].as_object()
        return {
            "model": self.model,
            "endpoint": first.pop("endpoint"),
            "wire_name": first.pop("wire_name"),
            "context_tokens": self.context_tokens,
            "max_output_tokens": self.max_output_tokens,
            "capabilities": self.capabilities,
            "fallback": self.fallback,
            **first,
            "endpoints": [place.as_object() for place in self.places],
        }


def model_row(name: str, catalogue: Catalogue, prices: PriceBook, keys: EndpointKeys, at: datetime) -> ModelRow:
    """One model as it would be called at that time; nothing is asked of AWS or Google."""
    model = catalogue.models[name]
    return ModelRow(
        model=name,
        context_tokens=model.context_tokens,
        max_output_tokens=model.max_output_tokens,
        capabilities=tuple(sorted(each.value for each in model.capabilities)),
        fallback=model.fallback,
        places=tuple(_place(name, placed, catalogue, prices, keys, at) for placed in model.placed()),
    )


def rates_of(prices: PriceBook, catalogue: Catalogue, name: str, at: datetime, *, endpoint: str | None = None) -> Rates:
    """The price of a model of the catalogue, from the source that would price a call of it at that time.

    Args:
        endpoint: where it is called; None for the first that serves it.
    """
    try:
        model = catalogue.model(name)
        placed = next((each for each in model.placed() if each.endpoint == endpoint), model)
        return _rates(prices, name, placed, catalogue.endpoint_of(placed), at)
    except NameUnknown:
        return Rates()


def unpriced_hint(prices: PriceBook, catalogue: Catalogue, binding: Binding, at: datetime) -> str | None:
    """Words where no price is known for whoever a binding asks first, so that it is never called; else None."""
    model = catalogue.model(binding.model)
    placed = next((each for each in model.placed() if each.endpoint == binding.endpoint), model)
    rates = rates_of(prices, catalogue, binding.model, at, endpoint=placed.endpoint)
    if rates.input_usd_per_million is not None:
        return None
    entry = placed.priced_as(binding.model, catalogue.endpoint_of(placed)).entries[-1]
    return (
        f"no price is known for {binding.model!r} at {placed.endpoint!r}, so it is not called there and whoever comes "
        f"next answers; add {entry!r} to {prices.overrides_file}"
    )


def _place(
    name: str, model: Model, catalogue: Catalogue, prices: PriceBook, keys: EndpointKeys, at: datetime
) -> PlaceRow:
    endpoint = catalogue.endpoints.get(model.endpoint)
    if endpoint is None:
        return PlaceRow(model.endpoint, model.wire_name, None, AuthName.KEY, None, None, None, Rates())
    return PlaceRow(
        endpoint=model.endpoint,
        wire_name=model.wire_name,
        dialect=endpoint.dialect.value,
        auth=endpoint.auth,
        key_env=endpoint.api_key_env,
        key_file=endpoint.api_key_file,
        key_present=keys.is_set(model.endpoint, endpoint),
        rates=_rates(prices, name, model, endpoint, at),
    )


def _rates(prices: PriceBook, name: str, model: Model, endpoint: Endpoint, at: datetime) -> Rates:
    priced = model.priced_as(name, endpoint)
    scale = _MILLION / _TOKENS
    try:
        into = prices.price(priced, Usage(_TOKENS, 0), at)
        # What only embeds makes no tokens, so nobody has a price for them.
        makes_nothing = model.capabilities == frozenset({Capability.EMBEDDINGS})
        out = None if makes_nothing else prices.price(priced, Usage(0, _TOKENS), at).cost_usd * scale
    except PriceUnknown:
        return Rates()
    return Rates(into.cost_usd * scale, out, into.price_source)
