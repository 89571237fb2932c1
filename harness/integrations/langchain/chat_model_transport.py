"""Carries requests to a chat model of LangChain's in this process: the `Transport` beside the dialect `langchain`.

The chat model is made by a registered function, once for each wire name. Its exceptions become HTTP answers where they
carry a status, so that what a status and its words mean is decided where it is for every vendor; else `Broken`, for
nobody knows whether it was billed.

A request's tools, choice of tool, output shape (as a tool that must be called), output limit, temperature and stop
texts are handed on. Seed, thinking, service tier and cache points are the business of whoever makes the chat model.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from inspect import signature
from typing import cast

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, message_chunk_to_message
from langchain_core.runnables import Runnable, RunnableConfig

from harness.dialects.wire import WireRequest, WireResponse
from harness.dialects.wire_json import body_bytes, object_at
from harness.exceptions import RequestRefused
from harness.integrations.langchain.chat_model_failures import failed_answer
from harness.integrations.langchain.chat_model_questions import ChatModelQuestion, chunk_delta
from harness.json_values import JsonObject

MakeChatModel = Callable[..., object]

# The caller's own callbacks hear of the call through the house; heard twice, every token would stand there twice.
_UNHEARD = RunnableConfig(callbacks=[])
_STATUS_OF_ANSWERS = 200


class ChatModelTransport:
    """Implements `Transport`.

    Args:
        make: makes the chat model; one that has a parameter `model` is given the wire name.
    """

    def __init__(self, endpoint_name: str, make: MakeChatModel) -> None:
        self._endpoint_name = endpoint_name
        self._make = make
        self._made: dict[str, BaseChatModel] = {}

    async def send(self, request: WireRequest) -> WireResponse:
        """See `Transport`."""
        asked = ChatModelQuestion.of(request)
        model = self._bound(asked)
        try:
            message = await self._message(model, asked, request.timeout_seconds)
        except Exception as error:  # noqa: BLE001 - a chat model's package raises its vendor's errors
            return failed_answer(error, self._endpoint_name)
        return WireResponse(_STATUS_OF_ANSWERS, {"content-type": "application/json"}, body_bytes(asked.said(message)))

    @asynccontextmanager
    async def stream(self, request: WireRequest) -> AsyncGenerator["ChatModelStream"]:
        """See `Transport`."""
        asked = ChatModelQuestion.of(request)
        model = self._bound(asked)
        async with aclosing(self._lines(model, asked, request.timeout_seconds)) as lines:
            # Nothing came yet: a failure is an answer of its own, and another endpoint may be asked.
            first = await anext(lines, b"")
            if isinstance(first, WireResponse):
                yield ChatModelStream(first, lines)
                return
            yield ChatModelStream(WireResponse(_STATUS_OF_ANSWERS, {}, first), lines)

    async def close(self) -> None:
        """Nothing is held: a chat model's connections are its own."""

    async def _lines(
        self, model: "Runnable[LanguageModelInput, AIMessage]", asked: ChatModelQuestion, timeout_seconds: float
    ) -> AsyncGenerator[bytes | WireResponse]:
        """A line a chunk, and last the whole message, or the failure that came instead."""
        whole: AIMessageChunk | None = None
        try:
            async for piece in self._pieces(model, asked, timeout_seconds):
                whole = piece if whole is None else whole + piece
                # A shape comes as the call of a tool, and is words only when it is whole.
                if asked.shape is None and (delta := chunk_delta(piece)):
                    yield _line({"delta": delta})
        except Exception as error:  # noqa: BLE001 - as above
            failure = failed_answer(error, self._endpoint_name)
            yield failure if whole is None else failure.body + b"\n"
            return
        message = AIMessage(content="") if whole is None else cast("AIMessage", message_chunk_to_message(whole))
        said = asked.said(message)
        if asked.shape is not None:
            yield _line({"delta": {"text": object_at(said, "message").get("content")}})
        yield _line(said)

    async def _pieces(
        self, model: "Runnable[LanguageModelInput, AIMessage]", asked: ChatModelQuestion, timeout_seconds: float
    ) -> AsyncGenerator[AIMessageChunk]:
        """The answer's chunks; the time is that between two of them."""
        if asked.shape is not None:
            yield asked.whole_chunk(await self._message(model, asked, timeout_seconds))
            return
        chunks = cast(
            "AsyncGenerator[AIMessage]", model.astream(asked.messages(), config=_UNHEARD, **asked.arguments())
        )
        async with aclosing(chunks):
            while True:
                async with asyncio.timeout(timeout_seconds):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    return
                yield chunk if isinstance(chunk, AIMessageChunk) else asked.whole_chunk(chunk)

    async def _message(
        self, model: "Runnable[LanguageModelInput, AIMessage]", asked: ChatModelQuestion, timeout_seconds: float
    ) -> AIMessage:
        async with asyncio.timeout(timeout_seconds):
            return await model.ainvoke(asked.messages(), config=_UNHEARD, **asked.arguments())

    def _bound(self, asked: ChatModelQuestion) -> "Runnable[LanguageModelInput, AIMessage]":
        """The chat model with the request's tools.

        Raises:
            RequestRefused: there is no such chat model, or it cannot be given tools; nothing was sent.
        """
        model = self._made.get(asked.model) or self._new(asked.model)
        self._made[asked.model] = model
        tools, choice = asked.tools()
        if not tools:
            return model
        try:
            return model.bind_tools(tools, **choice)
        except NotImplementedError as error:
            reason = f"{type(model).__name__} cannot be given tools: bind a model that can"
            raise RequestRefused(self._endpoint_name, reason) from error

    def _new(self, wire_name: str) -> BaseChatModel:
        try:
            named = "model" in signature(self._make).parameters
            model = self._make(model=wire_name) if named else self._make()
        except Exception as error:
            reason = f"its chat model could not be made: {type(error).__name__}: {error}"
            raise RequestRefused(self._endpoint_name, reason) from error
        if not isinstance(model, BaseChatModel):
            reason = f"what is registered made {type(model).__name__}, which is no BaseChatModel of LangChain's"
            raise RequestRefused(self._endpoint_name, reason)
        return model


class ChatModelStream:
    """Implements `WireStream`."""

    def __init__(self, begun: WireResponse, lines: AsyncGenerator[bytes | WireResponse]) -> None:
        self._begun = begun
        self._lines = lines

    @property
    def status(self) -> int:
        """As HTTP has it."""
        return self._begun.status

    @property
    def headers(self) -> dict[str, str]:
        """Those of the failure; an answer has none."""
        return dict(self._begun.headers)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The lines, each whole."""
        yield self._begun.body
        async for line in self._lines:
            assert isinstance(line, bytes), "a failure after the first line is a line itself"
            yield line

    async def response(self) -> WireResponse:
        """The failure."""
        return self._begun


def _line(said: JsonObject) -> bytes:
    return body_bytes(said) + b"\n"
