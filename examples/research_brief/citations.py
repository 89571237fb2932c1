"""Whether a brief's citations stand: each quote is in the source it names, or its paragraph is refused.

A quote is compared letter by letter; only how it is broken into lines does not count. What a paragraph makes of its
quotes is not judged here: that is for the person who approves the brief.
"""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from harness.json_values import Json
from harness.workflow.nodes.node_context import NodeContext

from .library import Library, library_of

MIN_QUOTE_WORDS = 4


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Citation(_Value):
    """A quote and the source it is said to stand in."""

    source: str
    quote: str


class Paragraph(_Value):
    """One paragraph as the writer wrote it."""

    text: str
    citations: tuple[Citation, ...]


class Brief(_Value):
    """What the writer answers."""

    paragraphs: tuple[Paragraph, ...]


class NumberedCitation(_Value):
    """A quote that stands, under the number that paragraphs give it."""

    number: int
    source: str
    quote: str


class CheckedParagraph(_Value):
    """A paragraph all of whose citations stand, by their numbers."""

    text: str
    citations: tuple[int, ...]


class RefusedParagraph(_Value):
    """A paragraph that is left out, and why, in words of ours and names of its own."""

    text: str
    reasons: tuple[str, ...]


class CheckedBrief(_Value):
    """What may be shown to a person, and be written; its heading is the topic, in the words of who asked."""

    topic: str
    paragraphs: tuple[CheckedParagraph, ...]
    citations: tuple[NumberedCitation, ...]
    refused: tuple[RefusedParagraph, ...]


_BRIEF = TypeAdapter(Brief)


def check_citations(written: Json, topic: str, context: NodeContext) -> CheckedBrief:
    """Keep the paragraphs whose citations stand, number those, and list the others.

    Args:
        written: what the plan came to; it is no brief where its last step did not write one.
    """
    try:
        brief = _BRIEF.validate_python(written)
    except ValidationError:
        refused = RefusedParagraph(text="", reasons=("the plan's last step wrote no brief",))
        return CheckedBrief(topic=topic, paragraphs=(), citations=(), refused=(refused,))
    return _checked(brief, topic, texts_of(library_of(context)))


def _checked(brief: Brief, topic: str, texts: Mapping[str, str]) -> CheckedBrief:
    numbers: dict[Citation, int] = {}
    kept: list[CheckedParagraph] = []
    refused: list[RefusedParagraph] = []
    for paragraph in brief.paragraphs:
        reasons = _reasons(paragraph, texts)
        if reasons:
            refused.append(RefusedParagraph(text=paragraph.text, reasons=reasons))
            continue
        cited = [Citation(source=each.source, quote=one_space(each.quote)) for each in paragraph.citations]
        found = dict.fromkeys(numbers.setdefault(each, len(numbers) + 1) for each in cited)
        kept.append(CheckedParagraph(text=paragraph.text, citations=tuple(found)))
    numbered = (NumberedCitation(number=n, source=each.source, quote=each.quote) for each, n in numbers.items())
    return CheckedBrief(topic=topic, paragraphs=tuple(kept), citations=tuple(numbered), refused=tuple(refused))


def _reasons(paragraph: Paragraph, texts: Mapping[str, str]) -> tuple[str, ...]:
    if not paragraph.text.strip():
        return ("it says nothing",)
    if not paragraph.citations:
        return ("it cites nothing",)
    reasons = (why_refused(each.source, each.quote, texts) for each in paragraph.citations)
    return tuple(each for each in reasons if each is not None)


def why_refused(source: str, quote: str, texts: Mapping[str, str]) -> str | None:
    """Why a citation does not stand; None where it does.

    Args:
        texts: of the sources, each run of white space one space.
    """
    if source not in texts:
        return f"there is no source {source!r}"
    words = one_space(quote)
    if len(words.split()) < MIN_QUOTE_WORDS:
        return f"a quote of {source!r} has less than {MIN_QUOTE_WORDS} words"
    return None if words in texts[source] else f"its quote does not stand in {source!r}"


def texts_of(library: Library) -> dict[str, str]:
    """What each source says, each run of white space one space."""
    return {each.source: one_space(each.text) for each in library.documents()}


def one_space(text: str) -> str:
    """The text in one line, each run of white space one space."""
    return " ".join(text.split())
