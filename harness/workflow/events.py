"""What a run tells while it goes on. The command line and the console read the same events.

Events hold names, counts and money, not people's words, except `Words`, which nothing keeps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """A node begins; `items` is None where it has no `for_each`."""

    node: str
    items: int | None


@dataclass(frozen=True, slots=True)
class ItemFinished:
    """One item of a `for_each` is done."""

    node: str
    done: int
    items: int


@dataclass(frozen=True, slots=True)
class CallAnswered:
    """A model answered; a replayed answer was paid for earlier and costs nothing."""

    node: str
    model: str
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal
    replayed: bool


@dataclass(frozen=True, slots=True)
class Words:
    """Part of an answer as it arrives."""

    node: str
    text: str


@dataclass(frozen=True, slots=True)
class NodeRetried:
    """A node failed with an error that a retry can help, and is tried again after a wait."""

    node: str
    attempt: int
    wait_seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class NodeFinished:
    """A node is done and its output recorded with the next checkpoint."""

    node: str
    seconds: float


RunEvent = NodeStarted | ItemFinished | CallAnswered | Words | NodeRetried | NodeFinished
OnRunEvent = Callable[[RunEvent], None]
