"""The licences a package can be found to have, as facts from `licences.yaml`, and by what words a text shows itself.

The phrases confirm an answer that a model gave. They never stand in for one: nothing here says which licence a text
is. How declared expressions are read is in `expressions`.
"""

import re
from enum import StrEnum
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from ontology.yaml_documents import read_yaml

OTHER = "OTHER"

_NOT_WORDS = re.compile(r"[^a-z0-9]+")


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Copyleft(StrEnum):
    """What a licence asks of the work around it."""

    NONE = "none"
    WEAK = "weak"
    STRONG = "strong"
    NETWORK = "network"


class Licence(_Fact):
    """One licence; the meaning of each field stands at the top of `licences.yaml`."""

    spdx: str
    copyleft: Copyleft
    covers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    classifiers: tuple[str, ...] = ()
    confirmed_by: tuple[tuple[str, ...], ...] = Field(min_length=1)
    unless: tuple[str, ...] = ()

    def doubt(self, words: str) -> str | None:
        """Why a text does not show itself to be this licence; None where it does.

        Args:
            words: the text as `words_of` gives it.
        """
        excluded = [phrase for phrase in self.unless if _stands(phrase, words)]
        if excluded:
            return f"the text holds {excluded[0]!r}, which {self.spdx} does not"
        missing = [[phrase for phrase in every if not _stands(phrase, words)] for every in self.confirmed_by]
        nearest = min(missing, key=len)
        return f"the text lacks {nearest[0]!r}, which {self.spdx} holds" if nearest else None


class Family(_Fact):
    """Names that leave open which of several licences is meant."""

    names: tuple[str, ...]
    classifiers: tuple[str, ...]
    members: tuple[str, ...]


class Licences(_Fact):
    """All that are known, in the order in which they are offered to a model."""

    licences: tuple[Licence, ...]
    families: tuple[Family, ...]

    @property
    def answers(self) -> tuple[str, ...]:
        """What a model may say: the identifiers, and `OTHER`."""
        return (*(licence.spdx for licence in self.licences), OTHER)

    def by_answer(self, answer: str) -> Licence | None:
        """The licence that a model named; None for `OTHER` and for anything that is not on the list."""
        return next((licence for licence in self.licences if licence.spdx == answer), None)

    def by_identifier(self, identifier: str) -> Licence | None:
        """The licence that an SPDX identifier means, `-only` and `-or-later` being the same text."""
        wanted = identifier.casefold()
        return next((each for each in self.licences if wanted in _folded((each.spdx, *each.covers))), None)

    def by_name(self, name: str) -> Licence | None:
        """The licence that metadata calls by this name."""
        wanted = " ".join(name.casefold().split())
        return next((each for each in self.licences if wanted in _folded((each.spdx, *each.names))), None)

    def by_classifier(self, end: str) -> Licence | None:
        """The licence that the last part of a trove classifier means."""
        return next((each for each in self.licences if end in each.classifiers), None)

    def family(self, name: str) -> Family | None:
        """The family that a name or the last part of a classifier leaves open."""
        wanted = " ".join(name.casefold().split())
        return next((each for each in self.families if wanted in _folded((*each.names, *each.classifiers))), None)

    def shown_in(self, words: str) -> tuple[str, ...]:
        """Every licence whose phrases stand in a text: to warn of what else is there, never to answer."""
        return tuple(licence.spdx for licence in self.licences if licence.doubt(words) is None)


@cache
def known_licences() -> Licences:
    """The facts of `licences.yaml`."""
    return Licences.model_validate(read_yaml(Path(__file__).with_name("licences.yaml")).value)


def words_of(text: str) -> str:
    """A text as lower-case words with single spaces, so that line breaks, quotes and list marks make no difference."""
    return f" {_NOT_WORDS.sub(' ', text.casefold()).strip()} "


def _stands(phrase: str, words: str) -> bool:
    return words_of(phrase) in words


def _folded(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.casefold() for name in names)
