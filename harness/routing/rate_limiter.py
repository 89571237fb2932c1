"""Port: keeps the requests and tokens of all processes below what an endpoint lets through."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from harness.models.catalogue import RequestLimits
from harness.routing.rate_limits import Lane, ObservedLimits


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose limits are meant: an organisation's at an endpoint, and there a model's of this wire name.

    Args:
        declared: what the catalogue says of the endpoint; what answers teach is of the model.
        address: tells apart where the endpoint is and whose account is used there: what was learned of another address
            or of another account under the same name is not true of this one.
    """

    organisation: str
    endpoint: str
    model: str
    declared: RequestLimits
    address: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What there are lanes of."""
        return self.organisation, self.endpoint, self.address, self.model


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in the queue, or word that there is none yet.

    Args:
        wait_seconds: after `at`; if taken, when to leave; else when to ask again.
        tokens: reserved in each of `token_lanes`, of which there are none where nothing limits tokens.
        at: when it was taken.
    """

    wait_seconds: float
    taken: bool
    tokens: int
    at: datetime
    token_lanes: tuple[Lane, ...] = ()


class RateLimiter(Protocol):
    """Lanes for all processes together; what they let through is within every limit that is known."""

    async def reserve(self, caller: Caller, tokens: int, *, at: datetime) -> Slot:
        """Take the next place that is near, all lanes at once or none; nothing is written where no limit is known."""
        ...

    async def give_back(self, caller: Caller, slot: Slot, *, used_tokens: int, at: datetime) -> None:
        """Return what a call did not use of the tokens that it reserved.

        What was reserved more than a minute ago has run off by itself, and the older it is, the less makes room.
        """
        ...

    async def observe(
        self, caller: Caller, observed: ObservedLimits, *, closed_seconds: float | None, at: datetime
    ) -> None:
        """Learn what an answer said: limits, what is left of them, and for how long the server wants no more."""
        ...


class NoRateLimits:
    """The `RateLimiter` that lets everything through."""

    async def reserve(self, caller: Caller, tokens: int, *, at: datetime) -> Slot:
        """See the port."""
        del caller
        return Slot(0.0, taken=True, tokens=tokens, at=at)

    async def give_back(self, caller: Caller, slot: Slot, *, used_tokens: int, at: datetime) -> None:
        """See the port."""

    async def observe(
        self, caller: Caller, observed: ObservedLimits, *, closed_seconds: float | None, at: datetime
    ) -> None:
        """See the port."""
