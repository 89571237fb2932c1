"""A transport without a network: it answers from a file of scripted replies, for examples, tests and benchmarks.

Everything above it is the real thing: the dialect encodes and decodes, calls are held, priced and recorded.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from harness.dialects.scripted.replies import (
    ScriptedError,
    ScriptedReply,
    asked_texts,
    completion_for,
    read_scripted_replies,
    stream_for,
)
from harness.dialects.wire import WireRequest, WireResponse
from harness.dialects.wire_json import parse_object, text_at
from harness.exceptions import RequestRefused
from harness.json_values import JsonObject

# Where dialects are told that a scripted endpoint is; nothing is ever sent there.
SCRIPTED_BASE_URL = "http://scripted.invalid/v1"

_STREAMED_PIECE_BYTES = 64


class ScriptedTransport:
    """The `Transport` of an endpoint with `scripted_replies`; it speaks OpenAI's chat completions.

    Raises:
        SpecificationInvalid: the file cannot be used.
    """

    def __init__(self, endpoint_name: str, path: Path) -> None:
        self._endpoint_name = endpoint_name
        self._path = path
        self._replies = read_scripted_replies(path)
        self._used: Counter[int] = Counter()

    async def send(self, request: WireRequest) -> WireResponse:
        """The reply to a request; see `Transport`.

        Raises:
            RequestRefused: no reply in the file is for it.
        """
        body = parse_object(request.body)
        reply = self._taken(body)
        if reply.delay_ms:
            await asyncio.sleep(reply.delay_ms / 1000)
        if reply.error is not None:
            return _error_response(reply.error)
        completion = completion_for(reply, text_at(body, "model"), len(request.body))
        if body.get("stream"):
            return WireResponse(200, {"content-type": "text/event-stream"}, stream_for(completion))
        return WireResponse(200, {"content-type": "application/json"}, json.dumps(completion).encode())

    @asynccontextmanager
    async def stream(self, request: WireRequest) -> AsyncGenerator["ScriptedStream"]:
        """The same reply in pieces; see `Transport`."""
        yield ScriptedStream(await self.send(request))

    async def close(self) -> None:
        """Nothing is held."""

    def _taken(self, body: JsonObject) -> ScriptedReply:
        model, asked = text_at(body, "model"), asked_texts(body)
        for place, reply in self._replies.candidates(model, asked):
            if reply.times is None or self._used[place] < reply.times:
                self._used[place] += 1
                return reply
        last = asked.last
        shown = last if len(last) <= 200 else last[:197] + "..."  # noqa: PLR2004 - enough to recognise a prompt
        raise RequestRefused(
            self._endpoint_name,
            f"{self._path} has no reply (left) for model {model!r} asked {shown!r} "
            f"(turn {asked.turn}): add one whose `when` is in that text, or one without `when`",
        )


class ScriptedStream:
    """The `WireStream` of a scripted reply."""

    def __init__(self, response: WireResponse) -> None:
        self._response = response

    @property
    def status(self) -> int:
        """HTTP status."""
        return self._response.status

    @property
    def headers(self) -> dict[str, str]:
        """Names in lower case."""
        return dict(self._response.headers)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body in small pieces, so that whoever reads it meets torn events."""
        body = self._response.body
        for start in range(0, len(body), _STREAMED_PIECE_BYTES):
            yield body[start : start + _STREAMED_PIECE_BYTES]

    async def response(self) -> WireResponse:
        """The whole answer."""
        return self._response


def _error_response(error: ScriptedError) -> WireResponse:
    headers = {"content-type": "application/json"}
    if error.retry_after_seconds is not None:
        headers["retry-after"] = f"{error.retry_after_seconds:g}"
    envelope = {"error": {"message": error.message, "type": None, "param": None, "code": error.code}}
    return WireResponse(error.status, headers, json.dumps(envelope).encode())
