"""Keeping below so many requests and tokens a minute: the pure arithmetic of lanes.

A lane is one limit. It remembers the moment at which everything that it let through will have run off at the limit's
pace (the theoretical arrival time of the generic cell rate algorithm). Requests leave evenly spaced, which is within
the limit in any window, however short a vendor makes it; tokens may come in bursts of some seconds' worth, because what
is reserved for a call is a bound far above what it uses. What is given back of that makes room sooner; so that this
never lets too many through, a lane of tokens counts those of the last minute besides. Who keeps lanes for all processes
is left to `rate_limiter`.

Source: https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

MINUTE_US = 60_000_000

# A slot may be taken this far ahead: long enough that a late wake-up costs no throughput, short enough that a caller
# who goes away leaves no hole that matters.
HORIZON_US = 1_000_000

# In percent: what arrives is never as evenly spaced as what left.
_SHARE_OF_LIMIT = 97
_TOKEN_BURST_US = 10_000_000
# How finely the tokens of the last minute are counted.
_SPAN_US = 2_000_000
# No lane is closed for longer than this: its own pace never asks for more, and what does is a clock that was wrong, or
# a server that wants to be left alone for days, of which it may be asked again.
_LONGEST_US = 2 * MINUTE_US
# Where no tokens are left: how much refills before the next call is worth a try.
_REFILL_US = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LimitedUnit(StrEnum):
    """What is counted."""

    REQUESTS = "requests"
    TOKENS = "tokens"


@dataclass(frozen=True, slots=True)
class ObservedLimits:
    """What an answer's headers say of its endpoint's limits; None is not said.

    Args:
        requests_left, tokens_left: of the window that the server is in.
    """

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    requests_left: int | None = None
    tokens_left: int | None = None

    def of(self, unit: LimitedUnit) -> tuple[int | None, int | None]:
        """The limit a minute and what is left of it."""
        if unit is LimitedUnit.REQUESTS:
            return self.requests_per_minute, self.requests_left
        return self.tokens_per_minute, self.tokens_left


@dataclass(frozen=True, slots=True)
class Lane:
    """One limit, and when what it let through has run off.

    Args:
        model: the wire name whose limit it is; empty for one of the whole endpoint.
        per_minute: None where no limit is known and the lane is only closed for a while.
        due_us: microseconds since 1970.
        spans: tokens that left of late: the number of a span of time since 1970, and how many were in it.
    """

    unit: LimitedUnit
    model: str = ""
    per_minute: int | None = None
    due_us: int = 0
    spans: tuple[tuple[int, int], ...] = ()

    def cost_us(self, amount: int) -> int:
        """How long so many run off; never more than a minute's worth is asked for."""
        if self.per_minute is None:
            return 0
        pace = self.per_minute * _SHARE_OF_LIMIT
        return -(-min(amount, self.per_minute) * MINUTE_US * 100 // pace)

    @property
    def burst_us(self) -> int:
        """How far ahead of its pace it may be."""
        return _TOKEN_BURST_US if self.unit is LimitedUnit.TOKENS and self.per_minute is not None else 0

    def taken(self, amount: int, departs_us: int) -> "Lane":
        """After so many that leave then."""
        due_us = max(self.due_us, departs_us) + self.cost_us(amount)
        return replace(self._counted(self._whole(amount), departs_us), due_us=due_us)

    def given_back(self, reserved: int, used: int, departed_us: int, now_us: int) -> "Lane":
        """After a call that had left then turned out to have used fewer (or more) than were reserved for it.

        Of its place in the queue no more is given back than can still be in it after so long.
        """
        share_left = min(max(MINUTE_US - (now_us - departed_us), 0), MINUTE_US)
        back = min(self.cost_us(reserved) - self.cost_us(used), self.cost_us(reserved) * share_left // MINUTE_US)
        return replace(self._counted(used - self._whole(reserved), departed_us), due_us=self.due_us - back)

    def leaves_at_us(self, amount: int, now_us: int) -> int:
        """When so many may leave: at the limit's pace, and no minute holds more than the limit and a burst.

        A call that alone is as much as a whole minute's limit leaves when at most a burst went before it.
        """
        at = max(now_us, self.due_us - self.burst_us)
        if self.per_minute is None or self.unit is LimitedUnit.REQUESTS:
            return at
        most = max(self.per_minute - self._whole(amount), self.per_minute * _TOKEN_BURST_US // MINUTE_US)
        ends = [(_gone_us(span), tokens) for span, tokens in sorted(self.spans)]
        lately = sum(tokens for gone, tokens in ends if gone > at)
        for gone, tokens in ends:
            if lately <= most:
                break
            if gone > at:
                at, lately = gone, lately - tokens
        return at

    def believable(self, now_us: int) -> "Lane":
        """Without what no clock that goes right can have written."""
        latest = now_us + _LONGEST_US
        spans = tuple((span, tokens) for span, tokens in self.spans if now_us < _gone_us(span) <= latest + MINUTE_US)
        return replace(self, due_us=min(self.due_us, latest + self.burst_us), spans=spans)

    def _whole(self, amount: int) -> int:
        return amount if self.per_minute is None else min(amount, self.per_minute)

    def _counted(self, tokens: int, at_us: int) -> "Lane":
        if self.per_minute is None or self.unit is LimitedUnit.REQUESTS:
            return self
        spans = dict(self.spans)
        span = at_us // _SPAN_US
        spans[span] = max(spans.get(span, 0) + tokens, 0)
        return replace(self, spans=tuple(sorted(spans.items())))

    def left(self, amount: int, now_us: int) -> "Lane":
        """After the server said how many it still takes, which may be fewer than this lane believes."""
        own = self.cost_us(1) if self.unit is LimitedUnit.REQUESTS else _REFILL_US
        return replace(self, due_us=max(self.due_us, now_us + self.burst_us + own - self.cost_us(amount)))

    def closed_until(self, until_us: int) -> "Lane":
        """After the server said when to come back."""
        return replace(self, due_us=max(self.due_us, until_us + self.burst_us))


def departs_at_us(lanes: Sequence[Lane], now_us: int, tokens: int = 0) -> int:
    """When the next one, of so many tokens, may leave: at once, or when the last of these lanes has room."""
    return max([now_us, *(lane.leaves_at_us(tokens, now_us) for lane in lanes)])


def _gone_us(span: int) -> int:
    """From when on no minute that ends then holds any of a span."""
    return (span + 1) * _SPAN_US + MINUTE_US


def microseconds_of(at: datetime) -> int:
    """A moment as lanes count it."""
    return (at - _EPOCH) // timedelta(microseconds=1)
