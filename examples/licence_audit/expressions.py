"""SPDX licence expressions: which answers agree with one.

Reading the grammar's identifiers is left to `packaging.licenses`; which identifiers mean the same text to `licences`.

Source: https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/
"""

from dataclasses import dataclass

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from .licences import Licence, known_licences

MAX_EXPRESSION_CHARACTERS = 1_000
MAX_PARENTHESES = 40


@dataclass(frozen=True, slots=True)
class Term:
    """One identifier; an exception after `WITH` adds permissions to the same text."""

    identifier: str
    exception: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """`OR`: the one who receives the package picks."""

    parts: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Joint:
    """`AND`: all of them hold together."""

    parts: "tuple[Expression, ...]"


Expression = Term | Choice | Joint


def canonical(expression: str) -> str | None:
    """The expression as SPDX spells it; None where it is not one."""
    if len(expression) > MAX_EXPRESSION_CHARACTERS or expression.count("(") > MAX_PARENTHESES:
        return None
    try:
        return str(canonicalize_license_expression(expression))
    except InvalidLicenseExpression:
        return None


def parse(expression: str) -> Expression:
    """The tree of a canonical expression; `AND` binds before `OR`.

    Raises:
        ValueError: it is not canonical.
    """
    tokens = expression.replace("(", " ( ").replace(")", " ) ").split()
    tree, end = _choice(tokens, 0)
    if end != len(tokens):
        raise ValueError(f"{expression!r} goes on after {' '.join(tokens[:end])!r}")
    return tree


def agrees(expression: Expression, licence: Licence) -> bool:
    """Whether one licence is all that the expression asks for."""
    if isinstance(expression, Term):
        return known_licences().by_identifier(expression.identifier) == licence
    results = [agrees(part, licence) for part in expression.parts]
    return all(results) if isinstance(expression, Joint) else any(results)


def one_answer_can_agree(expression: Expression) -> bool:
    """Whether any single licence that is known would do: `MIT AND Zlib` needs two, `LicenseRef-Own` is unknown."""
    return any(agrees(expression, licence) for licence in known_licences().licences)


def identifiers(expression: Expression) -> tuple[str, ...]:
    """Every identifier in it, in order."""
    if isinstance(expression, Term):
        return (expression.identifier,)
    return tuple(each for part in expression.parts for each in identifiers(part))


def _choice(tokens: list[str], at: int) -> tuple[Expression, int]:
    parts, at = _separated(tokens, at, "OR")
    return (parts[0] if len(parts) == 1 else Choice(parts)), at


def _joint(tokens: list[str], at: int) -> tuple[Expression, int]:
    parts, at = _separated(tokens, at, "AND")
    return (parts[0] if len(parts) == 1 else Joint(parts)), at


def _separated(tokens: list[str], at: int, word: str) -> tuple[tuple[Expression, ...], int]:
    inner = _joint if word == "OR" else _term
    first, at = inner(tokens, at)
    parts = [first]
    while at < len(tokens) and tokens[at] == word:
        part, at = inner(tokens, at + 1)
        parts.append(part)
    return tuple(parts), at


def _term(tokens: list[str], at: int) -> tuple[Expression, int]:
    if at >= len(tokens):
        raise ValueError("the expression ends too early")
    if tokens[at] == "(":
        tree, at = _choice(tokens, at + 1)
        if at >= len(tokens) or tokens[at] != ")":
            raise ValueError("a parenthesis is not closed")
        return tree, at + 1
    if at + 2 < len(tokens) and tokens[at + 1] == "WITH":
        return Term(tokens[at], tokens[at + 2]), at + 3
    return Term(tokens[at]), at + 1
