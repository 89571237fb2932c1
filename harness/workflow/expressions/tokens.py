"""The text of a condition as words, signs, names and plain values, each with its column."""

import math
import re
from dataclasses import dataclass
from enum import Enum, auto

from harness.exceptions import ExpressionInvalid
from harness.json_values import Json

MAX_CHARACTERS = 2000

WORDS = frozenset({"and", "or", "not", "in", "true", "false", "null"})

_TOKEN = re.compile(
    r"""
    (?P<number>-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![A-Za-z0-9_.]))
    | (?P<name>[a-z][a-z0-9_]*(?:\.[A-Za-z0-9_-]+)*(?![A-Za-z0-9_]))
    | (?P<text>'(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*")
    | (?P<sign>==(?!=)|!=|<=|>=|<|>|\(|\)|\[|\]|,)
    """,
    re.VERBOSE | re.DOTALL,
)
_SPACE = re.compile(r"\s*")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"\\": "\\", "'": "'", '"': '"', "n": "\n", "t": "\t"}

# What people who know another language write, and what it is called here.
_WRITE = {
    "=": "==", "===": "==", "<>": "!=", "&&": "and", "&": "and", "||": "or", "|": "or", "!": "not",
    "True": "true", "False": "false", "None": "null", "AND": "and", "OR": "or", "NOT": "not", "IN": "in",
    "TRUE": "true", "FALSE": "false", "NULL": "null",
}  # fmt: skip
_STRANGE = re.compile(r"[A-Za-z0-9_.]+|===?|&&|\|\||.", re.DOTALL)


class Kind(Enum):
    """What a token is; a word is one of the language's own."""

    VALUE = auto()
    NAME = auto()
    WORD = auto()
    SIGN = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """One part of the text.

    Args:
        column: where it begins, counted from 1.
        value: of a number or a text.
    """

    kind: Kind
    written: str
    column: int
    value: Json = None


def tokens(text: str) -> list[Token]:
    """The parts of a text, the last of them its end.

    Raises:
        ExpressionInvalid: something in it is no part of a condition, or it is too long.
    """
    if len(text) > MAX_CHARACTERS:
        raise ExpressionInvalid(text, MAX_CHARACTERS + 1, f"longer than {MAX_CHARACTERS:,} characters")
    found: list[Token] = []
    place = _after_space(text, 0)
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise _refused(text, place)
        found.append(_token(text, match))
        place = _after_space(text, match.end())
    return [*found, Token(Kind.END, "", len(text) + 1)]


def _after_space(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    assert match is not None, "no space is space too"
    return match.end()


def _token(text: str, match: re.Match[str]) -> Token:
    written, column = match.group(), match.start() + 1
    match match.lastgroup:
        case "number":
            return Token(Kind.VALUE, written, column, _number(text, written, column))
        case "text":
            return Token(Kind.VALUE, written, column, _unescaped(text, written, column))
        case "name":
            return Token(Kind.WORD if written in WORDS else Kind.NAME, written, column)
        case _:
            return Token(Kind.SIGN, written, column)


def _number(text: str, written: str, column: int) -> int | float:
    if not any(each in written for each in ".eE"):
        return int(written)
    value = float(written)
    if not math.isfinite(value):
        raise ExpressionInvalid(text, column, "a number too large to be told from others")
    return value


def _unescaped(text: str, written: str, column: int) -> str:
    def one(match: re.Match[str]) -> str:
        if match.group(1) not in _ESCAPED:
            place = column + 1 + match.start()
            raise ExpressionInvalid(text, place, r"no escape: a text knows \\, \', \", \n and \t")
        return _ESCAPED[match.group(1)]

    return _ESCAPE.sub(one, written[1:-1])


def _refused(text: str, place: int) -> ExpressionInvalid:
    match = _STRANGE.match(text, place)
    assert match is not None, "there is something left"
    strange = match.group()
    if strange in _WRITE:
        reason = f"{strange!r} is not known here: write `{_WRITE[strange]}`"
    elif strange in "'\"":
        reason = "a text that does not end: close it with the same quote"
    elif strange in "+-*/%":
        reason = "there is no arithmetic in conditions: let a node work it out and compare its output"
    elif strange[0].isdigit():
        reason = f"{strange!r} is no number"
    else:
        reason = f"{strange!r} is no part of a condition; names are lower case, texts stand in quotes"
    return ExpressionInvalid(text, place + 1, reason)
