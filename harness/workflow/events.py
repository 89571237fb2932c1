"""What a run tells while it goes on. The command line and the console read the same events.

Events hold names, counts and money, not people's words, except `Words`, which nothing keeps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True, slots=True)
class NodeSkipped:
    """A node was passed over, because its `when` does not hold."""

    node: str


@dataclass(frozen=True, slots=True)
class ItemSkipped:
    """An item failed for good and the node goes on without it."""

    node: str
    item: int
    error: str
    message: str


@dataclass(frozen=True, slots=True)
class FallbackTaken:
    """A node failed for good, and its fallback answers."""

    node: str
    error: str
    message: str


@dataclass(frozen=True, slots=True)
class ResultReused:
    """A node's result was taken from the cache, where an earlier run left it."""

    node: str
    run_id: str


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """A tool is called; `path` tells calls apart, `digest` is of the arguments, which are not told."""

    node: str
    path: str
    tool: str
    digest: str
    effect: bool


@dataclass(frozen=True, slots=True)
class ToolAnswered:
    """A tool answered or failed; a replayed result was recorded earlier and the tool was not called."""

    node: str
    path: str
    tool: str
    seconds: float
    result_bytes: int | None
    error: str | None
    replayed: bool


@dataclass(frozen=True, slots=True)
class QuestionAsked:
    """A person is wanted; `harness approve` answers. What is shown is read from the question, not told here."""

    node: str
    question_id: str
    kind: str
    digest: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class QuestionAnswered:
    """A person's answer was taken."""

    node: str
    question_id: str
    person: str


@dataclass(frozen=True, slots=True)
class PlanMade:
    """A plan is to be run: each step's id, its worker and what it waits for."""

    node: str
    round: int
    steps: tuple[tuple[str, str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class PlanStepFinished:
    """A step of a plan is done, or failed with `error`."""

    node: str
    step: str
    seconds: float
    error: str | None


@dataclass(frozen=True, slots=True)
class ChildRunStarted:
    """A workflow runs as a step, as a run of its own."""

    node: str
    run_id: str
    workflow: str


RunEvent = (
    NodeStarted
    | NodeFinished
    | NodeSkipped
    | NodeRetried
    | ItemFinished
    | ItemSkipped
    | FallbackTaken
    | ResultReused
    | CallAnswered
    | Words
    | ToolCalled
    | ToolAnswered
    | QuestionAsked
    | QuestionAnswered
    | PlanMade
    | PlanStepFinished
    | ChildRunStarted
)
OnRunEvent = Callable[[RunEvent], None]


@dataclass(frozen=True, slots=True)
class EventsDropped:
    """A reader was so slow that this many events were not kept for it; parts of answers went first."""

    count: int


# What a reader of a run's stream gets.
StreamedEvent = RunEvent | EventsDropped
