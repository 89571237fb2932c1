"""Reading a condition: a Pratt parser over four strengths of binding, bounded in length and depth.

From the weakest: `or`, `and`, `not`, comparisons; comparisons do not chain.

Source: Pratt, "Top down operator precedence", 1973.
"""

from functools import lru_cache

from harness.exceptions import ExpressionInvalid
from harness.json_values import Json
from harness.names import nearest_names
from harness.workflow.expressions.syntax import (
    Call,
    Compared,
    Comparison,
    Expression,
    Function,
    Items,
    Joined,
    Junction,
    Literal,
    Name,
    Negated,
    Part,
)
from harness.workflow.expressions.tokens import Kind, Token, tokens

MAX_DEPTH = 32

_ANYTHING, _OR, _AND, _NOT, _COMPARISON = range(5)
_POWERS: dict[str, int] = {
    Junction.OR: _OR,
    Junction.AND: _AND,
    **dict.fromkeys(Comparison, _COMPARISON),
}
_CONSTANTS: dict[str, Json] = {"true": True, "false": False, "null": None}


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """The condition that a text says.

    Raises:
        ExpressionInvalid: it says none; where, and what mends it.
    """
    return Expression(_Parser(text).whole(), text)


class _Parser:
    """Reads one text from left to right, one token ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._place = 0
        self._depth = 0

    def whole(self) -> Part:
        part = self._part(_ANYTHING)
        if self._next.kind is not Kind.END:
            raise self._refused(f"{self._next.written!r} stands where `and`, `or`, a comparison or the end could be")
        return part

    @property
    def _next(self) -> Token:
        return self._tokens[self._place]

    def _take(self) -> Token:
        token = self._next
        self._place += 1
        return token

    def _part(self, power: int) -> Part:
        """A part, with everything behind it that binds more strongly than `power`."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._refused(f"nested deeper than {MAX_DEPTH} levels")
        left = self._operand(power)
        while (operator := self._operator()) is not None and _POWERS[operator] > power:
            left = self._joined(left, operator) if operator in tuple(Junction) else self._compared(left, operator)
        self._depth -= 1
        return left

    def _operator(self) -> str | None:
        """The operator that comes next, if one does; `not in` is two words."""
        written = self._next.written if self._next.kind in (Kind.WORD, Kind.SIGN) else ""
        if written == "not":
            following = self._tokens[self._place + 1]
            return Comparison.NOT_IN if (following.kind, following.written) == (Kind.WORD, "in") else None
        return written if written in _POWERS else None

    def _take_operator(self, operator: str) -> int:
        """Go behind an operator; its column."""
        column = self._take().column
        if operator == Comparison.NOT_IN:
            self._take()
        return column

    def _joined(self, first: Part, operator: str) -> Part:
        parts = [first]
        column = self._next.column
        while self._operator() == operator:
            self._take_operator(operator)
            parts.append(self._part(_POWERS[operator]))
        return Joined(Junction(operator), tuple(parts), column)

    def _compared(self, left: Part, operator: str) -> Part:
        column = self._take_operator(operator)
        right = self._part(_COMPARISON)
        another = self._operator()
        if another in tuple(Comparison):
            raise self._refused("comparisons do not chain: write `a < b and b < c`")
        return Compared(Comparison(operator), left, right, column)

    def _operand(self, power: int) -> Part:
        token = self._take()
        if token.kind is Kind.VALUE:
            return Literal(token.value, token.column)
        if token.kind is Kind.NAME:
            return self._call(token) if self._next.written == "(" else Name(token.written, token.column)
        match token.written:
            case "true" | "false" | "null":
                return Literal(_CONSTANTS[token.written], token.column)
            case "not" if power < _COMPARISON:
                return Negated(self._part(_NOT), token.column)
            case "(":
                part = self._part(_ANYTHING)
                self._close(")", token)
                return part
            case "[":
                return Items(self._items(token), token.column)
            case _:
                raise self._refused(_missing(token), token)

    def _call(self, name: Token) -> Part:
        if name.written not in tuple(Function):
            near = nearest_names(name.written, Function)
            hint = f"did you mean `{near[0]}`?" if near else f"there is {', '.join(Function)}"
            raise self._refused(f"no function {name.written!r}; {hint}", name)
        opening = self._take()
        argument = self._part(_ANYTHING)
        self._close(")", opening)
        function = Function(name.written)
        if function is Function.PRESENT and not isinstance(argument, Name):
            raise self._refused("`present` is asked of a state key or a field within one", name)
        return Call(function, argument, name.column)

    def _items(self, opening: Token) -> tuple[Part, ...]:
        items: list[Part] = []
        while self._next.written != "]" or items:
            items.append(self._part(_ANYTHING))
            if self._next.written != ",":
                break
            self._take()
        self._close("]", opening)
        return tuple(items)

    def _close(self, sign: str, opening: Token) -> None:
        if self._next.kind is not Kind.SIGN or self._next.written != sign:
            raise self._refused(f"`{sign}` is missing here; `{opening.written}` at column {opening.column} is open")
        self._take()

    def _refused(self, reason: str, at: Token | None = None) -> ExpressionInvalid:
        return ExpressionInvalid(self._text, (at or self._next).column, reason)


def _missing(token: Token) -> str:
    if token.kind is Kind.END:
        return "something is missing here: a name, a value or a condition in parentheses"
    if token.written == "not":
        return "write `not (a == b)`, or put what is negated in parentheses"
    return f"{token.written!r} stands where a name, a value or `(` could be"
