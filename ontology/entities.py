"""Things, and what is said about them: by whom, from when to when, and since when it is known.

Values only. What a type allows is left to `validation`, keeping them to `entity_store`.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

# PostgreSQL keeps no NUL, and half of a character has no UTF-8.
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Whether every database can keep a text."""
    return _NOT_STORABLE.search(text) is None


def _storable(text: str) -> str:
    if not is_storable(text):
        raise ValueError("text with a NUL or half of a character cannot be kept: remove it")
    return text


Text = Annotated[StrictStr, AfterValidator(_storable)]
Id = Annotated[Text, Field(min_length=1, max_length=200)]
FiniteFloat = Annotated[StrictFloat, Field(allow_inf_nan=False)]

# Dates and times are ISO 8601 text; the schema's range says which text is one.
PropertyValue = StrictBool | StrictInt | FiniteFloat | Text

# Where a text came from, from the most to the least trusted; what is derived takes the lowest of what it is made from.
Trust = Literal["stated", "verified", "tool", "document", "inferred"]

# What a thing is called is said like anything else, so that a new name does not overwrite the old.
LABEL = "rdfs:label"


class _Value(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Provenance(_Value):
    """Who says so.

    Attributes:
        source: what was read or who was asked: a document's address or digest, a person, a tool.
        run_id: the execution in which it was found.
        step: the node of that run.
        model: the model that read it out of the source.
        quote: the words of the source that it rests on.
        trust: how far the source is trusted.
    """

    source: Text
    run_id: Text | None = None
    step: Text | None = None
    model: Text | None = None
    quote: Text | None = None
    trust: Trust = "inferred"


class Entity(_Value):
    """A thing of one organisation, with the values that hold at one time.

    Attributes:
        properties: for each property its values, in the order in which they became known.
    """

    entity_id: Id
    organisation: Id
    type: Id
    name: Text
    properties: Mapping[str, tuple[PropertyValue, ...]] = {}

    def latest(self, name: str) -> PropertyValue | None:
        """The value of a property that became known last; None when it has none."""
        values = self.properties.get(name, ())
        return values[-1] if values else None


class Statement(_Value):
    """Something to be said about an entity: a property with a value, or a link to another entity.

    Attributes:
        valid_from: since when it holds in the world; None when that is not known.
        valid_to: until when, exclusive; None when it still holds or is not known.
        provenance: None takes that of the batch it is written with.
    """

    subject_id: Id
    property: Id
    value: PropertyValue | None = None
    object_id: Id | None = None
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None
    confidence: Annotated[float, Field(ge=0, le=1)] = 1.0
    provenance: Provenance | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.value is None) == (self.object_id is None):
            raise ValueError("a statement has a value or an object_id, and not both")
        if self.valid_from and self.valid_to and self.valid_from >= self.valid_to:
            raise ValueError("valid_to is not after valid_from")
        return self


class Assertion(_Value):
    """A statement as it was recorded. Nothing in it ever changes but that it can be retracted, once."""

    assertion_id: Id
    organisation: Id
    subject_id: Id
    property: Id
    value: PropertyValue | None = None
    object_id: Id | None = None
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None
    recorded_at: AwareDatetime
    retracted_at: AwareDatetime | None = None
    retracted_by: str | None = None
    retraction_reason: str | None = None
    confidence: float
    principal: str
    schema_digest: str
    provenance: Provenance


class Written(_Value):
    """How much of a batch was new; what was known already is not counted."""

    entities: int
    assertions: int


class Batch(_Value):
    """What is written together, or not at all.

    Attributes:
        principal: who writes.
        provenance: who says what the entities carry, and the statements that name no other.
        schema_digest: the version of the schema that it was checked against; "" when there was none.
    """

    organisation: Id
    principal: Id
    provenance: Provenance
    schema_digest: str = ""
    entities: tuple[Entity, ...] = ()
    statements: tuple[Statement, ...] = ()

    @model_validator(mode="after")
    def _is_of_one_organisation(self) -> Self:
        for entity in self.entities:
            if entity.organisation != self.organisation:
                raise ValueError(f"{entity.entity_id!r} is of {entity.organisation!r}, not of {self.organisation!r}")
        return self


class Link(_Value):
    """One entity's relation to another: an assertion seen as an edge of the graph."""

    assertion_id: Id
    type: Id
    subject_id: Id
    object_id: Id
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None
    confidence: float
    provenance: Provenance


class AsOf(_Value):
    """The two times a question is asked for.

    Attributes:
        valid_at: what held in the world then; None is now.
        recorded_at: what was known then; None is now.
    """

    valid_at: AwareDatetime | None = None
    recorded_at: AwareDatetime | None = None


NOW = AsOf()


def derive_entity_id(organisation: str, type_name: str, identity: Mapping[str, PropertyValue]) -> str:
    """The identifier of the thing that these values tell apart: the same values always give the same one.

    It is opaque, so that it can stand in ledgers and logs that must hold no text of people.
    """
    digest = _sha256([organisation, type_name, sorted((key, value) for key, value in identity.items())])
    return f"{type_name}-{digest[:32]}"


def canonical_value(value: PropertyValue) -> str:
    """A value as JSON, in which the number 1, the text "1" and true stay apart."""
    return json.dumps(value, ensure_ascii=False)


def value_digest(value: PropertyValue) -> str:
    """What a value is found by, however long it is."""
    return hashlib.sha256(canonical_value(value).encode()).hexdigest()


def fact_digest(organisation: str, statement: Statement, source: str) -> str:
    """What makes two statements the same: who, what, when it holds and the source; not the run that read it."""
    said = statement.object_id if statement.value is None else canonical_value(statement.value)
    times = [each and each.astimezone(UTC).isoformat() for each in (statement.valid_from, statement.valid_to)]
    kind = "link" if statement.value is None else "value"
    return _sha256([organisation, statement.subject_id, statement.property, kind, said, *times, source])


def _sha256(parts: list[object]) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()
