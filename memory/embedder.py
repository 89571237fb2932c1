"""The port to embedding models: texts to vectors of one space.

Adapters are named by their technology (`wordllama_embedder`). An embedder that costs money takes its caller's
metered call; this package sends nothing anywhere.
"""

from collections.abc import Sequence
from typing import Protocol

from memory.spaces import EmbeddingSpace, Vectors


class Embedder(Protocol):
    """A model that turns text into vectors.

    The same text gives the same vector, whatever stands beside it in the batch, up to rounding. Safe to call from several threads.
    """

    @property
    def space(self) -> EmbeddingSpace:
        """Known without running the model.

        Raises:
            EmbedderUnavailable: its files are missing.
        """
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One vector a text, in their order, as they are to be stored; the space's record prefix is put before.

        Raises:
            EmbedderUnavailable: the model cannot be loaded or run.
        """
        ...

    def embed_query(self, text: str) -> Vectors:
        """The vector to search with, of shape (dimensions,)."""
        ...
