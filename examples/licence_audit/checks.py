"""Whether a model's answer may be believed: it agrees with what is declared, and the text shows the same licence.

Nothing is found here. An answer is accepted or refused with a reason; what stays refused is for a person.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from .excerpts import Question, parts_of
from .expressions import agrees, one_answer_can_agree, parse
from .inventory import Package
from .licences import OTHER, Licence, known_licences, words_of


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Classification(_Value):
    """What a model answers, in the shape of `schemas/classification.json`."""

    license: str


class Verdict(StrEnum):
    """How far a finding holds."""

    AGREED = "agreed"
    UNDECLARED = "undeclared"
    NEEDS_PERSON = "needs_person"


class Check(_Value):
    """What became of a package's latest answer.

    Args:
        found: the answer that was accepted; None where none was.
        answers: every answer so far, the first model's first.
        reason: why it was accepted or refused, in our words and identifiers alone.
        accepted_step: the node whose answer was accepted.
        reviewable: whether another answer could be accepted.
        also_in_text: other licences whose phrases stand in the text.
    """

    name: str
    version: str
    declared: str | None
    found: str | None
    verdict: Verdict
    answers: tuple[str | None, ...]
    reason: str
    accepted_step: str | None
    reviewable: bool
    also_in_text: tuple[str, ...]


class Doubt(_Value):
    """A refused package as `review` is asked about it.

    Args:
        refused: the first answer and why the text speaks against it; what is declared is not told, so that an answer
            that agrees with it was not copied from it.
        parts: the start and the middle of the text, from outside.
    """

    name: str
    refused: str
    parts: str


def check(
    packages: list[Package], questions: list[Question], answers: list[Classification | None]
) -> tuple[Check, ...]:
    """Check the first answer of each package; a package without a text has none."""
    by_name = {question.name: answer for question, answer in zip(questions, answers, strict=True)}
    return tuple(_checked(package, _answers(by_name, package.name), "classify") for package in packages)


def doubts(packages: list[Package], checks: list[Check]) -> tuple[Doubt, ...]:
    """What goes to review: the refused packages that another answer could help."""
    refused = {each.name: each for each in checks if each.verdict is Verdict.NEEDS_PERSON and each.reviewable}
    return tuple(
        Doubt(
            name=package.name,
            refused=_told(package, refused[package.name].answers[-1]),
            parts=parts_of(package.text),
        )
        for package in packages
        if package.name in refused
    )


def decide(
    packages: list[Package], checks: list[Check], doubts: list[Doubt], reviews: list[Classification | None]
) -> tuple[Check, ...]:
    """Check the second answers by the same rules; what is still refused stays for a person."""
    second = {doubt.name: review for doubt, review in zip(doubts, reviews, strict=True)}
    by_name = {package.name: package for package in packages}
    return tuple(
        _checked(by_name[first.name], (*first.answers, *_answers(second, first.name)), "review")
        if first.name in second
        else first
        for first in checks
    )


def _told(package: Package, answer: str | None) -> str:
    """What a reviewer is told of a refused answer, in identifiers of the list and phrases of ours alone."""
    licence = known_licences().by_answer(answer) if answer is not None else None
    if licence is None:
        return "The first answer named no licence."
    doubt = licence.doubt(words_of(package.text))
    return f"It is not {licence.spdx}: {doubt or 'its metadata speaks against it'}."


def _answers(by_name: Mapping[str, Classification | None], name: str) -> tuple[str | None, ...]:
    if name not in by_name:
        return ()
    answer = by_name[name]
    return (answer.license if answer is not None else None,)


def _checked(package: Package, answers: tuple[str | None, ...], step: str) -> Check:
    words = words_of(package.text)
    answer = answers[-1] if answers else None
    licence = known_licences().by_answer(answer) if answer is not None else None
    shown = known_licences().shown_in(words)
    hopeless = _hopeless(package)
    reason = hopeless or _refusal(package, answer, licence, words, shown)
    accepted = licence.spdx if licence is not None and reason is None else None
    declared = package.declared.expression
    verdict = Verdict.NEEDS_PERSON if accepted is None else Verdict.AGREED if declared else Verdict.UNDECLARED
    return Check(
        name=package.name,
        version=package.version,
        declared=declared,
        found=accepted,
        verdict=verdict,
        answers=answers,
        reason=reason or _acceptance(package),
        accepted_step=step if accepted is not None else None,
        reviewable=hopeless is None,
        also_in_text=tuple(each for each in shown if each != accepted),
    )


def _hopeless(package: Package) -> str | None:
    """Why no single answer could be accepted, whatever it was."""
    if not package.text:
        statuses = sorted({each.status.value for each in package.files}) or ["none there"]
        return f"no licence text could be read (files: {', '.join(statuses)})"
    if package.declared.expression and not one_answer_can_agree(parse(package.declared.expression)):
        return f"declared is {package.declared.expression}, which no single known licence is"
    return None


def _refusal(
    package: Package, answer: str | None, licence: Licence | None, words: str, shown: Sequence[str]
) -> str | None:
    if answer is None:
        return "no answer in the asked shape"
    if licence is None:
        return "no licence of the list was named" if answer == OTHER else "an answer outside the list"
    disagreement = _disagreement(package, licence)
    if disagreement:
        return disagreement
    doubt = licence.doubt(words)
    if doubt:
        return f"{licence.spdx} was answered, but {doubt}"
    others = [each for each in shown if each != licence.spdx]
    if others and not package.declared.expression:
        return f"{licence.spdx} was answered, but the text shows {', '.join(others)} too and nothing is declared"
    return None


def _disagreement(package: Package, licence: Licence) -> str | None:
    declared = package.declared
    if declared.expression and not agrees(parse(declared.expression), licence):
        return f"{licence.spdx} was answered, but {declared.expression} is declared ({declared.origin})"
    if declared.family and licence.spdx not in declared.family:
        return f"{licence.spdx} was answered, but {declared.origin}: {', '.join(declared.family)}"
    return None


def _acceptance(package: Package) -> str:
    declared = package.declared
    if declared.expression:
        return f"agrees with {declared.origin}, and the text shows it"
    return f"the text shows it; {declared.origin}"
