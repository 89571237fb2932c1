"""Limits as vendors' headers say them. The recorded ones are read a second way here."""

import re

import pytest

from harness.dialects.rate_limit_headers import observed_limits
from harness.routing.rate_limits import ObservedLimits
from tests.recorded_traffic import recorded

CASES = [
    (
        "a period of nothing says nothing",
        {"x-ratelimit-limit-req-0-second": "10", "x-ratelimit-limit-tokens-00-minute": "9"},
        ObservedLimits(),
    ),
    (
        "openai",
        {
            "x-ratelimit-limit-requests": "500",
            "x-ratelimit-limit-tokens": "30000",
            "x-ratelimit-remaining-requests": "499",
            "x-ratelimit-remaining-tokens": "29000",
            "x-ratelimit-reset-requests": "120ms",
            "x-ratelimit-reset-tokens": "2s",
        },
        ObservedLimits(500, 30000, 499, 29000),
    ),
    (
        "groq's requests are those of a day",
        {
            "x-ratelimit-limit-requests": "14400",
            "x-ratelimit-remaining-requests": "14399",
            "x-ratelimit-reset-requests": "6s",
            "x-ratelimit-limit-tokens": "6000",
            "x-ratelimit-remaining-tokens": "5987",
            "x-ratelimit-reset-tokens": "130ms",
        },
        ObservedLimits(None, 6000, None, 5987),
    ),
    (
        "anthropic",
        {
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "0",
            "anthropic-ratelimit-requests-reset": "2026-11-24T00:00:01Z",
            "anthropic-ratelimit-tokens-limit": "40000",
            "anthropic-ratelimit-tokens-remaining": "39000",
            "anthropic-ratelimit-input-tokens-limit": "30000",
        },
        ObservedLimits(50, 40000, 0, 39000),
    ),
    (
        "azure",
        {
            "x-ratelimit-limit-requests": "20",
            "x-ratelimit-remaining-requests": "19",
            "x-ratelimit-renewalperiod-requests": "10",
            "x-ratelimit-reset-requests": "500",
        },
        ObservedLimits(120, None, 19, None),
    ),
    (
        "mistral",
        {
            "x-ratelimit-limit-req-10-second": "60",
            "x-ratelimit-remaining-req-10-second": "53",
            "x-ratelimit-limit-tokens-minute": "2000000",
            "x-ratelimit-remaining-tokens-minute": "1999370",
            "x-ratelimit-limit-tokens-month": "10000000000",
        },
        ObservedLimits(360, 2_000_000, 53, 1_999_370),
    ),
    ("xai", {"x-ratelimit-limit-requests": "1800"}, ObservedLimits(1800)),
    ("a limit of nobody knows what", {"x-ratelimit-limit": "2", "x-ratelimit-remaining": "1"}, ObservedLimits()),
    ("nonsense", {"x-ratelimit-limit-requests": "many", "x-ratelimit-limit-tokens": "-4"}, ObservedLimits()),
    ("zero says nothing", {"x-ratelimit-limit-requests": "0"}, ObservedLimits()),
    ("none", {"content-type": "application/json"}, ObservedLimits()),
]


@pytest.mark.parametrize(("headers", "said"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_limits_a_minute(headers, said):
    assert observed_limits(headers) == said


def test_recorded_answers_say_what_an_independent_reading_says():
    seen = 0
    for record in recorded("openai.chat", "openai.responses", "anthropic.messages"):
        headers = {name.lower(): value for name, value in (record.get("response_headers") or {}).items()}
        found = observed_limits(headers)
        for unit, said in (("requests", found.requests_per_minute), ("tokens", found.tokens_per_minute)):
            pattern = rf"(anthropic-ratelimit-{unit}-limit|x-ratelimit-limit-{unit}(-minute)?)"
            plain = [int(value) for name, value in headers.items() if re.fullmatch(pattern, name)]
            # A few requests used, and 5 s or more until they are back: so many a day.
            daily = unit == "requests" and re.fullmatch(
                r"\d+m\d.*|([5-9]|\d\d)(\.\d+)?s", headers.get(f"x-ratelimit-reset-{unit}", "")
            )
            if plain and record["vendor"] != "groq":
                assert said == (None if daily else min(plain)), record["id"]
                seen += 1
    assert seen > 1000
