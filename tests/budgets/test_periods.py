"""Days, weeks and months follow the calendar of a zone; every moment lies in exactly one."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.budgets.periods import Period, period_at, zone_named
from harness.exceptions import LimitInvalid

CALENDAR = [Period.DAY, Period.WEEK, Period.MONTH]
# The far ends, half hours, days that were skipped, midnights that come twice or not at all.
ZONES = [
    "UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Asia/Kathmandu", "Pacific/Apia", "America/Sao_Paulo", "Asia/Beirut",
    "America/Havana", "America/St_Johns", "Europe/Berlin", "Australia/Lord_Howe", "America/Toronto", "Africa/Cairo",
]  # fmt: skip
MICROSECOND = timedelta(microseconds=1)
moments = st.datetimes(datetime(1900, 1, 2), datetime(2120, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds have none


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def span_in(zone, period, *local, fold=0):
    return period_at(period, zone, datetime(*local, fold=fold, tzinfo=ZoneInfo(zone)).astimezone(UTC))


@given(moments, st.sampled_from(ZONES) | st.sampled_from(sorted(available_timezones())), st.sampled_from(CALENDAR))
@example(at("2007-11-04T02:45:00"), "America/St_Johns", Period.DAY)  # 23:15 of a Saturday that was over already
@example(at("1919-03-31T04:45:00"), "America/Toronto", Period.DAY)  # 23:30 was followed by 0:30
@example(at("2011-12-30T10:00:00"), "Pacific/Apia", Period.DAY)
def test_every_moment_lies_in_its_span_and_spans_tile_time(moment, zone, period):
    span = period_at(period, zone, moment)
    assert span.starts_at <= moment < span.ends_at
    assert period_at(period, zone, span.starts_at) == span
    assert period_at(period, zone, span.ends_at - MICROSECOND) == span
    after, before = period_at(period, zone, span.ends_at), period_at(period, zone, span.starts_at - MICROSECOND)
    assert after.starts_at == span.ends_at
    assert before.ends_at == span.starts_at
    assert before.period_id < span.period_id < after.period_id


@given(moments, st.sampled_from(ZONES))
def test_borders_are_where_the_local_date_changes(moment, zone):
    tz = zone_named(zone)
    span = period_at(Period.DAY, zone, moment)
    assert span.starts_at.astimezone(tz).date().isoformat() == span.period_id
    assert (span.starts_at - MICROSECOND).astimezone(tz).date().isoformat() < span.period_id


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", (2026, 3, 29), 23),
        ("Europe/Berlin", (2026, 10, 25), 25),
        ("Europe/Berlin", (2026, 6, 1), 24),
        ("America/Sao_Paulo", (2018, 11, 4), 23),  # without a midnight
        ("Asia/Beirut", (2022, 3, 27), 23),
        ("America/Havana", (2026, 11, 1), 25),  # with two
        ("Australia/Lord_Howe", (2026, 4, 5), 24.5),
        ("Pacific/Apia", (2011, 12, 29), 24),  # the 30th never came
    ],
)
def test_a_day_is_as_long_as_its_clocks_make_it(zone, day, hours):
    span = span_in(zone, Period.DAY, *day, 12)
    assert (span.ends_at - span.starts_at) / timedelta(hours=1) == hours


def test_both_passes_of_a_repeated_hour_are_the_same_day():
    first = span_in("Europe/Berlin", Period.DAY, 2026, 10, 25, 2, 30)
    assert first == span_in("Europe/Berlin", Period.DAY, 2026, 10, 25, 2, 30, fold=1)


@pytest.mark.parametrize(
    ("day", "week"),
    [
        ((2026, 12, 28), "2026-W53"),
        ((2027, 1, 3), "2026-W53"),
        ((2027, 1, 4), "2027-W01"),
        ((2024, 12, 30), "2025-W01"),
        ((2026, 11, 29), "2026-W48"),
    ],
)
def test_a_week_belongs_to_the_year_of_its_thursday(day, week):
    assert span_in("Europe/Berlin", Period.WEEK, *day, 12).period_id == week


def test_a_year_ends_by_the_zones_own_calendar():
    moment = at("2026-12-31T11:00:00")
    assert period_at(Period.MONTH, "Pacific/Kiritimati", moment).period_id == "2027-01"
    assert period_at(Period.DAY, "Etc/GMT+12", moment).period_id == "2026-12-30"
    assert period_at(Period.MONTH, "UTC", moment).ends_at == at("2027-01-01T00:00:00")


def test_a_limit_without_a_period_never_ends():
    span = period_at(Period.NONE, "UTC", at("2026-11-24T00:00:00"))
    assert (span.period_id, span.starts_at, span.ends_at) == ("always", None, None)


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus_Mons", "", "../etc/passwd", "/etc/localtime", "Europe", "\0", "Berlin\n"]
)
def test_a_zone_that_does_not_exist_is_refused(zone):
    with pytest.raises(LimitInvalid, match="time zone"):
        period_at(Period.DAY, zone, at("2026-11-24T00:00:00"))
