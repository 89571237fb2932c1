"""How a call goes through its targets: what is sent again, what passed over, and what is said in the end."""

import asyncio
import json
import pickle

import pytest

from harness.exceptions import (
    Broken,
    BudgetExceeded,
    CircuitOpen,
    ContextTooLong,
    DeadlinePassed,
    Overloaded,
    PriceUnknown,
    QuotaSpent,
    RateLimited,
    Unreachable,
)
from harness.models.catalogue import RequestLimits
from harness.routing.circuit_breaker import BreakerPolicy
from harness.routing.retry_policy import RetryPolicy
from tests.dialects.loopback_server import _head, completion_for, stream_pieces
from tests.storage.money_samples import a_limit, rows_of
from tests.test_model_call import BOUND, asked, place

NOWHERE = "http://127.0.0.1:1/v1"


async def refused(stage, kind, path="first", **options):
    with pytest.raises(kind) as caught:
        await stage.ask(asked(), place(path), **options)
    return caught.value


def test_a_failure_that_is_free_is_sent_again_after_what_the_server_asked_for(staged):
    async def scenario(stage):
        await stage.bind("flaky-2")
        answer = await stage.ask(asked(), place())
        assert (answer.model, answer.sends) == ("flaky-2", 3)
        assert stage.errors() == ["Overloaded", "Overloaded", None]
        assert len({hold[0] for hold in stage.house.holds()}) == 3
        first, second = stage.time.slept
        assert 2 <= first <= 2.5  # the server's `retry-after: 2`, and jitter
        assert 2 <= second <= 3
        assert answer.waited_seconds == pytest.approx(first + second, abs=0.01)

    staged(scenario)


def test_a_failure_that_may_be_billed_goes_on_to_the_next_target(staged):
    async def scenario(stage):
        await stage.bind("cut", "normal")
        assert (await stage.ask(asked(), place())).model == "normal"
        return stage.sent(), stage.time.slept

    assert staged(scenario) == (["cut", "normal"], [])


@pytest.mark.parametrize(("kind", "error"), [("quota", QuotaSpent), ("context", ContextTooLong)])
def test_what_no_waiting_mends_is_sent_once(staged, kind, error):
    async def scenario(stage):
        await stage.bind(kind)
        await refused(stage, error)
        return stage.sent()

    assert staged(scenario) == [kind]


def test_a_spent_account_has_nothing_left_for_another_model_there_but_another_endpoint_may(staged):
    async def scenario(stage):
        await stage.bind("quota", "normal", "normal@second", elsewhere={"second": stage.server.base_url + "/"})
        assert (await stage.ask(asked(), place())).model == "normal-second"
        return stage.sent()

    assert staged(scenario) == ["quota", "normal"]


def test_an_endpoint_that_cannot_be_reached_is_tried_again_and_then_left_with_all_its_models(staged):
    async def scenario(stage):
        await stage.bind("one@gone", "two@gone", "normal", elsewhere={"gone": NOWHERE})
        answer = await stage.ask(asked(), place())
        assert (answer.model, stage.sent()) == ("normal", ["normal"])
        return stage.errors()

    assert staged(scenario) == ["Unreachable"] * 3 + [None]


def test_who_was_not_asked_and_what_failed_before_stands_in_the_notes(staged):
    async def scenario(stage):
        await stage.bind("500", "one@gone", "two@gone", elsewhere={"gone": NOWHERE})
        return (await refused(stage, Unreachable)).__notes__

    before, passed_over = staged(scenario)
    assert before.startswith("before it: endpoint 'there' (HTTP 500)")
    assert passed_over == "'two-gone' at 'gone' was not asked: its endpoint failed"


def test_the_deadline_ends_the_tries_and_is_named(staged):
    async def scenario(stage):
        await stage.bind("500")
        stage.server.before_answer = lambda: stage.time.sleep(4)
        error = await refused(stage, Overloaded)
        return stage.sent(), str(error)

    sent, words = staged(scenario, policy=RetryPolicy(deadline_seconds=5))
    assert sent == ["500"]
    assert "not tried again within the call's deadline of 5 s" in words


def test_a_deadline_that_has_passed_asks_nobody_else(staged):
    async def scenario(stage):
        await stage.bind("500", "normal")
        stage.server.before_answer = lambda: stage.time.sleep(6)
        error = await refused(stage, Overloaded)
        assert "'normal' at 'there' was not asked: the call's deadline of 5 s has passed" in error.__notes__
        return stage.sent(), str(error)

    sent, words = staged(scenario, policy=RetryPolicy(deadline_seconds=5))
    assert sent == ["500"]
    assert "deadline of 5 s" in words


@pytest.mark.parametrize("kind", ["cut-stream", "stream-error"])
def test_once_anything_was_heard_nothing_is_sent_again_and_nobody_else_asked(staged, kind):
    async def scenario(stage):
        await stage.bind(kind, "normal")
        heard = asyncio.Event()

        async def answer(path, given, request, writer):
            stage.server.requests.append(json.loads(request))
            pieces = stream_pieces(kind, completion_for(kind, json.loads(request)), usage=True)
            writer.write(_head(200, "text/event-stream") + _chunk(b"".join(pieces[:-1])))
            await writer.drain()
            await heard.wait()
            writer.write(_chunk(pieces[-1]) + _chunk(b""))

        stage.server._answer = answer
        with pytest.raises((Broken, Overloaded)):
            await stage.ask(asked(), place(), on_event=lambda _: heard.set())
        return stage.sent()

    assert staged(scenario) == [kind]


def test_a_stream_that_fails_before_anything_was_heard_is_sent_again_and_falls_back(staged):
    async def scenario(stage):
        await stage.bind("500", "normal")
        heard = []
        answer = await stage.ask(asked("hello"), place(), on_event=heard.append)
        assert "".join(event.text for event in heard) == answer.reply.text == "You said: hello ✓"
        return stage.sent()

    assert staged(scenario) == ["500"] * 3 + ["normal"]


def test_a_stream_that_dribbles_past_the_deadline_is_broken(staged):
    async def scenario(stage):
        await stage.bind("drip")
        error = await refused(stage, Broken, on_event=lambda _: None)
        assert "deadline of 0.3 s" in str(error)
        return stage.house.charged()

    assert staged(scenario, policy=RetryPolicy(deadline_seconds=0.3), real_time=True) == (BOUND, 1, 1)


def test_what_stops_the_fallback_does_not_hide_why_it_was_asked(staged):
    async def scenario(stage):
        await stage.bind("500", "normal")
        # The first model leaves just so much that the second, dearer by one nano-dollar, does not fit.
        await stage.house.money.set_limit(a_limit(BOUND))
        stage.server.before_answer = lambda: stage.house.money.set_limit(a_limit(BOUND - 1, limit_id="less"))
        return await refused(stage, BudgetExceeded)

    error = staged(scenario, policy=RetryPolicy(attempts=1))
    assert isinstance(error.__cause__, Overloaded)
    for same in (error, pickle.loads(pickle.dumps(error))):
        assert str(error.__cause__) in str(same)


def test_a_model_without_a_price_is_passed_over_with_a_note_where_another_can_answer(staged):
    async def scenario(stage):
        await stage.bind("normal", "torn", prices={"normal": None})
        answer = await stage.ask(asked(), place())
        assert (answer.model, stage.sent(), len(stage.house.holds())) == ("torn", ["torn"], 1)
        (note,) = answer.passed_over
        assert note.startswith("'normal' at 'there' was not asked: no price is known")

    staged(scenario)


def test_a_fallback_without_a_price_leaves_the_failure_what_it_was(staged):
    async def scenario(stage):
        await stage.bind("500", "normal", prices={"normal": None})
        error = await refused(stage, Overloaded)
        assert error.retryable
        return error.__notes__

    (note,) = staged(scenario, policy=RetryPolicy(attempts=1))
    assert note.startswith("'normal' at 'there' was not asked: no price is known")


def test_where_nobody_has_a_price_that_is_said_of_the_first_with_its_endpoint(staged):
    async def scenario(stage):
        await stage.bind("normal", "torn", prices={"normal": None, "torn": None})
        error = await refused(stage, PriceUnknown)
        assert stage.house.untouched()
        return str(error)

    assert staged(scenario).startswith("no price is known for 'normal' at the endpoint 'there'")


def test_what_failed_before_stands_in_the_notes_of_an_answer_that_broke_while_it_was_heard(staged):
    async def scenario(stage):
        await stage.bind("500", "cut-stream")
        heard = []
        error = await refused(stage, Broken, on_event=heard.append)
        assert heard
        return error.__notes__

    (note,) = staged(scenario, policy=RetryPolicy(attempts=1))
    assert note.startswith("before it: endpoint 'there' (HTTP 500)")


def test_a_model_that_keeps_failing_is_passed_over_without_a_hold_while_another_there_answers(staged):
    async def scenario(stage):
        await stage.bind("500", "normal")
        answers = [await stage.ask(asked(), place(f"p{number}")) for number in range(4)]
        assert {answer.model for answer in answers} == {"normal"}
        assert stage.sent().count("500") == 3
        await stage.bind("500")
        sent = len(stage.sent())
        error = await refused(stage, CircuitOpen, "alone")
        assert len(stage.sent()) == sent
        assert error.retryable
        assert 0 < error.retry_after_seconds <= 5
        assert f"tried again in {error.retry_after_seconds:.1f} s" in str(error)

    staged(scenario, breaker=BreakerPolicy(failures=3), policy=RetryPolicy(attempts=3, backoff_seconds=0.01))


def test_when_every_circuit_is_open_all_of_them_are_named(staged):
    async def scenario(stage):
        elsewhere = {"gone": NOWHERE, "lost": NOWHERE}
        await stage.bind("one@gone", "two@lost", elsewhere=elsewhere)
        await refused(stage, Unreachable)
        error = await refused(stage, CircuitOpen, "second")
        assert "'gone'" in str(error)
        assert "'lost'" in str(error)
        return stage.errors()

    assert staged(scenario, breaker=BreakerPolicy(failures=3, open_seconds=50)) == ["Unreachable"] * 6


def test_one_probe_at_a_time_finds_out_that_an_endpoint_is_well_again(staged):
    async def scenario(stage):
        await stage.bind("flaky-3")
        await refused(stage, Overloaded)
        await stage.time.sleep(30)
        going, release = asyncio.Event(), asyncio.Event()

        async def hold_up():
            going.set()
            await release.wait()

        stage.server.before_answer = hold_up
        probe = asyncio.create_task(stage.ask(asked(), place("probe")))
        await going.wait()
        error = await refused(stage, CircuitOpen, "beside it")
        assert "one call is trying it now" in str(error)
        release.set()
        await probe
        await asyncio.gather(*(stage.ask(asked(), place(f"after-{number}")) for number in range(3)))
        return len(stage.sent())

    assert staged(scenario, breaker=BreakerPolicy(failures=3)) == 7


def test_a_cancelled_probe_leaves_room_for_another(staged):
    async def scenario(stage):
        await stage.bind("flaky-3")
        await refused(stage, Overloaded)
        await stage.time.sleep(30)
        going, never = asyncio.Event(), asyncio.Event()

        async def hold_up():
            going.set()
            await never.wait()

        stage.server.before_answer = hold_up
        probe = asyncio.create_task(stage.ask(asked(), place("probe")))
        await going.wait()
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        stage.server.before_answer = None
        assert (await stage.ask(asked(), place("another"))).sends == 1

    staged(scenario, breaker=BreakerPolicy(failures=3))


def test_calls_below_a_declared_limit_queue_and_say_how_long(staged):
    async def scenario(stage):
        await stage.bind("normal", limits=RequestLimits(requests_per_minute=60))
        answers = [await stage.ask(asked(), place(f"p{number}")) for number in range(3)]
        return [answer.waited_seconds for answer in answers]

    first, *others = staged(scenario)
    assert first == 0
    assert all(1 <= wait <= 1.1 for wait in others)


def test_a_waiting_call_holds_no_money_and_leaves_when_it_is_cancelled(staged):
    async def scenario(stage):
        await stage.bind("normal", limits=RequestLimits(requests_per_minute=1))
        await stage.ask(asked(), place())
        stage.time.stopped = asyncio.Event()
        calls = [asyncio.create_task(stage.ask(asked(), place(f"p{number}"))) for number in range(3)]
        await stage.time.stopped.wait()
        assert len(stage.house.holds()) == 1
        for call in calls:
            call.cancel()
        assert all(
            isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*calls, return_exceptions=True)
        )
        return len(stage.house.holds())

    assert staged(scenario) == 1


def test_waiting_calls_leave_in_the_order_in_which_they_came(staged):
    async def scenario(stage):
        await stage.bind("normal", limits=RequestLimits(requests_per_minute=30))
        words = [f"number {number}" for number in range(5)]
        await asyncio.gather(*(stage.ask(asked(each), place(each)) for each in words))
        return words, [request["messages"][-1]["content"] for request in stage.server.requests]

    came, left = staged(scenario)
    assert came == left


def test_a_call_behind_others_waits_no_longer_than_its_deadline(staged):
    async def scenario(stage):
        await stage.bind("normal", limits=RequestLimits(requests_per_minute=50))
        await stage.ask(asked(), place())
        stage.time.stopped = asyncio.Event()
        first = asyncio.create_task(stage.ask(asked(), place("first of those who wait")))
        await stage.time.stopped.wait()
        error = await refused(stage, RateLimited, "second")
        assert "the calls before it take longer" in str(error)
        first.cancel()

    staged(scenario, policy=RetryPolicy(deadline_seconds=1.3))


def test_a_place_that_comes_only_after_the_deadline_is_not_waited_for(staged):
    async def scenario(stage):
        await stage.bind("normal", limits=RequestLimits(requests_per_minute=1))
        await stage.ask(asked(), place())
        error = await refused(stage, RateLimited, "second")
        assert "call_deadline_seconds" in str(error)
        assert error.retry_after_seconds > 50
        return stage.time.slept, len(stage.house.holds())

    assert staged(scenario, policy=RetryPolicy(deadline_seconds=30)) == ([], 1)


def test_a_place_that_is_taken_but_comes_after_the_deadline_is_not_waited_for(staged):
    async def scenario(stage):
        await stage.bind("normal", limits=RequestLimits(requests_per_minute=120))
        await stage.ask(asked(), place())
        error = await refused(stage, RateLimited, "second")
        assert not error.maybe_billed
        return stage.time.slept, len(stage.house.holds())

    assert staged(scenario, policy=RetryPolicy(deadline_seconds=0.3)) == ([], 1)


def test_a_call_that_wakes_up_after_its_deadline_holds_nothing_and_is_not_billed(staged):
    async def scenario(stage):
        await stage.bind("normal", limits=RequestLimits(requests_per_minute=120))
        await stage.ask(asked(), place())
        sleep = stage.time.sleep
        stage.time.sleep = None
        stage.house.call._attempts._queue._sleep = lambda seconds: sleep(seconds + 1)
        error = await refused(stage, DeadlinePassed, "second")
        assert (error.maybe_billed, error.retryable) == (False, True)
        assert "`call_deadline_seconds`" in str(error)
        return len(stage.house.holds())

    assert staged(scenario, policy=RetryPolicy(deadline_seconds=0.8)) == 1


@pytest.mark.parametrize("real_time", [False, True])
def test_opening_an_endpoint_takes_no_longer_than_the_deadline(staged, real_time):
    async def scenario(stage):
        await stage.bind("normal", "torn")
        opened = stage.house.connections.open

        async def slow(target):
            await (asyncio.Event().wait() if real_time else stage.time.sleep(100))
            return await opened(target)

        stage.house.connections.open = slow
        error = await refused(stage, DeadlinePassed)
        assert "'torn' at 'there' was not asked: the call's deadline of 0.2 s has passed" in error.__notes__
        assert stage.house.untouched()

    staged(scenario, policy=RetryPolicy(deadline_seconds=0.2), real_time=real_time)


def test_a_server_that_wants_to_be_left_alone_for_years_is_asked_again_after_two_minutes(staged):
    async def scenario(stage):
        await stage.bind("normal")
        answering(stage.server, 429, {"retry-after": "999999999"}, {"error": {"message": "no", "code": "slow_down"}})
        await refused(stage, RateLimited)
        error = await refused(stage, RateLimited, "second")
        assert error.retry_after_seconds <= 120
        assert "`also_at`" in str(error)
        stage.time.seconds += 121
        answering(stage.server)
        await stage.ask(asked(), place("third"))

    staged(scenario, policy=RetryPolicy(deadline_seconds=60))


def test_a_refusal_closes_an_endpoint_for_all_no_longer_than_one_call_would_wait_for_it(staged):
    async def scenario(stage):
        await stage.bind("normal")
        answering(stage.server, 429, {"retry-after": "100"}, {"error": {"message": "no", "code": "slow_down"}})
        await refused(stage, RateLimited)
        answering(stage.server)
        await stage.ask(asked(), place("second"))
        return sum(stage.time.slept)

    assert staged(scenario, policy=RetryPolicy(longest_asked_seconds=30)) == pytest.approx(30)


def test_what_was_learned_of_another_address_is_not_believed_of_this_one(staged):
    async def scenario(stage):
        await stage.bind("normal")
        answering(stage.server, headers={"x-ratelimit-limit-requests": "1", "x-ratelimit-remaining-requests": "0"})
        await stage.ask(asked(), place())
        answering(stage.server)
        there = stage.server.base_url
        await stage.bind("normal", elsewhere={"there": there.replace("127.0.0.1", "localhost")})
        await stage.ask(asked(), place("elsewhere"))
        assert stage.time.slept == []
        await stage.bind("normal", elsewhere={"there": there})
        await stage.ask(asked(), place("again"))
        return sum(stage.time.slept)

    assert staged(scenario) > 50


@pytest.mark.parametrize("status", [200, 500])
def test_nothing_that_a_header_says_costs_an_answer_or_hides_a_failure(staged, status):
    async def scenario(stage):
        await stage.bind("normal", limits=RequestLimits(tokens_per_minute=1000))
        answering(stage.server, status, {"x-ratelimit-limit-req-0-second": "10", "x-ratelimit-limit-tokens": "900"})

        async def fails(*_, **__):
            raise ZeroDivisionError

        stage.limiter.observe = fails
        if status == 200:
            assert (await stage.ask(asked("hi"), place())).sends == 1
        else:
            await refused(stage, Overloaded)
        # What was not used is given back all the same.
        return rows_of(stage.house.ledger, "SELECT spans FROM rate_lanes")

    ((spans,),) = staged(scenario, policy=RetryPolicy(attempts=1))
    assert sum(tokens for _, tokens in json.loads(spans)) < 100


def test_tokens_that_were_not_used_let_the_next_call_go(staged):
    async def scenario(stage):
        await stage.bind("normal", limits=RequestLimits(tokens_per_minute=1000))
        for number in range(3):
            await stage.ask(asked("hi"), place(f"p{number}"))
        return sum(stage.time.slept)

    # Each reserves a whole minute's worth and uses a few tokens.
    assert staged(scenario) < 1


def test_a_fan_out_below_a_declared_limit_draws_no_429(staged):
    async def scenario(stage):
        per_second = _limited(stage.server, per_second=120)  # a fifth more: this machine may be late and then hurry
        await stage.bind("normal", limits=RequestLimits(requests_per_minute=6000))
        answers = await asyncio.gather(*(stage.ask(asked("x"), place(f"p{number}")) for number in range(220)))
        assert max(answer.waited_seconds for answer in answers) > 1.5
        return len(answers), per_second["refused"]

    assert staged(scenario, real_time=True) == (220, 0)


def test_a_limit_is_learned_from_the_first_refusal_and_the_rest_queues(staged):
    async def scenario(stage):
        counts = _limited(stage.server, per_second=30, says=1200)
        await stage.bind("normal")
        answers = await asyncio.gather(*(stage.ask(asked("x"), place(f"p{number}")) for number in range(60)))
        learned = counts["refused"]
        assert 0 < learned < 60
        again = await asyncio.gather(*(stage.ask(asked("x"), place(f"q{number}")) for number in range(20)))
        return len(answers) + len(again), counts["refused"] - learned

    assert staged(scenario, real_time=True, policy=RetryPolicy(attempts=3)) == (80, 0)


def _chunk(piece):
    return b"%x\r\n%s\r\n" % (len(piece), piece)


def answering(server, status=200, headers=None, body=None):
    """Let the server answer everything so."""

    async def answer(path, given, request, writer):
        asked_for = json.loads(request)
        server.requests.append(asked_for)
        payload = json.dumps(body or completion_for("normal", asked_for)).encode()
        writer.write(_head(status, "application/json", length=len(payload), extra=headers) + payload)

    server._answer = answer


def _limited(server, *, per_second, says=None):
    """Let the server answer 429 where more come in any second than it lets through."""
    counts, arrivals, answer = {"refused": 0}, [], server._answer

    async def limited(path, headers, body, writer):
        now = asyncio.get_running_loop().time()
        arrivals[:] = [each for each in arrivals if each > now - 1]
        if len(arrivals) < per_second:
            arrivals.append(now)
            await answer(path, headers, body, writer)
            return
        counts["refused"] += 1
        payload = b'{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}'
        extra = {"retry-after-ms": "900"}
        if says:
            extra |= {"x-ratelimit-limit-requests": str(says), "x-ratelimit-remaining-requests": "0"}
        writer.write(_head(429, "application/json", length=len(payload), extra=extra) + payload)

    server._answer = limited
    return counts
