"""The port behind which entities and assertions are kept.

`tests/ontology/test_entity_store.py` is the suite that every adapter passes.
"""

from collections.abc import Collection, Mapping
from typing import Protocol

from ontology.entities import NOW, AsOf, Assertion, Batch, Entity, Link, Provenance, Statement, Written
from ontology.patterns import ANYTHING, Direction, Pattern


class EntityStore(Protocol):
    """Entities of many organisations, and everything ever asserted about them.

    *Nothing is overwritten.* A new value stands beside the old; what is retracted is hidden from then on and still
    answers questions about the time before. Reading takes `as_of`, in both times; it sees what is valid at
    `valid_at` and was recorded, and not yet retracted, at `recorded_at` (inclusive).

    *Apart.* No call sees or touches what is another organisation's; an identifier of another's is not found.

    *Atomic.* A batch is written whole or not at all, whatever happens to the process; a reader sees none of it or
    all.

    *Idempotent.* Writing a statement again (same subject, property, value or object, valid times and source) adds
    nothing while the first stands unretracted, also when two processes write it at once; the run and the quote
    that came first stay. An entity is known by its identifier; a new name for it is one more assertion.

    *Ordered.* Equal stores give equal answers in equal order, on every database: text is ordered by code point.

    The store does not know the schema: that what is written is allowed is up to the caller (`validation`).
    """

    def write(self, batch: Batch) -> Written:
        """Write entities, and statements about these or about ones that are there already.

        Raises:
            EntityNotFound: a statement's subject or object is neither in the batch nor in the store.
            EntityInvalid: an identifier is taken by an entity of another type.
        """
        ...

    def upsert_entity(self, entity: Entity, *, principal: str, provenance: Provenance) -> Written:
        """Write one entity with its name and properties."""
        ...

    def assert_property(
        self, organisation: str, statement: Statement, *, principal: str, provenance: Provenance
    ) -> Written:
        """Write one value of one entity. Raises as `write`; ValueError when it is a link."""
        ...

    def assert_link(
        self, organisation: str, statement: Statement, *, principal: str, provenance: Provenance
    ) -> Written:
        """Write one link between two entities. Raises as `write`; ValueError when it is a value."""
        ...

    def retract(self, organisation: str, assertion_id: str, *, principal: str, reason: str) -> Assertion:
        """Say that an assertion should not have been made; a second time changes nothing.

        Raises:
            AssertionNotFound: there is none.
        """
        ...

    def entity(self, organisation: str, entity_id: str, as_of: AsOf = NOW) -> Entity:
        """One entity, with the values that hold.

        Raises:
            EntityNotFound: it is not there, or was not yet.
        """
        ...

    def entities(
        self, organisation: str, pattern: Pattern = ANYTHING, *, as_of: AsOf = NOW, limit: int | None = None
    ) -> list[Entity]:
        """The entities that fit a pattern, by type, name and identifier."""
        ...

    def entities_by_id(self, organisation: str, entity_ids: Collection[str], as_of: AsOf = NOW) -> Mapping[str, Entity]:
        """Those of these entities that are there."""
        ...

    def links(
        self,
        organisation: str,
        entity_ids: Collection[str],
        *,
        direction: Direction = "out",
        types: Collection[str] = (),
        as_of: AsOf = NOW,
    ) -> list[Link]:
        """The links that leave these entities ("out") or lead to them ("in"), by type, subject and object."""
        ...

    def history(self, organisation: str, entity_id: str) -> list[Assertion]:
        """All that was ever asserted about an entity, retracted or not, in the order in which it was recorded.

        Links that lead to it are not among them: they are about their subject.

        Raises:
            EntityNotFound: it is not there.
        """
        ...
