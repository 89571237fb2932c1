"""What is remembered, as a recall node reads it: the port, whose adapter is beside the memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.json_values import JsonObject
from harness.workflow.node_kinds import RecallNode, RememberNode


@dataclass(frozen=True, slots=True)
class RemembersFor:
    """Whose memory, in which step of which run."""

    organisation: str
    person: str
    team: str | None
    run_id: str
    workflow: str
    node: str


class Recollection(Protocol):
    """The memory by scope."""

    async def recall(
        self, query: str, node: RecallNode, *, session: str | None, who: RemembersFor
    ) -> Sequence[JsonObject]:
        """Records, best first: `{text, kind, score, trust, source, date, record_id, subjects}`."""
        ...

    async def remember_texts(
        self, texts: Sequence[str], node: RememberNode, *, session: str | None, trust: str, path: str, who: RemembersFor
    ) -> int:
        """Write texts as records of the node's kind; idempotent a path. Returns how many are new."""
        ...
