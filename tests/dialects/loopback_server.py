"""A server on loopback that speaks OpenAI's chat completions, and fails on request.

As a program: `python loopback_server.py --port 0 --log FILE`; it prints its port and writes one JSON line a request to
FILE before it answers. It ends when its standard input closes.

What it does is said by the model's name, up to a colon: `normal`, `torn` (one byte a chunk), `429`, `500`, `context`,
`quota`, `cut` (the connection breaks in the middle of the body), `cut-stream` (a stream ends early, in order), `slow`
(an answer after an hour), `drip` (a byte a while, for ever), `huge` (a body without an end), `not-json`,
`stream-error`, `flaky-N` (500 for the first N requests), `json` (an answer that fits the schema that was sent), `big`.
Every other name is `normal`. The answer repeats the last user text.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import time
from pathlib import Path

ERRORS = {
    "429": (429, {"message": "slow down", "type": "tokens", "code": "rate_limit_exceeded"}),
    "500": (500, {"message": "the server had an error", "type": "server_error", "code": None}),
    "context": (400, {"message": "This model's maximum context length is 9 tokens.", "type": "x", "code": None}),
    "quota": (429, {"message": "You exceeded your current quota", "code": "insufficient_quota"}),
}


class LoopbackServer:
    """Answers and counts requests; `requests` holds each body as it came."""

    def __init__(self, log=None):
        self.requests = []
        self.headers = []
        self.disconnected = asyncio.Event()
        self._log = Path(log) if log else None
        self._server = None

    @property
    def port(self):
        return self._server.sockets[0].getsockname()[1]

    @property
    def base_url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self, port=0):
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", port)
        return self

    async def close(self):
        self._server.close()
        await asyncio.sleep(0)

    async def _connection(self, reader, writer):
        try:
            while (request := await _read_request(reader)) is not None:
                path, headers, body = request
                await self._answer(path, headers, body, writer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, _Cut):
            self.disconnected.set()
        except asyncio.CancelledError:
            pass
        finally:
            writer.close()

    async def _answer(self, path, headers, body, writer):
        if path.endswith("/health"):
            writer.write(_head(200, "application/json", length=2) + b"{}")
            return
        request = json.loads(body)
        self.requests.append(request)
        self.headers.append(headers)
        if self._log:
            with self._log.open("a") as log:
                log.write(json.dumps({"at": time.time(), "path": path, "body": request}) + "\n")
        kind = request["model"].partition(":")[0]
        if kind.startswith("flaky-"):
            seen = sum(1 for each in self.requests if each["model"] == request["model"])
            kind = "500" if seen <= int(kind.removeprefix("flaky-")) else "normal"
        if kind in ERRORS:
            status, error = ERRORS[kind]
            payload = json.dumps({"error": error}).encode()
            extra = {"retry-after": "2", "x-request-id": "req_loopback"}
            writer.write(_head(status, "application/json", length=len(payload), extra=extra) + payload)
        elif kind in ("slow", "drip", "huge", "cut", "not-json"):
            await _misbehave(kind, writer)
        else:
            await _reply(kind, request, writer)


class _Cut(Exception):
    """The connection is to be broken here."""


async def _read_request(reader):
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    lines = head.split("\r\n")
    headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return lines[0].split(" ")[1], headers, body


async def _misbehave(kind, writer):
    if kind == "not-json":
        page = b"<html><head><title>welcome</title></head></html>"
        writer.write(_head(200, "text/html", length=len(page)) + page)
    elif kind == "cut":
        writer.write(_head(200, "application/json", length=10_000) + b'{"choices": [')
        await writer.drain()
        raise _Cut
    elif kind == "slow":
        await asyncio.sleep(3600)
    else:
        writer.write(_head(200, "application/json", length=10**12))
        while True:
            writer.write(b" " * (1 if kind == "drip" else 1_000_000))
            await writer.drain()
            await asyncio.sleep(0.01 if kind == "drip" else 0)


async def _reply(kind, request, writer):
    completion = completion_for(kind, request)
    if not request.get("stream"):
        payload = json.dumps(completion, ensure_ascii=False).encode()
        writer.write(_head(200, "application/json", length=len(payload), extra={"x-request-id": "req_loopback"}))
        writer.write(payload)
        return
    writer.write(_head(200, "text/event-stream", extra={"x-request-id": "req_loopback"}))
    for piece in stream_pieces(kind, completion, usage=bool(request.get("stream_options"))):
        writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        await writer.drain()
    writer.write(b"0\r\n\r\n")


def completion_for(kind, request):
    """An answer that repeats the last user text, or that fits the JSON schema that was asked for."""
    users = [m["content"] for m in request["messages"] if m["role"] == "user"]
    text = f"You said: {users[-1] if users else ''} ✓"
    if "response_format" in request:
        text = json.dumps(example_of(request["response_format"]["json_schema"]["schema"]))
    if kind == "big":
        text *= 10_000
    sent, answered = len(json.dumps(request["messages"])), len(text)
    usage = {"prompt_tokens": sent // 4, "completion_tokens": answered // 4}
    return {
        "id": "chatcmpl-loopback",
        "object": "chat.completion",
        "model": request["model"],
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {**usage, "total_tokens": sum(usage.values()), "prompt_tokens_details": {"cached_tokens": 1}},
    }


def example_of(schema):
    """The first value that a simple JSON schema allows."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if kind == "object":
        return {name: example_of(part) for name, part in schema.get("properties", {}).items()}
    return {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "array": []}.get(kind)


def stream_pieces(kind, completion, *, usage):
    """The bytes of a stream, as they are sent."""
    text = completion["choices"][0]["message"]["content"]
    head = {"id": completion["id"], "object": "chat.completion.chunk", "model": completion["model"]}

    def event(**fields):
        return b"data: " + json.dumps({**head, **fields}, ensure_ascii=False).encode() + b"\r\n\r\n"

    def delta(content, finish=None):
        return event(choices=[{"index": 0, "delta": {"content": content}, "finish_reason": finish}])

    events = [b": keep-alive\r\n\r\n", *(delta(text[at : at + 5]) for at in range(0, len(text), 5))]
    if kind == "cut-stream":
        return events[:-1]
    if kind == "stream-error":
        return [events[1], b'data: {"error": {"message": "failed", "type": "server_error"}}\n\n']
    events.append(delta("", "stop"))
    events += [event(choices=[], usage=completion["usage"])] if usage else []
    whole = b"".join([*events, b"data: [DONE]\r\n\r\n"])
    return [bytes([byte]) for byte in whole] if kind == "torn" else [*events, b"data: [DONE]\r\n\r\n"]


def _head(status, content_type, *, length=None, extra=None):
    body = f"content-length: {length}" if length is not None else "transfer-encoding: chunked"
    more = "".join(f"{name}: {value}\r\n" for name, value in (extra or {}).items())
    return f"HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\n{body}\r\n{more}\r\n".encode()


async def _main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", required=True)
    given = parser.parse_args()
    server = await LoopbackServer(given.log).start(given.port)
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.buffer.read)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main())
