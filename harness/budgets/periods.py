"""Calendar periods of a budget, computed from the time: no job ever resets one.

The only place where a person's time zone matters. A new week is a new period id, so an old balance simply stops
being asked for.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from harness.exceptions import LimitInvalid


class Period(StrEnum):
    """How long a limit holds before it starts anew; `none` is for ever."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class PeriodSpan:
    """One period: its id, and when it starts and ends (UTC, the end excluded; None for `Period.NONE`)."""

    period_id: str
    starts_at: datetime | None
    ends_at: datetime | None


@lru_cache(maxsize=512)
def zone_named(zone: str) -> ZoneInfo:
    """The IANA zone of this name.

    Raises:
        LimitInvalid: there is none.
    """
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise LimitInvalid("time zone", zone, 'use an IANA name such as "Europe/Berlin" or "UTC"') from error


def period_at(period: Period, zone: str, at: datetime) -> PeriodSpan:
    """The period that a moment falls into, by the calendar of a zone.

    Ids are "2026-11-24", "2026-W48" (ISO 8601 week, whose year is the week's own) and "2026-11"; "always" for none.
    A day starts at the first moment whose local date it is, and never ends twice: where clocks go back over midnight,
    what is repeated of the old day belongs to the new one.

    Args:
        at: aware.
    """
    if period is Period.NONE:
        return PeriodSpan("always", None, None)
    tz = zone_named(zone)
    day = at.astimezone(tz).date()
    following = day + timedelta(days=1)
    return _calendar_span(period, tz, following if at >= _start(following, tz) else day)


@lru_cache(maxsize=4096)
def _calendar_span(period: Period, tz: ZoneInfo, day: date) -> PeriodSpan:
    if period is Period.DAY:
        return PeriodSpan(day.isoformat(), _start(day, tz), _start(day + timedelta(days=1), tz))
    if period is Period.WEEK:
        year, week, weekday = day.isocalendar()
        monday = day - timedelta(days=weekday - 1)
        return PeriodSpan(f"{year}-W{week:02}", _start(monday, tz), _start(monday + timedelta(days=7), tz))
    first = day.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return PeriodSpan(f"{first:%Y-%m}", _start(first, tz), _start(following, tz))


@lru_cache(maxsize=4096)
def _start(day: date, tz: ZoneInfo) -> datetime:
    """The first moment of a local day: midnight, the first of two, or where clocks leap over it the end of the leap."""
    midnight = datetime.combine(day, time.min, tz)
    start = midnight.astimezone(UTC)
    if start.astimezone(tz).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return start
    # Midnight is leapt over; counted by the clock after the leap it lies before it, by the one before it not.
    before, leapt = midnight.replace(fold=1).astimezone(UTC), start
    while leapt - before > timedelta(seconds=1):
        middle = before + (leapt - before) // 2
        if middle.astimezone(tz).date() < day:
            before = middle
        else:
            leapt = middle
    return leapt.replace(microsecond=0)
