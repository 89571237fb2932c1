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

    Args:
        at: aware; a day starts at local midnight, on a day without one (a clock change) at the first moment there is.
    """
    if period is Period.NONE:
        return PeriodSpan("always", None, None)
    tz = zone_named(zone)
    return _calendar_span(period, tz, at.astimezone(tz).date())


@lru_cache(maxsize=4096)
def _calendar_span(period: Period, tz: ZoneInfo, day: date) -> PeriodSpan:
    if period is Period.DAY:
        return PeriodSpan(day.isoformat(), _midnight(day, tz), _midnight(day + timedelta(days=1), tz))
    if period is Period.WEEK:
        year, week, weekday = day.isocalendar()
        monday = day - timedelta(days=weekday - 1)
        return PeriodSpan(f"{year}-W{week:02}", _midnight(monday, tz), _midnight(monday + timedelta(days=7), tz))
    first = day.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return PeriodSpan(f"{first:%Y-%m}", _midnight(first, tz), _midnight(following, tz))


def _midnight(day: date, tz: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, tz).astimezone(UTC)
