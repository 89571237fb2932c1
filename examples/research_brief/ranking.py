"""Which passages have the words of a query: BM25 over words and their plain stems; pure, and the same every time.

Source: Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009), with k1 = 1.2, b = 0.75.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence

from .passages import Passage

_K1 = 1.2
_B = 0.75
# Every passage of one document says little that is new beside the first few.
MOST_OF_ONE_SOURCE = 2

_WORD = re.compile(r"[^\W_]+")
_ENDINGS = ("ing", "ed", "es", "s")
_SHORTEST_STEM = 3


def terms(text: str) -> list[str]:
    """The words of a text, in lower case and without their commonest endings."""
    return [_stem(word) for word in _WORD.findall(text.casefold())]


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return word.removesuffix(ending)
    return word


class Ranking:
    """Passages by the words in them; the heading and the source's name count as words too."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = tuple(passages)
        self._counts = [Counter(terms(f"{each.source} {each.place} {each.text}")) for each in self._passages]
        self._lengths = [counts.total() for counts in self._counts]
        self._mean = sum(self._lengths) / len(self._lengths) if self._lengths else 1.0
        self._having = Counter(term for counts in self._counts for term in counts)

    def best(self, query: str, limit: int) -> tuple[Passage, ...]:
        """The passages that answer best, at most `MOST_OF_ONE_SOURCE` of one source; none that has no word of it."""
        asked = dict.fromkeys(terms(query))
        scored = [(self._score(place, asked), place) for place in range(len(self._passages))]
        found: list[Passage] = []
        of_source: Counter[str] = Counter()
        for score, place in sorted(scored, key=lambda each: (-each[0], each[1])):
            passage = self._passages[place]
            if score <= 0 or len(found) == limit:
                break
            if of_source[passage.source] < MOST_OF_ONE_SOURCE:
                of_source[passage.source] += 1
                found.append(passage)
        return tuple(found)

    def _score(self, place: int, asked: dict[str, None]) -> float:
        counts, length = self._counts[place], self._lengths[place]
        weight = _K1 * (1 - _B + _B * length / self._mean)
        return sum(self._rarity(term) * counts[term] * (_K1 + 1) / (counts[term] + weight) for term in asked)

    def _rarity(self, term: str) -> float:
        having = self._having[term]
        return math.log(1 + (len(self._passages) - having + 0.5) / (having + 0.5))
