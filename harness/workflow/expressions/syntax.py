"""What a condition says, as a tree of frozen parts, and how the tree is written as text again.

Two trees are equal when they say the same, wherever it stands: columns are for messages alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from harness.json_values import Json


class Function(StrEnum):
    """What can be asked of a value: how long it is, its text in lower case, whether it is there and not null."""

    LEN = "len"
    LOWER = "lower"
    PRESENT = "present"


class Comparison(StrEnum):
    """How two values are compared; equality is JSON's, so that 1 is not true."""

    EQUAL = "=="
    UNEQUAL = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    IN = "in"
    NOT_IN = "not in"


class Junction(StrEnum):
    """How conditions come together; what cannot change the outcome any more is not asked."""

    AND = "and"
    OR = "or"


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a text, true, false or null."""

    value: Json
    column: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple["Part", ...]
    column: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Name:
    """A state key, or a field within one."""

    name: str
    column: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A function of one value; `present` is asked of a name."""

    function: Function
    argument: "Part"
    column: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Compared:
    """Two values compared; the column is the operator's."""

    operator: Comparison
    left: "Part"
    right: "Part"
    column: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Negated:
    """What holds where its part does not."""

    part: "Part"
    column: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Joined:
    """Two or more conditions."""

    junction: Junction
    parts: tuple["Part", ...]
    column: int = field(default=1, compare=False)


Part = Literal | Items | Name | Call | Compared | Negated | Joined


@dataclass(frozen=True, slots=True)
class Expression:
    """A condition that was read.

    Args:
        text: as it was written.
    """

    root: Part
    text: str = field(compare=False)

    def names(self) -> tuple[str, ...]:
        """The dotted names in it, each once, in the order they are said."""
        return tuple(dict.fromkeys(each.name for each in parts_of(self.root) if isinstance(each, Name)))

    def __str__(self) -> str:
        return written(self.root)


def parts_of(part: Part) -> Iterator[Part]:
    """A part and all below it, in the order of the text."""
    yield part
    for below in _below(part):
        yield from parts_of(below)


def _below(part: Part) -> tuple[Part, ...]:
    match part:
        case Items():
            return part.items
        case Call():
            return (part.argument,)
        case Compared():
            return (part.left, part.right)
        case Negated():
            return (part.part,)
        case Joined():
            return part.parts
        case Literal() | Name():
            return ()


def written(part: Part) -> str:  # noqa: PLR0911 - one a kind of part
    """Text that reads as this part again, with no more parentheses than that takes."""
    match part:
        case Literal():
            return _plain(part.value)
        case Items():
            return f"[{', '.join(map(written, part.items))}]"
        case Name():
            return part.name
        case Call():
            return f"{part.function}({written(part.argument)})"
        case Compared():
            left, right = (_within(each, Compared, Negated, Joined) for each in (part.left, part.right))
            return f"{left} {part.operator} {right}"
        case Negated():
            return f"not {_within(part.part, Joined)}"
        case Joined():
            return f" {part.junction} ".join(_within_junction(each, part.junction) for each in part.parts)


def _within(part: Part, *looser: type) -> str:
    """A part inside another; in parentheses where it binds more loosely than that one."""
    return f"({written(part)})" if isinstance(part, looser) else written(part)


def _within_junction(part: Part, outer: Junction) -> str:
    looser = isinstance(part, Joined) and (outer is Junction.AND or part.junction is outer)
    return f"({written(part)})" if looser else written(part)


def _plain(value: Json) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value)
