"""Many texts in the requests that they are asked for in, each with its own place in the journal."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.json_values import digest_of
from harness.ledger.entries import CallContext
from harness.models.embeddings import EmbeddingRequest

# A piece of the texts is cut without looking at who answers, so that a resumed run finds it in the journal without a
# binding. Below what vendors take at once: OpenAI 300,000 tokens a request, and a token has at least a byte.
_TEXTS_A_PIECE = 256
_BYTES_A_PIECE = 250_000


@dataclass(frozen=True, slots=True)
class EmbeddingPiece:
    """Texts that are asked for in one request.

    Args:
        start: the number of the first among all.
    """

    request: EmbeddingRequest
    asked_by: CallContext
    start: int

    @property
    def context(self) -> CallContext:
        """Who asks, under a number of its own."""
        return replace(self.asked_by, ordinal=self.asked_by.ordinal + self.start)

    @property
    def digest(self) -> str:
        """What is asked, as the journal knows it."""
        return digest_of({"embed": self.request.model_dump(mode="json", exclude_none=True)})

    def beginnings(self, likely: int) -> Iterator["tuple[EmbeddingPiece, EmbeddingPiece | None]"]:
        """Each way in which its first texts can have been asked for in one request, with what is left then.

        Args:
            likely: how many came in one before; tried first.
        """
        count = len(self.request.texts)
        for size in dict.fromkeys((min(likely, count), count, *range(count - 1, 0, -1))):
            yield self._part(0, size), self._part(size, count) if size < count else None

    def split(self, at_once: int) -> Iterator["EmbeddingPiece"]:
        """The same in requests that an endpoint takes."""
        for start in range(0, len(self.request.texts), at_once):
            yield self._part(start, start + at_once)

    def _part(self, start: int, end: int) -> "EmbeddingPiece":
        some = self.request.model_copy(update={"texts": self.request.texts[start:end]})
        return replace(self, request=some, start=self.start + start)


def pieces_of(request: EmbeddingRequest, context: CallContext) -> Iterator[EmbeddingPiece]:
    """A request in pieces that any endpoint may be asked, or has to split further."""
    for start, texts in _cut(request.texts):
        yield EmbeddingPiece(request.model_copy(update={"texts": texts}), context, start)


def _cut(texts: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Texts in pieces, each with the number of its first; one that is too large stands alone."""
    start = size = 0
    for place, text in enumerate(texts):
        length = len(text.encode("utf-8", "surrogatepass"))
        if place > start and (place - start == _TEXTS_A_PIECE or size + length > _BYTES_A_PIECE):
            yield start, texts[start:place]
            start, size = place, 0
        size += length
    yield start, texts[start:]
