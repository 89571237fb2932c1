"""Conditions: a small safe language over the state.

    score >= 0.8 and not risky
    present(review.verdict) and lower(review.verdict) in ['good', 'fair']

Literals (numbers, texts, true, false, null, lists), dotted names of state keys and their fields, comparisons, `in`,
`and`, `or`, `not`, parentheses, `len(x)`, `lower(x)`, `present(x)`. No arithmetic, no loops, nothing of Python: a
condition ends, and touches nothing. Whether its names and types fit a workflow is checked in
`checking/expression_checks.py`.
"""

from collections.abc import Mapping

from harness.json_values import Json
from harness.workflow.expressions.evaluation import is_true, json_equal, value_of
from harness.workflow.expressions.parser import parse
from harness.workflow.expressions.syntax import Expression

__all__ = ["Expression", "holds", "is_true", "json_equal", "parse", "value_of"]


def holds(text: str, values: Mapping[str, Json]) -> bool:
    """Whether a condition holds for these values; a bare name does where it is not false, null, 0 or empty.

    Raises:
        ExpressionInvalid: the text is no condition; `check` finds that.
        ExpressionFailed: a value in it is missing or of another type.
    """
    return is_true(value_of(parse(text), values))
