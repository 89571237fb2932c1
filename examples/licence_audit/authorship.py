"""Which model said what: the answers of `classify` and `review` put back to the packages they were about."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from harness.workflow.nodes.node_context import ModelAnswer

from .checks import Doubt
from .excerpts import Question


class Author(BaseModel):
    """Who answered last for a package, and how many sends all its answers took."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None
    attempts: int


def authors_of(
    questions: Sequence[Question], doubts: Sequence[Doubt], answers: Mapping[str, Sequence[ModelAnswer]]
) -> dict[str, Author]:
    """By package name; a package that no model was asked about is not in it."""
    found: dict[str, Author] = {}
    for names, step in (([each.name for each in questions], "classify"), ([each.name for each in doubts], "review")):
        if names:
            for name, answer in zip(names, answers[step], strict=True):
                before = found.get(name, Author(model=None, attempts=0))
                model = answer.model or before.model
                found[name] = Author(model=model, attempts=before.attempts + answer.attempts)
    return found
