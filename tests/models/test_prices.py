"""Prices are exact to the nano-dollar, dated, and never zero because nobody knows them."""

from datetime import UTC, date, datetime
from decimal import ROUND_CEILING, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.exceptions import PriceUnknown, SpecificationInvalid
from harness.models.prices import PriceBook, PricedModel, PriceOverride, nano_usd, read_price_overrides, usd
from harness.models.usage import Usage

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
OWN = PricedModel("own", "own-1", None, None)
KNOWN = PricedModel("mini", "gpt-5-mini", "openai", None)


def override(input_rate="3", output_rate="15", read=None, write=None, **more):
    return PriceOverride(
        input_usd_per_million=input_rate,
        output_usd_per_million=output_rate,
        cache_read_usd_per_million=read,
        cache_write_usd_per_million=write,
        source="https://example.com/prices",
        checked=date(2026, 11, 24),
        **more,
    )


def book(*prices):
    return PriceBook({"own": prices})


CACHED = override("3", "15", "0.30", "3.75")
ROUGH = override("0.0375", "0.15", "0.01875", "0.046875")


# Each cost worked out by hand: a token at a dollar a million is 1,000 nano-dollars; the sum is rounded once, half up.
@pytest.mark.parametrize(
    ("price", "usage", "nano"),
    [
        # 1 x 3,000; 1 x 15,000
        (override(), Usage(1, 0), 3_000),
        (override(), Usage(0, 1), 15_000),
        # 1,000 x 3,000 + 500 x 15,000 = 3,000,000 + 7,500,000
        (override(), Usage(1_000, 500), 10_500_000),
        (override(), Usage(0, 0), 0),
        # An unknown side is not charged here; the metered call charges the bound instead.
        (override(), Usage(None, 7), 105_000),
        # 1,000,000 x 3,000 + 1,000,000 x 15,000
        (override(), Usage(1_000_000, 1_000_000), 18_000_000_000),
        # reads at their rate: 200 x 3,000 + 800 x 300 = 600,000 + 240,000
        (CACHED, Usage(1_000, 0, cache_read_tokens=800), 840_000),
        # writes at theirs: 200 x 3,000 + 800 x 3,750 = 600,000 + 3,000,000
        (CACHED, Usage(1_000, 0, cache_write_tokens=800), 3_600_000),
        # 100 x 3,000 + 600 x 300 + 300 x 3,750 + 50 x 15,000 = 300,000 + 180,000 + 1,125,000 + 750,000
        (CACHED, Usage(1_000, 50, cache_read_tokens=600, cache_write_tokens=300), 2_355_000),
        # all of it read: 1,000 x 300
        (CACHED, Usage(1_000, 0, cache_read_tokens=1_000), 300_000),
        # all of it written: 1,000 x 3,750
        (CACHED, Usage(1_000, 0, cache_write_tokens=1_000), 3_750_000),
        # reasoning is part of the output and costs no more: 500 x 15,000
        (CACHED, Usage(0, 500, reasoning_tokens=400), 7_500_000),
        # a one-hour write is part of the writes: 10 x 3,750
        (CACHED, Usage(10, 0, cache_write_tokens=10, cache_write_1h_tokens=10), 37_500),
        # without rates for a cache, the input's: 1,000 x 3,000
        (override(), Usage(1_000, 0, cache_read_tokens=400, cache_write_tokens=600), 3_000_000),
        # a free read that somebody stated: 100 x 3,000 + 900 x 0
        (override(read="0"), Usage(1_000, 0, cache_read_tokens=900), 300_000),
        # a server that reports input without its cache: 0 + 900 x 300
        (CACHED, Usage(100, 0, cache_read_tokens=900), 270_000),
        # 1 x 37.5 -> 38 (half up); 1 x 150
        (ROUGH, Usage(1, 0), 38),
        (ROUGH, Usage(0, 1), 150),
        # 1 x 18.75 -> 19; 1 x 46.875 -> 47
        (ROUGH, Usage(1, 0, cache_read_tokens=1), 19),
        (ROUGH, Usage(1, 0, cache_write_tokens=1), 47),
        # 3 x 37.5 + 2 x 18.75 + 1 x 46.875 + 7 x 150 = 112.5 + 37.5 + 46.875 + 1,050 = 1,246.875 -> 1,247
        (ROUGH, Usage(6, 7, cache_read_tokens=2, cache_write_tokens=1), 1_247),
        # below half a nano-dollar: 1 x 0.4 -> 0; 2 x 0.4 = 0.8 -> 1
        (override("0.0004", "1"), Usage(1, 0), 0),
        (override("0.0004", "1"), Usage(2, 0), 1),
        # 123,456 x 2,500 + 7,890 x 10,000 = 308,640,000 + 78,900,000
        (override("2.50", "10"), Usage(123_456, 7_890), 387_540_000),
        # the finest rate there can be and a dear one: 1 x 0.000000001; 2 x 500,000,000
        (override("0.000000000001", "500000"), Usage(1, 2), 1_000_000_000),
        # 10^9 x 0.000000001
        (override("0.000000000001", "1"), Usage(1_000_000_000, 0), 1),
    ],
)
def test_a_usage_costs_what_it_comes_to_by_hand(price, usage, nano):
    assert nano_usd(book(price).price(OWN, usage, NOW).cost_usd) == nano


@pytest.mark.parametrize(
    ("provider", "wire_name", "usage", "nano"),
    [
        # 0.25, 0.025 read, 2: 900 x 250 + 100 x 25 + 50 x 2,000
        ("openai", "gpt-5-mini", Usage(1_000, 50, cache_read_tokens=100), 327_500),
        # 3, 0.30 read, 3.75 write, 6 one-hour write, 15:
        # 600 x 3,000 + 100 x 300 + 200 x 3,750 + 100 x 6,000 + 500 x 15,000
        ("anthropic", "claude-sonnet-4-5", Usage(1_000, 500, 100, 300, 100), 10_680_000),
        # above 200,000 tokens of input 6 and 22.5: 200,001 x 6,000 + 10 x 22,500
        ("anthropic", "claude-sonnet-4-5", Usage(200_001, 10), 1_200_231_000),
        # at 200,000 still 3 and 15: 200,000 x 3,000 + 10 x 15,000
        ("anthropic", "claude-sonnet-4-5", Usage(200_000, 10), 600_150_000),
        # a server that reports input without its cache: 0 x 250 + 900 x 25
        ("openai", "gpt-5-mini", Usage(100, 0, cache_read_tokens=900), 22_500),
        # more reasoning than output: at least what was reasoned, 70 x 2,000
        ("openai", "gpt-5-mini", Usage(0, 50, reasoning_tokens=70), 140_000),
    ],
)
def test_a_known_model_is_priced_by_genai_prices(provider, wire_name, usage, nano):
    priced = PriceBook().price(PricedModel("m", wire_name, provider, None), usage, NOW)
    assert nano_usd(priced.cost_usd) == nano
    assert priced.price_source == "genai-prices"
    assert priced.price_version


def test_overrides_are_dated_and_the_newest_in_force_counts():
    prices = (
        override("1", "1"),
        override("2", "2", starts=date(2026, 6, 1)),
        override("3", "3", starts=date(2026, 11, 24)),
        override("9", "9", starts=date(2026, 11, 25)),
    )
    for order in (prices, prices[::-1]):
        costs = [
            nano_usd(book(*order).price(OWN, Usage(1, 0), datetime(*day, 23, 59, tzinfo=UTC)).cost_usd)
            for day in ((2026, 5, 31), (2026, 6, 1), (2026, 11, 23), (2026, 11, 24), (2026, 11, 25))
        ]
        assert costs == [1_000, 2_000, 2_000, 3_000, 9_000]


def test_before_the_first_override_the_catalogues_own_price_counts():
    model = PricedModel("own", "own-1", None, override("7", "7"))
    later = book(override("2", "2", starts=date(2026, 12, 1)))
    assert later.price(model, Usage(1, 0), NOW).cost_usd == Decimal("0.000007")
    with pytest.raises(PriceUnknown):
        later.price(OWN, Usage(1, 0), NOW)


def test_an_override_goes_before_genai_prices():
    prices = PriceBook({"mini": (override("1", "1"),)})
    priced = prices.price(KNOWN, Usage(1, 1), NOW)
    assert (priced.cost_usd, priced.price_source) == (Decimal("0.000002"), "https://example.com/prices")
    assert priced.price_version == "checked 2026-11-24"


@pytest.mark.parametrize(
    "model",
    [
        OWN,
        PricedModel("m", "no-such-model", "openai", None),
        PricedModel("m", "gpt-5-mini", "no-such-provider", None),
        # listed there without any rate, or with none for its output
        PricedModel("m", "qwen-3-coder-480b", "cerebras", None),
        PricedModel("m", "phi-4-reasoning:free", "azure", None),
        PricedModel("m", "amazon.titan-embed-text-v2:0", "aws", None),
    ],
)
def test_an_unknown_price_is_refused_and_never_zero(model):
    for ask in (
        lambda: PriceBook().price(model, Usage(10, 10), NOW),
        lambda: PriceBook().dearest(model, 10, 10, NOW),
    ):
        with pytest.raises(PriceUnknown):
            ask()


def test_a_model_that_answers_in_no_tokens_is_priced_by_its_input():
    embedder = PricedModel("m", "amazon.titan-embed-text-v2:0", "aws", None)
    assert nano_usd(PriceBook().price(embedder, Usage(1_000, 0), NOW).cost_usd) == 20_000


def test_an_override_is_of_the_first_endpoint_and_of_another_only_where_it_says_so():
    first = PricedModel("own", "x", None, None, "here")
    elsewhere = PricedModel("own", "x", None, override("7", "7"), "there", elsewhere=True)
    prices = PriceBook({"own": (override("2", "2"),)})
    assert prices.price(first, Usage(1, 0), NOW).cost_usd == Decimal("0.000002")
    assert prices.price(elsewhere, Usage(1, 0), NOW).cost_usd == Decimal("0.000007")
    exact = PriceBook({"own": (override("2", "2"),), "own@there": (override("9", "9"),)})
    assert exact.price(first, Usage(1, 0), NOW).cost_usd == Decimal("0.000002")
    assert exact.dearest(elsewhere, 1, 0, NOW) == Decimal("0.000009")
    with pytest.raises(PriceUnknown, match="'own' at the endpoint 'there'"):
        prices.price(PricedModel("own", "x", None, None, "there", elsewhere=True), Usage(1, 0), NOW)


def test_the_line_to_add_for_another_endpoint_is_of_that_endpoint_alone(tmp_path):
    elsewhere = PricedModel("own", "x", None, None, "there", elsewhere=True)
    path = tmp_path / "prices.yaml"
    path.write_text(filled_in(line_to_add("own", elsewhere)) + "\n")
    prices = read_price_overrides(path)
    assert prices.price(elsewhere, Usage(1_000_000, 0), NOW).cost_usd == Decimal("1.50")
    with pytest.raises(PriceUnknown):
        prices.price(PricedModel("own", "x", None, None, "here"), Usage(1, 0), NOW)


def line_to_add(name, model=None):
    with pytest.raises(PriceUnknown) as refused:
        PriceBook(overrides_file="prices.yaml").price(model or PricedModel(name, "x", None, None), Usage(1, 1), NOW)
    assert "prices.yaml" in str(refused.value)
    return str(refused.value).splitlines()[-1].strip()


def filled_in(line):
    """The line as a person completes it: two prices, an address, a day."""
    line = line.replace("0.00", "1.50", 1).replace("0.00", "4", 1)
    return line.replace("https://...", "https://example.com").replace("YYYY-MM-DD", "2026-11-24")


@pytest.mark.parametrize("name", ["mine", "qwen2.5:7b", "org/model-1.0"])
def test_the_line_to_add_works_when_it_is_filled_in_and_pasted_below_others(tmp_path, name):
    path = tmp_path / "prices.yaml"
    path.write_text(
        'other: {free: true, source: "runs here", checked: 2026-11-24}\n' + filled_in(line_to_add(name)) + "\n"
    )
    prices = read_price_overrides(path)
    cost = prices.price(PricedModel(name, "x", None, None), Usage(1_000_000, 1_000_000), NOW).cost_usd
    assert cost == Decimal("5.50")


def test_the_line_to_add_prices_nothing_until_somebody_states_a_price(tmp_path):
    path = tmp_path / "prices.yaml"
    path.write_text(line_to_add("mine").replace("YYYY-MM-DD", "2026-11-24") + "\n")
    with pytest.raises(SpecificationInvalid, match="free: true"):
        read_price_overrides(path)


def test_several_dated_prices_of_a_model_are_read_from_the_file(tmp_path):
    path = tmp_path / "prices.yaml"
    path.write_text(
        "own:\n"
        '  - {input_usd_per_million: 1, output_usd_per_million: 2, source: "a", checked: 2026-01-01}\n'
        '  - {input_usd_per_million: 3, output_usd_per_million: 4, source: "b", checked: 2026-01-01, starts: 2026-11-01}\n'
    )
    assert read_price_overrides(path).price(OWN, Usage(1, 1), NOW).price_source == "b"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("own: {free: true, input_usd_per_million: 1, source: a, checked: 2026-01-01}", "a free model has no rates"),
        (
            "own: {free: true, cache_read_usd_per_million: 1, source: a, checked: 2026-01-01}",
            "a free model has no rates",
        ),
        ("own: {input_usd_per_million: 1, source: a, checked: 2026-01-01}", "output_usd_per_million"),
        ("own: {input_usd_per_million: -1, output_usd_per_million: 1, source: a, checked: 2026-01-01}", "greater than"),
        ("own: {input_usd_per_million: .nan, output_usd_per_million: 1, source: a, checked: 2026-01-01}", "finite"),
        ("own: {input_usd_per_million: 1e300000, output_usd_per_million: 1, source: a, checked: 2026-01-01}", "own"),
        ("own: {input_usd_per_million: 1, output_usd_per_million: 1, checked: 2026-01-01}", "source"),
        ("own: {inputs: 1}", "inputs"),
    ],
)
def test_a_price_that_cannot_be_meant_is_refused_by_file_and_line(tmp_path, text, said):
    path = tmp_path / "prices.yaml"
    path.write_text(text + "\n")
    with pytest.raises(SpecificationInvalid, match=said) as refused:
        read_price_overrides(path)
    assert str(refused.value).startswith(f"{path}:1:")


def test_zero_is_said_by_free_and_by_nothing_else():
    with pytest.raises(ValidationError, match="free: true"):
        override("0", "0")
    assert override("0", "1").output_usd_per_million == 1


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_free_model_costs_an_honest_zero(tokens, output):
    free = PriceOverride(free=True, source="runs here", checked=date(2026, 11, 24))
    assert book(free).price(OWN, Usage(tokens, output), NOW).cost_usd == 0
    assert book(free).dearest(OWN, tokens, output, NOW) == 0


rates = st.decimals(0, 1000, places=6)
cached_rates = st.none() | rates
GENAI = [
    ("openai", "gpt-5-mini"), ("anthropic", "claude-sonnet-4-5"), ("google", "gemini-2.5-pro"),
    ("perplexity", "sonar-deep-research"), ("deepseek", "deepseek-chat"),
]  # fmt: skip


def up_to(most):
    """A number up to this one, and often itself: the corners are where a bound is passed."""
    return st.just(most) | st.just(0) | st.integers(0, most)


@st.composite
def splits(draw, most=400_000):
    """A bound and a usage within it, split in any way between cache, fresh input, reasoning and words."""
    bound_in, bound_out = draw(st.integers(0, most)), draw(st.integers(0, most))
    used_in, used_out = draw(up_to(bound_in)), draw(up_to(bound_out))
    read = draw(up_to(used_in))
    write = draw(up_to(used_in - read))
    return (bound_in, bound_out), Usage(used_in, used_out, read, write, draw(up_to(write)), draw(up_to(used_out)))


@given(rates.filter(bool), rates, cached_rates, cached_rates, splits())
def test_the_dearest_price_bounds_every_split_at_our_own_rates(input_rate, output_rate, read, write, split):
    prices = book(override(input_rate, output_rate, read, write))
    bound, usage = split
    held = nano_usd(prices.dearest(OWN, *bound, NOW), rounding=ROUND_CEILING)
    assert held >= nano_usd(prices.price(OWN, usage, NOW).cost_usd)


@given(st.sampled_from(GENAI), splits())
def test_the_dearest_price_bounds_every_split_at_listed_rates(model, split):
    provider, wire_name = model
    priced = PricedModel("m", wire_name, provider, None)
    bound, usage = split
    held = nano_usd(PriceBook().dearest(priced, *bound, NOW), rounding=ROUND_CEILING)
    assert held >= nano_usd(PriceBook().price(priced, usage, NOW).cost_usd)


def test_no_listed_tier_is_cheaper_than_the_one_below_it():
    """What `dearest` rests on: more tokens are never cheaper."""
    from genai_prices import data_snapshot
    from genai_prices.types import TieredPrices

    models = [model for provider in data_snapshot.get_snapshot().providers for model in provider.models]
    tiered = [
        rate for model in models for rate in vars(model.get_prices(NOW)).values() if isinstance(rate, TieredPrices)
    ]
    assert tiered
    for rate in tiered:
        steps = [rate.base, *(tier.price for tier in rate.tiers)]
        assert steps == sorted(steps)


@given(st.integers(0, 2**62))
def test_nano_dollars_are_dollars_and_back(nano):
    assert nano_usd(usd(nano)) == nano
