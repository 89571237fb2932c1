"""What lanes let through stays within their limits, in any window and whatever is given back."""

import heapq
from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harness.routing.rate_limits import HORIZON_US, MINUTE_US, Lane, LimitedUnit, departs_at_us, microseconds_of

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


_CALL = st.tuples(
    st.integers(0, 40 * SECOND),  # comes so long after the one before
    st.integers(1, 12_000),  # reserves
    st.sampled_from([0, 1, 10, 100]),  # uses, percent
    st.integers(0, 90 * SECOND),  # takes
)


def departed_of(lane, calls):
    """When each call left and what it used; they come, leave and give back in the order of time."""
    used, under_way, now = [], [], 0
    for later, reserved, percent, takes in calls:
        now += later
        while True:
            while under_way and under_way[0][0] <= now:
                ends, departed, amount, really = heapq.heappop(under_way)
                if ends - departed < MINUTE_US:
                    lane = lane.given_back(amount, really, departed, ends)
            departs = departs_at_us([lane], now, reserved)
            if departs <= now + HORIZON_US:
                break
            now = min(departs, under_way[0][0]) if under_way else departs
        lane = lane.believable(now).taken(reserved, departs)
        really = min(reserved, lane.per_minute) * percent // 100
        used.append((departs, really))
        heapq.heappush(under_way, (departs + takes, departs, reserved, really))
    return used


@given(per_minute=st.integers(100, 10_000), calls=st.lists(_CALL, max_size=60))
def test_no_minute_holds_more_used_tokens_than_the_limit_and_a_burst_whatever_is_given_back(per_minute, calls):
    used = departed_of(tokens(per_minute), calls)
    for start, _ in used:
        assert sum(n for at, n in used if start <= at < start + MINUTE_US) <= per_minute + per_minute // 6


def test_what_most_of_its_minute_ran_off_before_it_was_given_back_makes_no_room_for_a_second_limit():
    whole = (0, 10_000, 100, 80 * SECOND)
    calls = [(0, 10_000, 1, 59 * SECOND), (50 * SECOND, *whole[1:]), (9 * SECOND, *whole[1:])]
    (_, _), (second, _), (third, _) = departed_of(tokens(10_000), calls)
    assert third - second >= MINUTE_US


def test_no_more_is_given_back_than_can_still_be_in_the_queue():
    lane = tokens(10_000).taken(10_000, 0)
    for seconds, share in [(0, 1.0), (15, 0.75), (45, 0.25), (60, 0.0), (90, 0.0)]:
        given_back = lane.due_us - lane.given_back(10_000, 0, 0, seconds * SECOND).due_us
        assert given_back == int(lane.cost_us(10_000) * share)
    assert lane.due_us - lane.given_back(10_000, 9_000, 0, SECOND).due_us == lane.cost_us(10_000) - lane.cost_us(9_000)


def test_what_was_given_up_at_once_makes_room_at_once():
    calls = [(0, 10_000, 1, SECOND), (2 * SECOND, 10_000, 1, SECOND), (2 * SECOND, 10_000, 1, SECOND)]
    assert [at for at, _ in departed_of(tokens(10_000), calls)] == [0, 2 * SECOND, 4 * SECOND]


def test_many_small_calls_that_used_nothing_are_no_credit_for_a_later_flood():
    small = [(SECOND, 166, 0, 30 * SECOND)] * 60
    flood = [(0, 1_660, 100, 80 * SECOND)] * 12
    used = departed_of(tokens(10_000), small + flood)
    for start, _ in used:
        assert sum(n for at, n in used if start <= at < start + MINUTE_US) <= 10_000 * 7 // 6


def test_no_clock_that_was_wrong_closes_a_lane_for_longer_than_two_minutes():
    month = 30 * 24 * 60 * MINUTE_US
    for lane in (requests(60), tokens(6000)):
        wrong = lane.taken(6000, month)
        assert departs_at_us([wrong.believable(0)], 0, 6000) <= 2 * MINUTE_US
        assert wrong.believable(month) == wrong


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
