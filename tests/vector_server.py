"""A server on loopback that embeds as OpenAI does: of each text the same vector every time, told by its bytes.

What it does is said by the model's name, up to a colon: `429`, `500`, `context`, `quota`, `no-usage`, `few` (a vector
less than texts), `nan`, `cut` (the connection breaks in the middle), `wide` (a width that nobody asked for),
`echo-key` (401 that repeats the key). Every other name is answered.
"""

import hashlib
import json

from tests.dialects.loopback_server import ERRORS, LoopbackServer, _Cut, _head

WIDTH = 4


def vector_of(text, width=WIDTH):
    """Numbers that no float32 holds exactly, but for the last."""
    digest = hashlib.sha256(text.encode()).digest()
    return [*(byte / 300 for byte in digest[: width - 1]), float(len(text))]


class VectorServer(LoopbackServer):
    async def _answer(self, path, headers, body, writer):
        assert path.endswith("/embeddings")
        request = json.loads(body)
        self.requests.append(request)
        self.headers.append(headers)
        status, answer = answer_to(request, headers)
        if request["model"].startswith("cut"):
            writer.write(_head(200, "application/json", length=10_000) + b'{"data": [')
            await writer.drain()
            raise _Cut
        payload = json.dumps(answer).encode()
        writer.write(_head(status, "application/json", length=len(payload), extra={"x-request-id": "req_v"}) + payload)


def answer_to(request, headers):
    kind = request["model"].partition(":")[0]
    if kind in ERRORS:
        return ERRORS[kind][0], {"error": ERRORS[kind][1]}
    if kind == "echo-key":
        return 401, {"error": {"message": f"unknown key {headers['authorization']}", "code": "invalid_api_key"}}
    width = request.get("dimensions", WIDTH) + (kind == "wide")
    vectors = [vector_of(text, width) for text in request["input"]]
    if kind == "nan":
        vectors[0][0] = 1e300
    data = [{"object": "embedding", "index": place, "embedding": each} for place, each in enumerate(vectors)]
    tokens = sum(len(text) for text in request["input"]) // 4 + 1
    usage = None if kind == "no-usage" else {"prompt_tokens": tokens, "total_tokens": tokens}
    # Out of order, as the wire allows.
    shown = data[::-1][kind == "few" :]
    return 200, {"object": "list", "data": shown, "model": request["model"], "usage": usage}
