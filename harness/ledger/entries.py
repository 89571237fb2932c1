"""What is written when money is held and settled: who, for what, by which model, at which price.

Entries hold ids, digests and numbers, never anyone's words.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from harness.budgets.limits import Charge, ScopeKind
from harness.models.usage import Usage


class EntryKind(StrEnum):
    """What happened.

    `settle` closes a hold at what the call cost, `expire` at what was held because its process is gone, `adjust`
    corrects an expired one when the answer came after all.
    """

    HOLD = "hold"
    SETTLE = "settle"
    EXPIRE = "expire"
    ADJUST = "adjust"


@dataclass(frozen=True, slots=True)
class CallContext:
    """Who asks, for whom and at which place of which run.

    Args:
        path: the place within the run: the node, its visit where it is not the first, the item where there are
            several, e.g. `classify:2[3]`; with `ordinal` it names the question.
        ordinal: the how-manieth question at that place.
        within: the runs that the call's run is a step of, the innermost first; it counts against their limits too.
    """

    organisation: str
    person: str
    task_id: str
    role: str
    path: str
    ordinal: int = 0
    team: str | None = None
    run_id: str | None = None
    workflow: str | None = None
    node: str | None = None
    within: tuple[str, ...] = ()

    @property
    def call_id(self) -> str:
        """Names what is asked, the same in every replay."""
        return f"{self.run_id or self.task_id}/{self.path}#{self.ordinal}"

    @property
    def place_id(self) -> str | None:
        """Names the place within its run, whatever the how-manieth question there: `run/path`; None outside a run."""
        return f"{self.run_id}/{self.path}" if self.run_id is not None else None


def place_of_call(call_id: str) -> tuple[str, int, int]:
    """The node, visit (from 1) and item (from 0) that a run's `call_id` names, whatever part of the node asked."""
    path = call_id.partition("/")[2].rpartition("#")[0]
    place, _, item = path.partition("/")[0].partition("[")
    node, _, visit = place.partition(":")
    return node, int(visit or 1), int(item.rstrip("]") or 0)


@dataclass(frozen=True, slots=True)
class Send:
    """One HTTP send: what may be billed, and everything its entries say.

    Args:
        send_id: fresh for each send.
        request_digest: of the neutral request, so that a journalled reply answers only what it was asked.
        bound: what is held for it.
        input_bound: tokens; with `output_bound` the charge's tokens.
    """

    send_id: str
    context: CallContext
    request_digest: str
    model: str
    endpoint: str
    binding_version: int
    bound: Charge
    input_bound: int
    output_bound: int

    def scopes(self) -> list[tuple[ScopeKind, str]]:
        """All that a limit can be set on and that this send counts against."""
        who = self.context
        named = [
            (ScopeKind.ORGANISATION, who.organisation),
            (ScopeKind.PERSON, who.person),
            (ScopeKind.TEAM, who.team),
            (ScopeKind.WORKFLOW, who.workflow),
            (ScopeKind.TASK, who.task_id),
            (ScopeKind.RUN, who.run_id),
            (ScopeKind.NODE, who.place_id),
            (ScopeKind.ROLE, who.role),
            (ScopeKind.MODEL, self.model),
        ]
        above = [(ScopeKind.RUN, run_id) for run_id in who.within]
        return [*((kind, name) for kind, name in named if name is not None), *above]


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a send ended.

    Args:
        charge: what it cost; all zero for a failure that was not billed.
        usage: what the provider reported, None where it did not.
        estimated: the cost is the held bound, because what was used is not known.
        reply: the reply's canonical JSON, journalled in the same transaction; None for a failure.
        error: the class of the failure; None for an answer.
    """

    charge: Charge
    usage: Usage
    price_source: str
    price_version: str
    at: datetime
    latency_ms: int
    estimated: bool = False
    reply: str | None = None
    request_id: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Journalled:
    """A reply that was paid for earlier: its canonical JSON, the model and the send that brought it."""

    reply: str
    send_id: str
    model: str
