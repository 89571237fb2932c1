"""What must hold of conditions: they can be read, their names are state keys, their types can be compared.

A type is known where the state declares it or the condition spells a value out. A state key may be null before it is
written, so null is nobody's mistake here; what a field holds is not declared, so that fields may hold anything.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.exceptions import ExpressionInvalid
from harness.workflow.checking.problems import Problems
from harness.workflow.checking.references import name_problem
from harness.workflow.expressions import Expression, parse
from harness.workflow.expressions.syntax import (
    Call,
    Compared,
    Comparison,
    Function,
    Items,
    Literal,
    Name,
    Part,
    parts_of,
    written,
)
from harness.workflow.loading import KeyPath
from harness.workflow.node_kinds import BranchNode
from harness.workflow.spec import Condition, StateKeySpec, ValueType, WorkflowSpec
from harness.workflow.state_values import held_type
from harness.workflow.value_types import fits, type_of

_NUMBERS = frozenset({"integer", "number"})
_ORDERED = _NUMBERS | {"string"}
_CONTAINERS = frozenset({"string", "array", "object"})
_TAKEN = {Function.LEN: _CONTAINERS, Function.LOWER: frozenset({"string"})}
_EQUALITY = (Comparison.EQUAL, Comparison.UNEQUAL)
_CONTAINMENT = (Comparison.IN, Comparison.NOT_IN)


@dataclass(frozen=True, slots=True)
class ExpressionProblem:
    """What is wrong in a condition, and at which of its columns, counted from 1."""

    column: int
    reason: str


def check_conditions(spec: WorkflowSpec, problems: Problems) -> None:
    """Note what is wrong with the conditions of edges, branches and nodes."""
    for place, edge in enumerate(spec.edges):
        if isinstance(edge.when, Condition):
            _check_condition(spec, edge.when, ("edges", place, "when"), problems)
        elif edge.when is not None:
            check_expression(spec, edge.when, ("edges", place, "when"), problems)
    for name, node in spec.work.items():
        if isinstance(node, BranchNode):
            for place, case in enumerate(node.cases):
                if case.when is not None:
                    check_expression(spec, case.when, ("nodes", name, "cases", place, "when"), problems)
        elif node.when is not None:
            item = node.item if node.for_each is not None else None
            check_expression(spec, node.when, ("nodes", name, "when"), problems, item=item)


def check_expression(
    spec: WorkflowSpec, text: str, path: KeyPath, problems: Problems, *, item: str | None = None
) -> None:
    """Note what is wrong with one condition."""
    try:
        expression = parse(text)
    except ExpressionInvalid as invalid:
        problems.add(path, f"column {invalid.column}: {invalid.reason}")
        return
    for problem in expression_problems(expression, spec.state, item=item):
        problems.add(path, f"column {problem.column}: {problem.reason}")


def expression_problems(
    expression: Expression, state: Mapping[str, StateKeySpec], *, item: str | None = None
) -> list[ExpressionProblem]:
    """What can be known to be wrong with a condition before it is asked, in the order of its text.

    Args:
        item: what the node calls its item, where it has one; its `when` is asked before there is any.
    """
    found = [problem for part in parts_of(expression.root) for problem in _of_part(part, state, item)]
    return sorted(found, key=lambda problem: problem.column)


def _of_part(part: Part, state: Mapping[str, StateKeySpec], item: str | None) -> Iterator[ExpressionProblem]:
    if isinstance(part, Name):
        reason = _of_name(part.name, state, item)
    elif isinstance(part, Call):
        reason = _of_call(part, state)
    elif isinstance(part, Compared):
        reason = _of_comparison(part, state)
    else:
        reason = None
    if reason is not None:
        yield ExpressionProblem(part.column, reason)


def _of_name(name: str, state: Mapping[str, StateKeySpec], item: str | None) -> str | None:
    head = name.partition(".")[0]
    if head == item and head not in state:
        return f"{head!r} is an item, and `when` is asked once, before the first: let a node choose the items"
    return name_problem(state, name, state)


def _of_call(call: Call, state: Mapping[str, StateKeySpec]) -> str | None:
    taken, given = _TAKEN.get(call.function), _type_of(call.argument, state)
    if taken is None or given is None or given in taken:
        return None
    return f"`{call.function}` takes {_words(taken)}, but {written(call.argument)!r} is {given}"


def _of_comparison(compared: Compared, state: Mapping[str, StateKeySpec]) -> str | None:
    left, right = _type_of(compared.left, state), _type_of(compared.right, state)
    if compared.operator in _EQUALITY:
        if _can_be_equal(left, right):
            return None
        verdict = "never" if compared.operator is Comparison.EQUAL else "always"
        return f"{verdict} holds: {written(compared.left)!r} is {left}, {written(compared.right)!r} is {right}"
    if compared.operator in _CONTAINMENT:
        return _of_containment(compared, left, right, state)
    for part, kind in ((compared.left, left), (compared.right, right)):
        if kind is not None and kind not in _ORDERED:
            return f"`{compared.operator}` compares numbers or texts, but {written(part)!r} is {kind}"
    if left is not None and right is not None and not _alike(left, right):
        return (
            f"`{compared.operator}` compares two numbers or two texts, "
            f"but {written(compared.left)!r} is {left} and {written(compared.right)!r} is {right}"
        )
    return None


def _of_containment(
    compared: Compared, left: str | None, right: str | None, state: Mapping[str, StateKeySpec]
) -> str | None:
    if right is not None and right not in _CONTAINERS:
        return f"`in` looks into {_words(_CONTAINERS)}, but {written(compared.right)!r} is {right}"
    if right in ("string", "object") and left not in (None, "string"):
        return f"only a string can be in {right}, but {written(compared.left)!r} is {left}"
    if isinstance(compared.right, Items) and not any(
        _can_be_equal(left, _type_of(each, state)) for each in compared.right.items
    ):
        verdict = "never" if compared.operator is Comparison.IN else "always"
        return f"{verdict} holds: {written(compared.left)!r} is {left}, and nothing in the list is"
    return None


def _can_be_equal(one: str | None, other: str | None) -> bool:
    return one is None or other is None or "null" in (one, other) or _alike(one, other)


def _alike(one: str, other: str) -> bool:
    return one == other or {one, other} <= _NUMBERS


def _type_of(part: Part, state: Mapping[str, StateKeySpec]) -> str | None:
    """The type of what a part comes to, where that is known."""
    match part:
        case Literal():
            return type_of(part.value)
        case Items():
            return "array"
        case Name():
            declared = state.get(part.name)
            held = held_type(declared) if declared is not None else ValueType.ANY
            return None if held is ValueType.ANY else held
        case Call():
            return {Function.LEN: "integer", Function.LOWER: "string"}.get(part.function, "boolean")
        case _:
            return "boolean"


def _words(kinds: frozenset[str]) -> str:
    return " or ".join(sorted(kinds))


def _check_condition(spec: WorkflowSpec, condition: Condition, path: KeyPath, problems: Problems) -> None:
    """The comparison of a key with a value, as a mapping."""
    reason = name_problem(spec.state, condition.key, spec.state)
    if reason is not None:
        problems.add((*path, "key"), reason)
        return
    declared, found = spec.state[condition.key].type, type_of(condition.equals)
    if found != "null" and not fits(found, declared):
        problems.add((*path, "equals"), f"never holds: {condition.key!r} is {declared}, this value is {found}")
