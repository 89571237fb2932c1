"""What lanes let through stays within their limits, in any window and whatever is given back."""

from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harness.routing.rate_limits import MINUTE_US, Lane, LimitedUnit, departs_at_us, microseconds_of

SECOND = 1_000_000


def requests(per_minute):
    return Lane(LimitedUnit.REQUESTS, per_minute=per_minute)


def tokens(per_minute):
    return Lane(LimitedUnit.TOKENS, per_minute=per_minute)


@given(
    per_minute=st.integers(1, 1000),
    arrivals=st.lists(st.integers(0, 3 * MINUTE_US), max_size=200),
    window=st.sampled_from([MINUTE_US, 10 * SECOND]),
)
def test_no_window_holds_more_requests_than_the_limit_allows_it(per_minute, arrivals, window):
    lane, departures = requests(per_minute), []
    for at in sorted(arrivals):
        departs = departs_at_us([lane], at)
        lane = lane.taken(1, departs)
        departures.append(departs)
    most = -(-per_minute * window // MINUTE_US)
    assert departures == sorted(departures)
    for start in departures:
        assert sum(start <= each < start + window for each in departures) <= most


@given(
    per_minute=st.integers(100, 100_000),
    calls=st.lists(st.tuples(st.integers(0, 3 * SECOND), st.integers(1, 20_000)), max_size=60),
)
def test_no_minute_holds_more_tokens_than_the_limit_and_a_burst(per_minute, calls):
    lane, now, departures = tokens(per_minute), 0, []
    for later, amount in calls:
        now = departs_at_us([lane], now + later)
        lane = lane.taken(amount, now)
        departures.append((now, min(amount, per_minute)))
    burst = per_minute // 6 + max((amount for _, amount in departures), default=0)
    for start, _ in departures:
        assert sum(n for at, n in departures if start <= at < start + MINUTE_US) <= per_minute + burst


def test_requests_are_evenly_spaced_and_the_first_leaves_at_once():
    lane, departures = requests(60), []
    for _ in range(4):
        departures.append(departs_at_us([lane], 0))
        lane = lane.taken(1, departures[-1])
    assert departures[0] == 0
    assert {later - earlier for earlier, later in pairwise(departures)} == {lane.cost_us(1)}
    assert SECOND <= lane.cost_us(1) < 1.05 * SECOND


def test_all_lanes_must_have_room():
    closed = requests(None).closed_until(7 * SECOND)
    assert departs_at_us([requests(60), closed], 0) == 7 * SECOND
    assert departs_at_us([], 5) == 5


def test_a_request_larger_than_the_limit_goes_when_nothing_else_does_and_blocks_a_minute_at_most():
    lane = tokens(1000)
    lane = lane.taken(50_000, departs_at_us([lane], 0))
    assert departs_at_us([lane], 0) <= 1.05 * MINUTE_US


def test_a_server_that_has_less_left_than_we_believe_is_believed():
    lane = requests(60).left(0, 0)
    assert departs_at_us([lane], 0) == lane.cost_us(1)
    assert departs_at_us([requests(60).left(1, 0)], 0) == 0
    lane = tokens(6000).left(0, 0)
    assert departs_at_us([lane], 0) == SECOND
    full = tokens(6000).left(6000, 0)
    assert full.due_us <= 0


def test_moments_are_microseconds_since_1970():
    assert microseconds_of(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC)) == 1_000_005
