"""A model server that repeats the key it was sent, in every way that an answer can.

What it does is said by the model's name, up to a colon: `refuses` (401), `slow-down` (429), `down` (500 as a page),
`long` (400, the key where a message is cut), `coded` (401, the key in base64 and as addresses write it), `halved`
(401, each half), `wrong-in-200` (an error inside of a 200), `page` (a page in the place of an answer), `stream-error`
(an error in the middle of a stream, after words), `names-it` (a request id that holds the key), `cut` and `cut-stream`
as `loopback_server` does. Every other name is answered.
"""

import base64
import json
from urllib.parse import quote

from tests.dialects.loopback_server import LoopbackServer, _Cut, _head, _reply

KEY_HEADERS = ("authorization", "x-api-key", "x-goog-api-key", "api-key")
MISBEHAVES = (
    *("refuses", "slow-down", "down", "long", "coded", "halved", "wrong-in-200", "page", "stream-error", "names-it"),
    *("cut", "cut-stream"),
)


def key_of(headers):
    return next((headers[name].removeprefix("Bearer ") for name in KEY_HEADERS if name in headers), "")


class TellingServer(LoopbackServer):
    """`seen` holds the key of each request."""

    def __init__(self):
        super().__init__()
        self.seen = []

    async def _answer(self, path, headers, body, writer):
        request = json.loads(body)
        key = key_of(headers)
        self.seen.append(key)
        # Gemini and Bedrock name the model in the address.
        kind = next((each for each in MISBEHAVES if each in (request.get("model") or path)), "normal")
        if kind == "cut":
            writer.write(_head(200, "application/json", length=10_000) + f'{{"key": "{key}", "choices": ['.encode())
            await writer.drain()
            raise _Cut
        if kind == "stream-error" or (kind in ("normal", "cut-stream") and "messages" in request):
            await self._streamed(kind, request, key, writer)
            return
        status, content_type, payload = _told(kind, key)
        extra = {"x-request-id": f"req {key}" if kind == "names-it" else "req_telling", "retry-after": "0"}
        writer.write(_head(status, content_type, length=len(payload), extra=extra) + payload)

    async def _streamed(self, kind, request, key, writer):
        if kind != "stream-error":
            await _reply(kind, request, writer)
            return
        error = {"type": "error", "error": {"type": "server_error", "message": f"lost {key} on the way"}}
        writer.write(_head(200, "text/event-stream"))
        for piece in (b"event: error\n", f"data: {json.dumps(error)}\n\n".encode()):
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        writer.write(b"0\r\n\r\n")


def _told(kind, key):
    """Status, content type and body."""
    coded = base64.b64encode(key.encode()).decode()
    half = len(key) // 2
    said = {
        "coded": f"headers were authorization=Basic {coded} and {quote(key, safe='')}",
        "halved": f"the key {key[:half]}*** / ***{key[half:]} is none",
        "long": f"{'x ' * 236}key {key} is not known here",
    }.get(kind, f"Incorrect API key provided: {key}.")
    status = {"slow-down": 429, "down": 502, "long": 400, "wrong-in-200": 200, "page": 200, "names-it": 503}.get(
        kind, 401
    )
    if kind in ("down", "page"):
        return status, "text/html", f"<html><title>proxy</title>Authorization: Bearer {key}</html>".encode()
    error = {"error": {"message": said, "type": "x", "code": None, "status": "X"}, "type": "error", "message": said}
    return status, "application/json", json.dumps(error).encode()
