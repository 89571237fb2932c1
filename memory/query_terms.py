"""The words of a question that say what it is about."""

import re
import unicodedata

MAX_TERMS = 64

# Words that make a sentence a question, and the small ones around them. They are in nearly every conversation, so that
# a rare question word outweighs the subject. English for now: words of other languages pass.
# fmt: off
_QUESTION_WORDS = frozenset((
    "a", "an", "and", "are", "as", "at", "be", "been", "by", "can", "could", "did", "do", "does", "for", "from", "had",
    "has", "have", "how", "i", "in", "is", "it", "its", "me", "my", "of", "on", "or", "our", "shall", "should", "that",
    "the", "their", "them", "they", "this", "to", "us", "was", "we", "were", "what", "whats", "when", "where", "which",
    "who", "whom", "whose", "why", "will", "with", "would", "you", "your",
))
# fmt: on

_WORD = re.compile(r"\w+")


def query_terms(query: str) -> list[str]:
    """The query's words without those that only ask, each once, in their order, at most `MAX_TERMS`.

    A query of nothing but question words keeps them all. Whatever is an operator in a full-text language is gone:
    only letters, digits and underscores are left.
    """
    words = list(dict.fromkeys(_WORD.findall(unicodedata.normalize("NFKC", query).lower())))
    telling = [word for word in words if word not in _QUESTION_WORDS]
    return (telling or words)[:MAX_TERMS]
