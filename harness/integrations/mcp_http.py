"""An MCP server over HTTP: a client that bounds what it reads and knows why there was no answer.

Redirects stay within the server's origin, as the library has it. Proxies come from the environment, but never for
this machine. Nothing is read compressed, because what a few bytes become would be known too late.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx2
from mcp.client.streamable_http import streamable_http_client

from harness.integrations.mcp_answers import COUNTED_BYTES, Answer, current_answer

CONNECT_TIMEOUT_SECONDS = 10.0
# Of a response that is a stream of events; a call's own time is bounded by whoever makes it.
READ_TIMEOUT_SECONDS = 300.0

_LOOPBACK: dict[str, None] = {"all://127.0.0.1": None, "all://localhost": None, "all://[::1]": None}
_UNREACHABLE = 503


@asynccontextmanager
async def http_streams(
    url: str, headers: Mapping[str, str], *, timeout_seconds: float, max_event_bytes: int
) -> AsyncGenerator[Any]:
    """The streams of a session with a server at an address; a session of the older protocol is ended on leaving.

    Args:
        headers: sent with each request.
        timeout_seconds: of the longest call.
        max_event_bytes: of one event of a stream.
    """
    client = _CountingClient(
        headers={"user-agent": "portable-harness", **headers, "accept-encoding": "identity"},
        mounts=_LOOPBACK,
        timeout=httpx2.Timeout(max(READ_TIMEOUT_SECONDS, timeout_seconds), connect=CONNECT_TIMEOUT_SECONDS),
    )
    async with client:
        streams: AbstractAsyncContextManager[Any] = streamable_http_client(
            url, http_client=client, max_sse_event_size=max_event_bytes
        )
        async with streams as opened:
            yield opened


class _CountingClient(httpx2.AsyncClient):
    """Counts each response against what its request may be answered with.

    A connection that cannot be had is answered with a status: an exception would end the library's whole session,
    and with it the calls that are under way beside this one.
    """

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The response, whose body counts itself."""
        answer = current_answer.get()
        try:
            response = await super().send(request, **options)
        except (httpx2.TransportError, httpx2.InvalidURL, OSError, UnicodeError) as error:
            if answer is not None:
                answer.lost = f"it cannot be reached: {_words(error)}"
            return httpx2.Response(_UNREACHABLE, request=request)
        if answer is None or request.method != "POST":
            return response
        answer.http_status = response.status_code
        if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
            await response.aclose()
            answer.lost = "it sent a compressed answer, which was not asked for"
            return httpx2.Response(_UNREACHABLE, request=request)
        response.stream = _CountedBody(response, answer)
        return response


class _CountedBody(httpx2.AsyncByteStream):
    """A body that is thrown away from where it is longer than allowed, but counted to its end."""

    def __init__(self, response: httpx2.Response, answer: Answer) -> None:
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        self._body = response.stream
        self._answer = answer
        self._events = response.headers.get("content-type", "").lower().startswith("text/event-stream")
        declared = response.headers.get("content-length", "")
        self._declared = int(declared) if declared.isascii() and declared.isdigit() else 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        pieces = aiter(self._body)
        while (piece := await self._next(pieces)) is not None:
            received += len(piece)
            if received > self._answer.allowed_bytes:
                self._answer.bytes_too_many = await self._counted(pieces, piece, received)
                raise self._broken("the answer is too long")
            yield piece

    async def aclose(self) -> None:
        await self._body.aclose()

    async def _next(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        try:
            return await anext(pieces, None)
        except (httpx2.TransportError, OSError) as error:
            self._answer.lost = f"the connection broke: {_words(error)}"
            raise self._broken(self._answer.lost) from error

    async def _counted(self, pieces: AsyncIterator[bytes], piece: bytes | None, received: int) -> int:
        """How long the answer is, by its own word or by counting; a stream of events goes on after it."""
        if self._declared >= received:
            return self._declared
        while received <= COUNTED_BYTES and not (self._events and piece and piece.endswith(b"\n\n")):
            piece = await self._next(pieces)
            if piece is None:
                break
            received += len(piece)
        return received

    def _broken(self, words: str) -> Exception:
        """What the library takes as the end of this one answer, and not of the session."""
        return httpx2.SSEError(words) if self._events else httpx2.StreamError(words)


def _words(error: Exception) -> str:
    """What httpx2 says; its timeouts say nothing but their class."""
    return str(error) or type(error).__name__
