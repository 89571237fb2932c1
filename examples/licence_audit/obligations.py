"""Short duties of each accepted licence, as a model said them; only those whose quote stands in the text are kept.

What a licence really asks is for a person to read: the quote shows where. Which words the model was shown is in
`excerpts`.
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from .checks import Check
from .excerpts import duty_passage, says_duty
from .inventory import Package

MIN_QUOTE_WORDS = 3


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LicenceText(_Value):
    """One accepted licence as `obligations` is asked about it.

    Args:
        package: whose copy of the text it is.
        passage: text from outside.
    """

    spdx: str
    package: str
    passage: str


class Duty(_Value):
    """One duty as the model said it."""

    duty: str
    quote: str


class Duties(_Value):
    """What a model answers, in the shape of `schemas/obligations.json`."""

    duties: tuple[Duty, ...]


class Obligation(_Value):
    """A duty whose quote stands in the text of `package`."""

    spdx: str
    package: str
    duty: str
    quote: str


class ObligationsOfLicence(_Value):
    """What was kept of one licence's duties.

    Args:
        refused: how many were not, because their quote is not in the text or obliges to nothing.
    """

    spdx: str
    package: str
    kept: tuple[Obligation, ...]
    refused: int
    answered: bool


def licence_texts(packages: list[Package], verdicts: list[Check]) -> tuple[LicenceText, ...]:
    """One text for each accepted licence: that of the first package in which it was found."""
    texts = {package.name: package.text for package in packages}
    first = {verdict.found: verdict.name for verdict in reversed(verdicts) if verdict.found is not None}
    return tuple(
        LicenceText(spdx=spdx, package=name, passage=duty_passage(texts[name])) for spdx, name in sorted(first.items())
    )


def quoted(
    packages: list[Package], texts: list[LicenceText], answers: list[Duties | None]
) -> tuple[ObligationsOfLicence, ...]:
    """Keep the duties whose quote is in the licence text, line breaks aside, and obliges; count the others."""
    whole = {package.name: _one_space(package.text) for package in packages}
    return tuple(_kept(text, answer, whole[text.package]) for text, answer in zip(texts, answers, strict=True))


def _kept(text: LicenceText, answer: Duties | None, whole: str) -> ObligationsOfLicence:
    said: Sequence[Duty] = answer.duties if answer is not None else ()
    kept: dict[str, Obligation] = {}
    for each in said:
        quote = _one_space(each.quote)
        long_enough = len(quote.split()) >= MIN_QUOTE_WORDS
        if each.duty.strip() and long_enough and quote in whole and says_duty(quote):
            obligation = Obligation(spdx=text.spdx, package=text.package, duty=each.duty, quote=quote)
            kept.setdefault(quote, obligation)
    return ObligationsOfLicence(
        spdx=text.spdx,
        package=text.package,
        kept=tuple(kept.values()),
        refused=len(said) - len(kept),
        answered=answer is not None,
    )


def _one_space(text: str) -> str:
    return " ".join(text.split())
