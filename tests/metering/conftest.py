"""The metered call over a real server and real stores, on a time that passes only when somebody sleeps."""

import asyncio
from datetime import timedelta
from random import Random

import pytest

from harness.metering.attempts import Resilience
from harness.metering.endpoint_health import EndpointHealth
from harness.models.catalogue import Endpoint, Model, RequestLimits
from harness.routing.bindings import Binding, BindingsFile
from harness.routing.circuit_breaker import BreakerPolicy
from harness.routing.retry_policy import RetryPolicy
from harness.storage.sql_rate_limiter import SqlRateLimiter
from tests.test_model_call import CONTEXT_TOKENS, NOW, PRICE, House, nobody_left


class Time:
    """Seconds that pass by sleeping alone.

    `stopped` lets nobody wake up any more, and is set by the first who falls asleep.
    """

    def __init__(self):
        self.seconds = 0.0
        self.slept = []
        self.stopped = None
        self.never = asyncio.Event()

    def monotonic(self):
        return self.seconds

    def clock(self):
        return NOW + timedelta(seconds=self.seconds)

    async def sleep(self, seconds):
        self.slept.append(seconds)
        if self.stopped is not None:
            self.stopped.set()
            await self.never.wait()
        until = self.seconds + seconds
        await asyncio.sleep(0)
        self.seconds = max(self.seconds, until)


class Stage:
    """A house whose calls meet failures on simulated time.

    Args:
        real_time: sleeps are real.
    """

    def __init__(self, home, *, policy=None, breaker=None, real_time=False):
        self.time = Time()

        def resilience(house):
            self.limiter = limiter = SqlRateLimiter(house.databases.money_writer)
            policy_ = policy or RetryPolicy()
            if real_time:
                return Resilience(policy=policy_, limiter=limiter)
            return Resilience(
                policy=policy_,
                limiter=limiter,
                health=EndpointHealth(self.time.monotonic, breaker or BreakerPolicy(failures=100)),
                clock=self.time.clock,
                monotonic=self.time.monotonic,
                sleep=self.time.sleep,
                random=Random(7),
            )

        self.house = House(home, resilience=resilience)
        self.server, self.ask = self.house.server, self.house.call.ask

    async def bind(self, *models, limits=None, elsewhere=None, prices=None):
        """Models as `name` at the server, or `name@place` at another endpoint whose address is in `elsewhere`."""
        addresses = {"there": self.server.base_url} | (elsewhere or {})
        endpoints = {
            name: Endpoint(base_url=url, timeout_seconds=20, limits=limits or RequestLimits())
            for name, url in addresses.items()
        }
        known = {}
        for each in models:
            name, _, place = each.partition("@")
            known[each.replace("@", "-")] = Model(
                endpoint=place or "there",
                wire_name=name,
                context_tokens=CONTEXT_TOKENS,
                price=(prices or {}).get(name, PRICE),
            )
        first, *others = known
        bound = Binding(role="writer", model=first, fallback=tuple(others))
        current = await self.house.bindings.current("acme")
        await self.house.bindings.add(
            "acme",
            BindingsFile(bindings=(bound,), endpoints=endpoints, models=known),
            made_by="ada",
            reason="",
            replaces=current.version if current else None,
        )

    def sent(self):
        """The models that were asked, in order."""
        return [request["model"] for request in self.server.requests]

    def errors(self):
        """What the settlements say, in order."""
        return [entry[4] for entry in self.house.entries() if entry[0] == "settle"]


@pytest.fixture
def staged(tmp_path):
    """Runs a scenario of (stage), and looks that it leaves nothing held and no entry missing."""

    def run(scenario, **options):
        async def main():
            stage = Stage(tmp_path / "home", **options)
            await stage.server.start()
            try:
                found = await scenario(stage)
            finally:
                await stage.house.close()
                await stage.server.close()
                await nobody_left()
            kinds = [entry[0] for entry in stage.house.entries()]
            assert kinds.count("hold") == kinds.count("settle")
            stage.house.ledger.dispose()
            return found

        return asyncio.run(main())

    return run
