"""What an answer's headers say of its endpoint's rate limits, whatever the vendor calls them.

Only limits of a minute or less are told: a quota of a day or a month cannot be kept by pacing, and is refused by its
own error. How long to wait after a refusal is `provider_errors`'; keeping below the limits is the rate limiter's.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness.routing.rate_limits import LimitedUnit, ObservedLimits

_MINUTE = 60.0
# What a whole day's quota refills by is told apart from a minute's by this: nothing lies between them.
_LONG_PERIOD = 40_000.0
_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0, "month": 2_592_000.0}
_UNITS = {"requests": LimitedUnit.REQUESTS, "req": LimitedUnit.REQUESTS, "tokens": LimitedUnit.TOKENS}

# anthropic-ratelimit-requests-limit (Anthropic; its tokens are those of input and output together).
_ANTHROPIC = re.compile(r"anthropic-ratelimit-(requests|tokens)-limit")
# x-ratelimit-limit-requests (OpenAI, Azure, Groq, xAI), x-ratelimit-limit-req-10-second (Mistral).
_X = re.compile(r"x-ratelimit-limit-(requests|req|tokens)(?:-(?:(\d{1,4})-)?(second|minute|hour|day|month))?")
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|h|m|s)")
_DURATION_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class _Said:
    unit: LimitedUnit
    limit: int
    left: int | None
    period_seconds: float

    @property
    def per_minute(self) -> int:
        return max(int(self.limit * _MINUTE / self.period_seconds), 1)


def observed_limits(headers: Mapping[str, str]) -> ObservedLimits:
    """The limits a minute that headers (names in lower case) say, and what is left of them.

    Source: https://platform.openai.com/docs/guides/rate-limits, https://docs.anthropic.com/en/api/rate-limits,
    https://console.groq.com/docs/rate-limits, and recorded answers of Azure, Mistral and xAI.
    """
    said = list(_said(headers))
    requests = _tightest(said, LimitedUnit.REQUESTS)
    tokens = _tightest(said, LimitedUnit.TOKENS)
    return ObservedLimits(
        requests_per_minute=requests.per_minute if requests else None,
        tokens_per_minute=tokens.per_minute if tokens else None,
        requests_left=requests.left if requests else None,
        tokens_left=tokens.left if tokens else None,
    )


def _tightest(said: Iterable[_Said], unit: LimitedUnit) -> _Said | None:
    # A period of nothing is a slip of the server's, and says nothing.
    of_unit = [each for each in said if each.unit is unit and 0 < each.period_seconds <= _MINUTE]
    return min(of_unit, key=lambda each: each.per_minute, default=None)


def _said(headers: Mapping[str, str]) -> Iterator[_Said]:
    for name, value in headers.items():
        if "ratelimit" not in name or not (limit := _count(value)):
            continue
        if found := _ANTHROPIC.fullmatch(name):
            left = _count(headers.get(f"anthropic-ratelimit-{found[1]}-remaining", ""))
            yield _Said(_UNITS[found[1]], limit, left, _MINUTE)
        elif found := _X.fullmatch(name):
            left = _count(headers.get(name.replace("-limit-", "-remaining-", 1), ""))
            yield _Said(_UNITS[found[1]], limit, left, _period(found, limit, left, headers))


def _period(found: re.Match[str], limit: int, left: int | None, headers: Mapping[str, str]) -> float:
    """How long the limit is for: said by its name or beside it, else told by how fast it refills, else a minute."""
    unit, several, named = found.groups()
    if named:
        return int(several or 1) * _SECONDS[named]
    renewal = _count(headers.get(f"x-ratelimit-renewalperiod-{unit}", ""))
    if renewal:
        return float(renewal)
    # Groq's requests are those of a day: of 14,400 one was used and is back after 6 s.
    refill = _duration(headers.get(f"x-ratelimit-reset-{unit}", ""))
    used = limit - left if left is not None else 0
    estimated = limit * refill / used if refill and used > 0 else _MINUTE
    return estimated if estimated >= _LONG_PERIOD else _MINUTE


def _count(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,15}", text.strip()) else None


def _duration(text: str) -> float | None:
    """Seconds of Go's notation (`6m0s`, `130ms`); None for a bare number, whose unit differs among answers."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        return None
    return sum(float(number) * _DURATION_SECONDS[unit] for number, unit in parts)
