"""Vectors as the journal keeps them: float32 in base64, a third of what their digits take.

What is handed out the first time is what a replay hands out: rounded to float32 once, as memory keeps vectors anyway.
"""

import base64
import sys
from array import array
from dataclasses import replace
from math import isfinite
from typing import Self

from pydantic import Field

from harness.models.embeddings import EmbeddingReply
from harness.models.message_parts import Value
from harness.models.usage import Usage


class PackedVectors(Value):
    """An `EmbeddingReply` as it is journalled; a `MeteredReply`.

    Args:
        width: numbers a vector.
        float32: the vectors one after the other, little-endian, in base64.
    """

    width: int = Field(gt=0)
    float32: str
    usage: Usage
    model: str
    request_id: str | None = None

    @classmethod
    def of(cls, reply: EmbeddingReply) -> Self:
        """A reply, packed. Embedding makes no output tokens, so they are none where the input's number is known.

        Raises:
            ValueError: the vectors are of several widths, of none, or hold what no float32 can.
        """
        width = len(reply.vectors[0]) if reply.vectors else 0
        if not width or any(len(vector) != width for vector in reply.vectors):
            raise ValueError("vectors of no width or of several")
        numbers = array("f", (number for vector in reply.vectors for number in vector))
        if not all(map(isfinite, numbers)):
            raise ValueError("numbers that are not finite in float32")
        usage = reply.usage
        if usage.input_tokens is not None and usage.output_tokens is None:
            usage = replace(usage, output_tokens=0)
        return cls(
            width=width,
            float32=base64.b64encode(_little_endian(numbers).tobytes()).decode("ascii"),
            usage=usage,
            model=reply.model,
            request_id=reply.request_id,
        )

    def vectors(self) -> tuple[tuple[float, ...], ...]:
        """The vectors, in their order."""
        numbers = array("f", base64.b64decode(self.float32, validate=True))
        numbers = _little_endian(numbers)
        return tuple(tuple(numbers[start : start + self.width]) for start in range(0, len(numbers), self.width))


def _little_endian(numbers: "array[float]") -> "array[float]":
    """The numbers in that order of bytes, or back from it."""
    if sys.byteorder == "big":
        numbers = array("f", numbers)
        numbers.byteswap()
    return numbers
