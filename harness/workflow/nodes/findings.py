"""What a workflow learned, as its nodes say it: records, entities and links; and the port that keeps them.

A project's code makes these as plain JSON; they are checked here, so that a mistake is named before anything is
written. References to entities are `Type:key`, the key being the value of the type's identifying property.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from harness.json_values import Json
from harness.workflow.node_kinds import MemoryScope


class _Finding(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RecordFinding(_Finding):
    """A text worth remembering.

    Args:
        source: where it comes from; with `place` it makes the record's identity, so that writing twice changes nothing.
        model: which model said it; None where none did.
        quote: the words of the source that it rests on.
        subjects: the entities that it is about.
    """

    text: str = Field(min_length=1)
    kind: str = "fact"
    source: str = Field(min_length=1)
    place: str = ""
    quote: str | None = None
    model: str | None = None
    subjects: tuple[str, ...] = ()
    confidence: float | None = Field(default=None, ge=0, le=1)
    trust: Literal["stated", "verified", "tool", "document", "inferred"] = "inferred"


class EntityFinding(_Finding):
    """A thing, by the type and the properties of the project's ontology."""

    type: str
    properties: dict[str, Json]
    name: str | None = None
    source: str = Field(min_length=1)


class LinkFinding(_Finding):
    """How two things are linked."""

    subject: str
    link: str
    object: str
    source: str = Field(min_length=1)
    quote: str | None = None
    model: str | None = None


class Findings(_Finding):
    """What one node hands to the memory."""

    records: tuple[RecordFinding, ...] = ()
    entities: tuple[EntityFinding, ...] = ()
    links: tuple[LinkFinding, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundBy:
    """Who found it, for whom, in which step of which run.

    Args:
        scope: whose memory it goes to, narrowed to `session` where there is one.
    """

    organisation: str
    person: str
    run_id: str
    workflow: str
    node: str
    at: datetime
    team: str | None = None
    scope: MemoryScope = field(default_factory=MemoryScope)
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Remembered:
    """How much was written; what was there already counts as unchanged."""

    records: int
    unchanged: int
    entities: int
    links: int


class FindingsStore(Protocol):
    """Port: keeps findings in the memory and the ontology. Idempotent, so that a repeated step changes nothing."""

    async def remember(self, findings: Sequence[Findings], found_by: FoundBy) -> Remembered:
        """Write them.

        Raises:
            FindingRefused: an entity, a link or a text that the ontology or the memory does not take; nothing of
                these findings was written.
        """
        ...
