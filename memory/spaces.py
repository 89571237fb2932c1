"""Embedding spaces: which vectors can be compared with which.

A space is told by a digest of everything that shapes a vector, so that another model of the same width is another
space. Who serves which space is kept by `space_registry`; making vectors is left to `embedder`.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from memory.exceptions import VectorsRefused

Vectors = NDArray[np.float32]
Metric = Literal["cosine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingSpace:
    """What vectors of one model, used one way, have in common.

    Args:
        name: for people, such as "wordllama-l2-supercat-256".
        model_digest: SHA-256 over the weights and the tokenizer.
        pooling: how token vectors become one, and whether it is scaled to length 1.
        record_prefix, query_prefix: what the model wants written before each.
    """

    name: str
    model_digest: str
    dimensions: int
    pooling: str
    record_prefix: str = ""
    query_prefix: str = ""
    metric: Metric = "cosine"

    @property
    def digest(self) -> str:
        """Tells the space; the name is not part of it."""
        shape = json.dumps(astuple(self)[1:], separators=(",", ":"))
        return hashlib.sha256(shape.encode()).hexdigest()

    def check(self, vectors: Vectors, count: int) -> Vectors:
        """The vectors, sure to be `count` finite ones of this space's width.

        Raises:
            VectorsRefused: they are not.
        """
        if vectors.shape != (count, self.dimensions):
            reason = f"shape {vectors.shape} where {(count, self.dimensions)} is needed; was another model used?"
            raise VectorsRefused(self.name, reason)
        if not np.isfinite(vectors).all():
            raise VectorsRefused(self.name, "NaN or infinite values; the model or its input is broken")
        return np.ascontiguousarray(vectors, dtype=np.float32)


def collection_name(organisation: str, space: EmbeddingSpace) -> str:
    """The one collection of an organisation and a space: a digest, so that no name can lead astray."""
    return "mem-" + hashlib.sha256(json.dumps([organisation, space.digest]).encode()).hexdigest()[:48]


def check_ids(space: EmbeddingSpace, ids: Sequence[str]) -> None:
    """Refuse ids that repeat within a batch: which of their vectors would count?"""
    if len(set(ids)) != len(ids):
        raise VectorsRefused(space.name, "an id stands twice in one batch")
