"""Texts to be embedded and their vectors, whatever the vendor."""

from typing import Literal

from pydantic import Field

from harness.models.message_parts import Value
from harness.models.usage import Usage


class EmbeddingRequest(Value):
    """What is asked of a role that embeds.

    Args:
        texts: not empty; none of them is.
        purpose: vendors that embed questions otherwise than documents are told which these are.
        dimensions: how wide the vectors shall be, where a model can choose; None leaves its default.
    """

    texts: tuple[str, ...] = Field(min_length=1)
    purpose: Literal["query", "document"] | None = None
    dimensions: int | None = Field(default=None, gt=0)


class EmbeddingReply(Value):
    """Vectors in the order of the texts, all of one width.

    Args:
        model: the name the provider reported, or the one that was asked for.
    """

    vectors: tuple[tuple[float, ...], ...]
    usage: Usage
    model: str
    request_id: str | None = None
