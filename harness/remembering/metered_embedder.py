"""An embedding model of the catalogue as the memory's embedder: each text is held, charged and journalled as any call.

The memory blocks and works in threads; the call runs in the one event loop of the house, so whoever is in that loop
itself cannot wait for it here.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from typing import Literal

import numpy as np
from typing_extensions import override

from harness.embedding_call import EmbeddingCall
from harness.exceptions import HarnessError
from harness.json_values import digest_of
from harness.ledger.entries import CallContext
from harness.models.catalogue import Model
from harness.models.embeddings import EmbeddingRequest
from harness.portal import running_loop, submitted
from harness.routing.decided_router import DecidedRouter
from memory.embedder import Embedder
from memory.exceptions import EmbedderUnavailable
from memory.spaces import EmbeddingSpace, Vectors

_CLOSED = "the house is being closed"
_LOOK_SECONDS = 1.0


def space_of_model(name: str, model: Model, dimensions: int) -> EmbeddingSpace:
    """The space of a model of the catalogue: told by its names and its width, because its weights are out of reach."""
    return EmbeddingSpace(
        name=f"{name}-{dimensions}",
        model_digest=digest_of({"model": name, "wire_name": model.wire_name}),
        dimensions=dimensions,
        pooling="its provider's, told query from document",
    )


class MeteredEmbedder(Embedder):
    """`Embedder` over the metered embedding call of one role.

    A memory embeds by it where whoever opens that memory hands it this embedder; none does of itself.

    While the role is bound to another model than this embedder was made for, it embeds nothing: the vectors that are
    stored are not that model's.

    Args:
        name, model: of the catalogue; the model that fills the role.
        dimensions: how wide its vectors are.
        choose_dimensions: ask the model for that width, which not every one can be; else it is what it gives anyway.
        context: who asks and who pays, with a place or number of its own each time.
        loop: the house's, running in another thread than the memory's callers.
    """

    def __init__(
        self,
        call: EmbeddingCall,
        *,
        name: str,
        model: Model,
        dimensions: int,
        context: Callable[[], CallContext],
        loop: asyncio.AbstractEventLoop,
        choose_dimensions: bool = False,
    ) -> None:
        self._call = call
        self._name = name
        self._wire_name = model.wire_name
        self._context = context
        self._loop = loop
        self._asked_dimensions = dimensions if choose_dimensions else None
        self._space = space_of_model(name, model, dimensions)

    @property
    @override
    def space(self) -> EmbeddingSpace:
        return self._space

    @override
    def embed(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.empty((0, self._space.dimensions), dtype=np.float32)
        return self._waited_for(tuple(texts), "document")

    @override
    def embed_query(self, text: str) -> Vectors:
        return self._waited_for((text,), "query")[0]

    def _waited_for(self, texts: tuple[str, ...], purpose: Literal["query", "document"]) -> Vectors:
        if running_loop() is self._loop:
            reason = "it is waited for in the event loop that would embed; use the memory in a thread"
            raise EmbedderUnavailable(self._space.name, reason)
        try:
            coming = submitted(self._loop, lambda: self._vectors(texts, purpose))
        except RuntimeError as error:
            raise EmbedderUnavailable(self._space.name, _CLOSED) from error
        try:
            return self._space.check(self._result(coming), len(texts))
        except HarnessError as error:
            raise EmbedderUnavailable(self._space.name, str(error)) from error
        except CancelledError as error:
            raise EmbedderUnavailable(self._space.name, _CLOSED) from error

    def _result(self, coming: "Future[Vectors]") -> Vectors:
        while True:
            try:
                return coming.result(timeout=_LOOK_SECONDS)
            except TimeoutError:
                # A loop that was closed right then forgets what it was handed, and would never say so.
                if coming.done() or self._loop.is_closed():
                    raise CancelledError from None

    async def _vectors(self, texts: tuple[str, ...], purpose: Literal["query", "document"]) -> Vectors:
        context = self._context()
        decision = await self._call.route(context)
        bound = {(target.model_name, target.model.wire_name) for target in decision.targets}
        if (self._name, self._wire_name) not in bound:
            names = ", ".join(sorted({name for name, _ in bound}))
            reason = f"the role {context.role!r} is bound to {names}: bind {self._name!r} again, or embed all anew"
            raise EmbedderUnavailable(self._space.name, reason)
        request = EmbeddingRequest(texts=texts, purpose=purpose, dimensions=self._asked_dimensions)
        # By the very decision that was looked at: the role may be bound anew at any moment.
        answer = await self._call.of_router(DecidedRouter(decision)).embed(request, context)
        if answer.model != self._name:
            reason = f"{answer.model!r} answered where {self._name!r} was asked; nothing of it is kept"
            raise EmbedderUnavailable(self._space.name, reason)
        return np.asarray(answer.reply.vectors, dtype=np.float32)
