"""Whether an agent's answer may be believed: its quote stands in the source it names, else there is no answer."""

from pydantic import BaseModel, ConfigDict

from harness.workflow.nodes.node_context import NodeContext

from .citations import one_space, texts_of, why_refused
from .library import library_of


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Answer(_Value):
    """What the agent answers, in the shape of `schemas/answer.json`."""

    answer: str
    source: str
    quote: str


class CheckedAnswer(_Value):
    """What is left of it.

    Args:
        answer: empty where the quote does not stand; so are `source` and `quote`.
        reason: why it was refused, else empty.
    """

    stands: bool
    answer: str
    source: str
    quote: str
    reason: str


def check_answer(said: Answer, context: NodeContext) -> CheckedAnswer:
    """The answer, if its quote stands; the rest is not judged."""
    reason = why_refused(said.source, said.quote, texts_of(library_of(context)))
    if reason is not None or not said.answer.strip():
        return CheckedAnswer(stands=False, answer="", source="", quote="", reason=reason or "it says nothing")
    return CheckedAnswer(stands=True, answer=said.answer, source=said.source, quote=one_space(said.quote), reason="")
