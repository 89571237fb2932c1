"""What a distribution's metadata says its licence is, brought to SPDX or left open.

Nothing is guessed: where the metadata names a family, several licences or a text, the declaration is empty and says
why. Comparing a declaration with an answer is left to `checks`.
"""

from collections.abc import Sequence
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from .expressions import canonical
from .licences import known_licences

MAX_NAME_CHARACTERS = 120


class Metadata(Protocol):
    """The part of `importlib.metadata`'s message that is read here."""

    def get_all(self, name: str, failobj: list[str]) -> list[str] | None:
        """Every value of one header."""
        ...


class Declaration(BaseModel):
    """What is declared.

    Args:
        expression: canonical SPDX; None where nothing usable is declared.
        origin: which field said it, or why nothing could be taken from the metadata.
        family: the licences that a name such as "BSD License" leaves open; an answer has to be one of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    expression: str | None = None
    origin: str
    family: tuple[str, ...] = ()


def declaration(metadata: Metadata) -> Declaration:
    """Read `License-Expression`, then `License`, then the classifiers: the first that says something counts."""
    found = [
        each
        for each in (
            _from_expression(_values(metadata, "License-Expression")),
            _from_name(_values(metadata, "License")),
            _from_classifiers(_values(metadata, "Classifier")),
        )
        if each is not None
    ]
    settled = next((each for each in found if each.expression), None)
    open_ended = next((each for each in found if each.family), None)
    return settled or open_ended or (found[0] if found else Declaration(origin="nothing declared"))


def _values(metadata: Metadata, header: str) -> list[str]:
    return [str(value).strip() for value in metadata.get_all(header, []) or [] if str(value).strip()]


def _from_expression(values: Sequence[str]) -> Declaration | None:
    if not values:
        return None
    expression = canonical(values[0])
    if expression is None:
        return Declaration(origin="License-Expression is not an SPDX expression")
    return Declaration(expression=expression, origin="License-Expression")


def _from_name(values: Sequence[str]) -> Declaration | None:
    """The old `License` field holds a name, an expression, or a whole text."""
    if not values or values[0].upper() == "UNKNOWN":
        return None
    name = values[0]
    if "\n" in name or len(name) > MAX_NAME_CHARACTERS:
        return Declaration(origin="the License field holds a text, not a name")
    known = known_licences().by_name(name)
    if known is not None:
        return Declaration(expression=known.spdx, origin="License")
    family = known_licences().family(name)
    if family is not None:
        return Declaration(origin="License names a family", family=family.members)
    expression = canonical(name)
    if expression is None:
        return Declaration(origin="the License field is not a name that is known here")
    return Declaration(expression=expression, origin="License")


def _from_classifiers(values: Sequence[str]) -> Declaration | None:
    ends = [value.rsplit(" :: ", 1)[-1] for value in values if value.startswith("License :: ")]
    licences = {known.spdx for end in ends if (known := known_licences().by_classifier(end))}
    families = [family for end in ends if (family := known_licences().family(end))]
    if len(licences) == 1 and not families:
        return Declaration(expression=licences.pop(), origin="classifier")
    if len(licences) + len(families) > 1:
        return Declaration(origin="several licence classifiers, which do not say how they go together")
    if families:
        return Declaration(origin="a classifier names a family", family=families[0].members)
    return None
