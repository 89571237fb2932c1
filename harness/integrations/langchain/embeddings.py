"""Embeddings of the house for LangChain's stores and retrievers: the memory's embedder, or a role that embeds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

import anyio.to_thread
from langchain_core.embeddings import Embeddings
from typing_extensions import override

from harness.integrations.langchain.charged_task import ChargedTask
from harness.integrations.langchain.houses import HOUSES, House
from harness.models.embeddings import EmbeddingRequest
from memory.embedder import Embedder

Purpose = Literal["query", "document"]


class HarnessEmbeddings(Embeddings):
    """Texts to vectors, by the model that fills a role, or by an embedder on this machine.

    Args:
        role: metered as every call; None embeds on this machine, which costs nothing.
        embedder: the one of this machine; by default the one that the memory uses, which needs no network.
        house, folder, task, task_kind: as of `HarnessChatModel`.
        dimensions: how wide the vectors of a role's model shall be, where it can choose.
    """

    def __init__(
        self,
        *,
        role: str | None = None,
        embedder: Embedder | None = None,
        house: House | None = None,
        folder: Path | str = ".",
        task: str | None = None,
        task_kind: str = "langchain",
        dimensions: int | None = None,
    ) -> None:
        if role is not None and embedder is not None:
            raise ValueError("a role is asked or an embedder of this machine: name one of them")
        self.role = role
        self._embedder = embedder
        self._given_house = house
        self._folder = Path(folder)
        self._dimensions = dimensions
        self._charged = ChargedTask(kind=task_kind, task_id=task)
        if house is not None:
            HOUSES.met(house)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the folder's house, if a role was asked there; idempotent."""
        if self.role is not None and self._given_house is None:
            HOUSES.close_folder(self._folder)

    @property
    def task_id(self) -> str:
        """The task that a role's calls are charged to."""
        return self._charged.id

    @override
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if not texts:
            return []
        if self.role is None:
            return _lists(self._here().embed(texts))
        house = self._house()
        return HOUSES.done_waiting(house, lambda: self._asked(house, texts, "document"))

    @override
    def embed_query(self, text: str) -> list[float]:
        if self.role is None:
            return _lists([self._here().embed_query(text)])[0]
        house = self._house()
        return HOUSES.done_waiting(house, lambda: self._asked(house, [text], "query"))[0]

    @override
    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        if not texts or self.role is None:
            return await anyio.to_thread.run_sync(self.embed_documents, texts)
        house = self._house()
        return await HOUSES.done(house, lambda: self._asked(house, texts, "document"))

    @override
    async def aembed_query(self, text: str) -> list[float]:
        if self.role is None:
            return await anyio.to_thread.run_sync(self.embed_query, text)
        house = self._house()
        return (await HOUSES.done(house, lambda: self._asked(house, [text], "query")))[0]

    async def _asked(self, house: House, texts: Sequence[str], purpose: Purpose) -> list[list[float]]:
        assert self.role is not None
        request = EmbeddingRequest(texts=tuple(texts), purpose=purpose, dimensions=self._dimensions)
        # A text that does not fit with others is asked for by itself, under a number of its own.
        context = await self._charged.next_context(house, self.role, questions=len(texts))
        return _lists((await house.embedding_call.embed(request, context)).reply.vectors)

    def _here(self) -> Embedder:
        if self._embedder is None:
            # Loads a model of some ten megabytes, which who asks a role need not have.
            from memory.wordllama_embedder import WordLlamaEmbedder

            self._embedder = WordLlamaEmbedder()
        return self._embedder

    def _house(self) -> House:
        return self._given_house if self._given_house is not None else HOUSES.of_folder(self._folder)


def _lists(vectors: "Sequence[Sequence[float]] | object") -> list[list[float]]:
    """Plain numbers, whatever held them."""
    return [[float(number) for number in vector] for vector in vectors]  # type: ignore[attr-defined]
