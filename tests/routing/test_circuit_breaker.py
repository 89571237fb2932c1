"""A circuit opens when an endpoint keeps failing, lets one probe through at a time, and closes when it is well."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from harness.routing.circuit_breaker import BreakerPolicy, Circuit, CircuitState

POLICY = BreakerPolicy(failures=3, remembered=10, forgotten_after_seconds=60, open_seconds=5, longest_open_seconds=15)


def after(circuit, outcomes, now=0.0):
    for well in outcomes:
        entered = circuit.entered(now)
        circuit = entered.succeeded(entered.period, now) if well else entered.failed(entered.period, now)
    return circuit


def test_failures_in_a_row_open_it_for_a_while():
    assert after(Circuit(POLICY), [False, False]).state(0) is CircuitState.CLOSED
    circuit = after(Circuit(POLICY), [False, False, False])
    assert circuit.state(0) is circuit.state(4.9) is CircuitState.OPEN
    assert not circuit.lets_pass(4.9)
    assert circuit.seconds_closed_off(1) == 4
    assert circuit.state(5) is CircuitState.HALF_OPEN
    assert circuit.lets_pass(5)


def test_an_endpoint_that_fails_now_and_then_stays_closed():
    circuit = after(Circuit(POLICY), [True] * 10 + [False] * 3 + [True] * 4 + [False, False, True, False])
    assert circuit.state(0) is CircuitState.CLOSED
    assert after(Circuit(POLICY), [True] * 10 + [False] * 5).state(0) is CircuitState.OPEN


def test_old_failures_are_forgotten():
    circuit = after(Circuit(POLICY), [False, False], now=0.0)
    assert after(circuit, [False], now=61.0).state(61) is CircuitState.CLOSED


def test_one_probe_at_a_time_and_its_success_closes():
    circuit = after(Circuit(POLICY), [False] * 3).entered(5)
    assert not circuit.lets_pass(5)
    assert circuit.succeeded(circuit.period, 6).state(6) is CircuitState.CLOSED


def test_a_probe_that_fails_opens_it_for_twice_as_long_up_to_a_bound():
    circuit, now = after(Circuit(POLICY), [False] * 3), 0.0
    waits = []
    for _ in range(3):
        waits.append(circuit.seconds_closed_off(now))
        now += waits[-1]
        circuit = after(circuit, [False], now=now)
    assert waits == [5, 10, 15]


def test_an_abandoned_probe_leaves_room_for_another():
    circuit = after(Circuit(POLICY), [False] * 3).entered(5)
    assert circuit.abandoned(circuit.period).lets_pass(5)


def test_what_was_sent_before_it_opened_is_not_heard_afterwards():
    closed = Circuit(POLICY)
    opened = after(closed, [False] * 3)
    assert opened.succeeded(closed.period, 1) == opened
    assert opened.failed(closed.period, 1) == opened
    probing = opened.entered(5)
    assert not probing.abandoned(closed.period).lets_pass(5)


class BreakerMachine(RuleBasedStateMachine):
    """Any calls, ending in any order, on a clock that goes on."""

    def __init__(self):
        super().__init__()
        self.circuit = Circuit(POLICY)
        self.now = 0.0
        self.under_way = []
        self.probes = []

    @rule(seconds=st.floats(0, 30))
    def time_passes(self, seconds):
        self.now += seconds

    @precondition(lambda self: self.circuit.lets_pass(self.now))
    @rule()
    def a_call_enters(self):
        half_open = self.circuit.state(self.now) is CircuitState.HALF_OPEN
        self.circuit = self.circuit.entered(self.now)
        self.under_way.append(self.circuit.period)
        if half_open:
            assert self.circuit.period not in self.probes
            self.probes.append(self.circuit.period)

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 99), end=st.sampled_from(["succeeded", "failed", "abandoned"]))
    def a_call_ends(self, which, end):
        period = self.under_way.pop(which % len(self.under_way))
        before, probe = self.circuit, period in self.probes and period == self.circuit.period
        if end == "abandoned":
            self.circuit = before.abandoned(period)
        else:
            self.circuit = getattr(before, end)(period, self.now)
        if probe:
            self.probes.remove(period)
            expected = {"succeeded": CircuitState.CLOSED, "failed": CircuitState.OPEN}
            assert self.circuit.state(self.now) is expected.get(end, CircuitState.HALF_OPEN)
        elif before.open_until is not None:
            assert self.circuit.open_until == before.open_until

    @invariant()
    def nothing_passes_while_it_is_open(self):
        if self.circuit.state(self.now) is CircuitState.OPEN:
            assert not self.circuit.lets_pass(self.now)
            assert 0 < self.circuit.seconds_closed_off(self.now) <= POLICY.longest_open_seconds

    @invariant()
    def it_is_never_stuck(self):
        assert self.circuit.lets_pass(self.now + POLICY.longest_open_seconds) or self.circuit.period in self.probes


BreakerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestBreaker = BreakerMachine.TestCase
