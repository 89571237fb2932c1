"""What a condition comes to for given values: nothing is looked up but state keys and their fields, nothing is called.

Null and what is missing are never compared by guessing. A state key that nothing has written is null; a field that is
not there, and null where a number, a text or a list is needed, fail the condition at their place. `present(x)` asks
first. Equality alone takes null like any value.
"""

from collections.abc import Callable, Mapping
from operator import ge, gt, le, lt
from typing import Any, cast

from harness.exceptions import ExpressionFailed
from harness.json_values import Json
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
    written,
)

_ORDERS: dict[Comparison, Callable[[Any, Any], bool]] = {
    Comparison.LESS: lt,
    Comparison.LESS_OR_EQUAL: le,
    Comparison.GREATER: gt,
    Comparison.GREATER_OR_EQUAL: ge,
}
_WORDS: dict[type, str] = {bool: "a boolean", int: "a number", float: "a number", str: "a text", list: "a list"}


def value_of(expression: Expression, values: Mapping[str, Json]) -> Json:
    """What an expression comes to.

    Raises:
        ExpressionFailed: a value in it is missing or of another type; where, and how to ask first.
    """
    return _Evaluation(expression.text, values).value(expression.root)


def is_true(value: Json) -> bool:
    """Whether a value counts as true: it is not false, null, 0 or empty."""
    return bool(value)


def json_equal(one: Json, other: Json) -> bool:
    """Equality as JSON has it, at any depth: 1 is 1.0, but not true, though Python says so."""
    waiting: list[tuple[Json, Json]] = [(one, other)]
    while waiting:
        left, right = waiting.pop()
        if isinstance(left, bool) or isinstance(right, bool):
            if left is not right:
                return False
        elif isinstance(left, list) and isinstance(right, list):
            if len(left) != len(right):
                return False
            waiting.extend(zip(left, right, strict=True))
        elif isinstance(left, dict) and isinstance(right, dict):
            if left.keys() != right.keys():
                return False
            waiting.extend((left[key], right[key]) for key in left)
        elif left != right:
            return False
    return True


class _Evaluation:
    def __init__(self, text: str, values: Mapping[str, Json]) -> None:
        self._text = text
        self._values = values

    def value(self, part: Part) -> Json:  # noqa: PLR0911 - one a kind of part
        match part:
            case Literal():
                return part.value
            case Items():
                return [self.value(each) for each in part.items]
            case Name():
                return self._named(part)
            case Call():
                return self._called(part)
            case Compared():
                return self._compared(part)
            case Negated():
                return not is_true(self.value(part.part))
            case Joined():
                settles = part.junction is Junction.OR
                return settles if any(is_true(self.value(each)) is settles for each in part.parts) else not settles

    def _named(self, name: Name) -> Json:
        head, *fields = name.name.split(".")
        here = self._values.get(head)
        path = head
        for field in fields:
            if not isinstance(here, dict):
                raise self._failed(
                    name.column, f"{path!r} is {_word(here)} and has no field {field!r}{_ask_first(name)}"
                )
            if field not in here:
                raise self._failed(name.column, f"{path!r} has no field {field!r}{_ask_first(name)}")
            here, path = here[field], f"{path}.{field}"
        return here

    def _is_present(self, name: Name) -> bool:
        head, *fields = name.name.split(".")
        here = self._values.get(head)
        for field in fields:
            here = here.get(field) if isinstance(here, dict) else None
        return here is not None

    def _called(self, call: Call) -> Json:
        if call.function is Function.PRESENT:
            return self._is_present(cast("Name", call.argument))
        value = self.value(call.argument)
        if call.function is Function.LOWER and isinstance(value, str):
            return value.lower()
        if call.function is Function.LEN and isinstance(value, str | list | dict):
            return len(value)
        wanted = "a text" if call.function is Function.LOWER else "a text, a list or an object"
        raise self._failed(
            call.column, f"`{call.function}` takes {wanted}, not {_word(value)}{_ask_first(call.argument)}"
        )

    def _compared(self, compared: Compared) -> bool:
        left, right = self.value(compared.left), self.value(compared.right)
        match compared.operator:
            case Comparison.EQUAL:
                return json_equal(left, right)
            case Comparison.UNEQUAL:
                return not json_equal(left, right)
            case Comparison.IN:
                return self._contains(compared, left, right)
            case Comparison.NOT_IN:
                return not self._contains(compared, left, right)
            case order:
                return self._ordered(compared, _ORDERS[order], left, right)

    def _contains(self, compared: Compared, left: Json, right: Json) -> bool:
        if isinstance(right, list):
            return any(json_equal(left, each) for each in right)
        if isinstance(right, str | dict):
            if isinstance(left, str):
                return left in right
            raise self._failed(compared.column, f"only a text can be in {_word(right)}, not {_word(left)}")
        reason = f"`in` looks into a list, a text or an object, not into {_word(right)}"
        raise self._failed(compared.column, reason + (_ask_first(compared.right) if right is None else ""))

    def _ordered(self, compared: Compared, order: Callable[[Any, Any], bool], left: Json, right: Json) -> bool:
        if (_is_number(left) and _is_number(right)) or (isinstance(left, str) and isinstance(right, str)):
            return order(left, right)
        missing = [part for part, value in ((compared.left, left), (compared.right, right)) if value is None]
        reason = f"`{compared.operator}` compares two numbers or two texts, not {_word(left)} with {_word(right)}"
        raise self._failed(compared.column, reason + (_ask_first(missing[0]) if missing else ""))

    def _failed(self, column: int, reason: str) -> ExpressionFailed:
        return ExpressionFailed(self._text, column, reason)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _word(value: Json) -> str:
    return "null" if value is None else _WORDS.get(type(value), "an object")


def _ask_first(part: Part) -> str:
    """How to ask whether a name is there; nothing for what has no name."""
    return f": ask first, `present({written(part)}) and ...`" if isinstance(part, Name) else ""
