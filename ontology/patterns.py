"""What entities are asked for by: their type, their values, their text, and what they are linked to."""

from collections.abc import Iterator, Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ontology.entities import PropertyValue, Text

# Each step is a nested query; more than these says that a question should be asked in parts.
MAX_STEPS = 8

Direction = Literal["out", "in"]


class Pattern(BaseModel):
    """Describes entities; all that it says must hold.

    Attributes:
        types: one of these; empty is any. Subtypes are to be named too: a store knows no schema.
        values: for each property, one of these values.
        text: every word of it stands in the name or in a text property, whatever its case.
        links: it is linked so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    types: tuple[str, ...] = ()
    values: Mapping[str, tuple[PropertyValue, ...]] = {}
    text: Text = ""
    links: tuple["LinkPattern", ...] = ()

    @model_validator(mode="after")
    def _is_short(self) -> Self:
        if sum(1 for _ in self._steps()) > MAX_STEPS:
            raise ValueError(f"follows more than {MAX_STEPS} links: ask in parts")
        return self

    def _steps(self) -> Iterator["LinkPattern"]:
        for link in self.links:
            yield link
            yield from link.other._steps()  # noqa: SLF001 of the same class


class LinkPattern(BaseModel):
    """A link of one of these types; "out" leads from the entity to the other, "in" from the other to it."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    types: tuple[str, ...] = ()
    direction: Direction = "out"
    other: Pattern = Field(default_factory=Pattern)


ANYTHING = Pattern()
