"""What one node of a workflow could not take: an answer, a value, a plan."""

from collections.abc import Sequence

from harness.exceptions.root import HarnessError


class AnswerInvalid(HarnessError):
    """An answer outside the schema it was asked for, cut off, or declined."""

    def __init__(self, role: str, model: str, reason: str) -> None:
        super().__init__(role, model, reason)
        self.role = role
        self.model = model
        self.reason = reason

    def __str__(self) -> str:
        return f"role {self.role!r}: what {self.model!r} answered cannot be used: {self.reason}"


class StateRefused(HarnessError):
    """A value that is not JSON or a registered versioned model; checkpoints carry nothing else."""

    def __init__(self, where: str, type_name: str) -> None:
        super().__init__(where, type_name)
        self.where = where
        self.type_name = type_name

    def __str__(self) -> str:
        return (
            f"{self.where}: a value of type {self.type_name!r} cannot be kept in a checkpoint; "
            "use text, numbers, booleans, lists, mappings with text keys, or a pydantic model turned into them"
        )


class FindingRefused(HarnessError):
    """A finding that the memory or the ontology does not take; nothing was written."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what = what
        self.reason = reason

    def __str__(self) -> str:
        return f"finding {self.what!r} was not remembered: {self.reason}"


class CallableRefused(HarnessError):
    """A registered function cannot be called with what the workflow gives it."""

    def __init__(self, name: str, argument: str, reason: str) -> None:
        super().__init__(name, argument, reason)
        self.name = name
        self.argument = argument
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.name!r}, argument {self.argument!r}: {self.reason}"


class PlanInvalid(HarnessError):
    """A plan that cannot be run; nothing of it was."""

    def __init__(self, node: str, problems: Sequence[str]) -> None:
        super().__init__(node, tuple(problems))
        self.node = node
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return f"plan of node {self.node!r} cannot be run: {'; '.join(self.problems)}"


class AnswerRefused(HarnessError):
    """A person's answer that is not taken; the question stands as it did."""

    def __init__(self, question_id: str, reason: str) -> None:
        super().__init__(question_id, reason)
        self.question_id = question_id
        self.reason = reason

    def __str__(self) -> str:
        return f"answer to {self.question_id!r} was not taken: {self.reason}"


class Confined(HarnessError):
    """A step that joins untrusted text, private data and an outward effect; the effect was not made."""

    def __init__(self, node: str, tool: str, reason: str) -> None:
        super().__init__(node, tool, reason)
        self.node = node
        self.tool = tool
        self.reason = reason

    def __str__(self) -> str:
        return f"node {self.node!r} may not call {self.tool!r} by itself: {self.reason}"


class ExpressionInvalid(HarnessError):
    """A text that is no condition.

    Args:
        column: where it went wrong, counted from 1; in a text of several lines each line's end counts as one.
    """

    def __init__(self, text: str, column: int, reason: str) -> None:
        super().__init__(text, column, reason)
        self.text = text
        self.column = column
        self.reason = reason

    def __str__(self) -> str:
        return f"no condition, column {self.column}: {self.reason}\n{_pointed_at(self.text, self.column)}"


class ExpressionFailed(HarnessError):
    """A condition that cannot be asked of these values, because one of them is missing or of another type.

    Args:
        column: of the part that could not be worked out, counted from 1.
    """

    def __init__(self, text: str, column: int, reason: str) -> None:
        super().__init__(text, column, reason)
        self.text = text
        self.column = column
        self.reason = reason

    def __str__(self) -> str:
        return f"condition failed at column {self.column}: {self.reason}\n{_pointed_at(self.text, self.column)}"


_SHOWN_BEFORE = 60
_SHOWN = 100


def _pointed_at(text: str, column: int) -> str:
    """The text around a column, on one line, and a caret below it."""
    start = max(0, column - 1 - _SHOWN_BEFORE)
    line = "".join(each if each.isprintable() else " " for each in text[start : start + _SHOWN])
    return f"  {line}\n  {' ' * (column - 1 - start)}^"
