"""A loopback server of canned answers on the five wires, in a process of its own: `python -m benchmarks.canned_vendors`.

Each wire has one whole answer and one stream, made here by the wire's public documentation: some 700 characters of text,
in a stream one word an event. It prints its port and ends when its standard input closes.
"""

import asyncio
import json
import struct
import sys
import zlib
from typing import Any

EVENTS = 138
WORDS = [f"word{number} " for number in range(EVENTS)]
TEXT = "".join(WORDS)
TOKENS = (24, EVENTS)

Json = Any
_NOTHING: Json = {}


def _data(value: Json) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def _event(name: str, value: dict[str, Json]) -> bytes:
    return f"event: {name}\n".encode() + _data({"type": name, **value})


def _frame(kind: str, value: Json) -> bytes:
    """One frame of an AWS event stream."""
    headers = b""
    for name, text in ((":event-type", kind), (":content-type", "application/json"), (":message-type", "event")):
        headers += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(text)) + text.encode()
    payload = json.dumps(value).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return body + struct.pack(">I", zlib.crc32(body))


def chat() -> tuple[Json, list[bytes]]:
    """OpenAI's chat completions."""
    usage = {"prompt_tokens": TOKENS[0], "completion_tokens": TOKENS[1], "total_tokens": sum(TOKENS)}
    head: Json = {"id": "chatcmpl-1", "created": 1, "model": "m"}
    message = {"role": "assistant", "content": TEXT}
    whole: Json = {
        **head,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": usage,
    }
    chunk: Json = {**head, "object": "chat.completion.chunk"}
    events = [
        _data({**chunk, "choices": [{"index": 0, "delta": {"content": w}, "finish_reason": None}]}) for w in WORDS
    ]
    end: Json = {**chunk, "choices": [{"index": 0, "delta": _NOTHING, "finish_reason": "stop"}]}
    return whole, [*events, _data(end), _data({**chunk, "choices": [], "usage": usage}), b"data: [DONE]\n\n"]


def responses() -> tuple[Json, list[bytes]]:
    """OpenAI's responses."""
    part: Json = {"type": "output_text", "text": TEXT, "annotations": []}
    item: Json = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    usage = {
        "input_tokens": TOKENS[0],
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": TOKENS[1],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": sum(TOKENS),
    }
    whole: Json = {
        "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m", "output": [item],
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "usage": usage, "error": None,
        "incomplete_details": None, "instructions": None, "metadata": {}, "temperature": 1.0, "top_p": 1.0,
    }  # fmt: skip
    begun: Json = {**whole, "status": "in_progress", "output": [], "usage": None}
    at: Json = {"output_index": 0, "item_id": "msg_1", "content_index": 0}
    deltas = [
        _event("response.output_text.delta", {**at, "delta": w, "logprobs": [], "sequence_number": n + 4})
        for n, w in enumerate(WORDS)
    ]
    empty: Json = {**item, "status": "in_progress", "content": []}
    return whole, [
        _event("response.created", {"response": begun, "sequence_number": 0}),
        _event("response.output_item.added", {"output_index": 0, "item": empty, "sequence_number": 1}),
        _event("response.content_part.added", {**at, "part": {**part, "text": ""}, "sequence_number": 2}),
        *deltas,
        _event("response.output_text.done", {**at, "text": TEXT, "logprobs": [], "sequence_number": 200}),
        _event("response.content_part.done", {**at, "part": part, "sequence_number": 201}),
        _event("response.output_item.done", {"output_index": 0, "item": item, "sequence_number": 202}),
        _event("response.completed", {"response": whole, "sequence_number": 203}),
    ]


def anthropic() -> tuple[Json, list[bytes]]:
    """Anthropic's messages."""
    usage = {"input_tokens": TOKENS[0], "output_tokens": TOKENS[1]}
    whole: Json = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m",
        "content": [{"type": "text", "text": TEXT}], "stop_reason": "end_turn", "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    begun: Json = {**whole, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    deltas = [_event("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": w}}) for w in WORDS]
    stop: Json = {"delta": {"stop_reason": "end_turn", "stop_sequence": None}}
    return whole, [
        _event("message_start", {"message": begun}),
        _event("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
        *deltas,
        _event("content_block_stop", {"index": 0}),
        _event("message_delta", {**stop, "usage": {"output_tokens": TOKENS[1]}}),
        _event("message_stop", {}),
    ]


def gemini() -> tuple[Json, list[bytes]]:
    """Google's generateContent."""
    usage = {
        "promptTokenCount": TOKENS[0], "candidatesTokenCount": TOKENS[1], "totalTokenCount": sum(TOKENS),
    }  # fmt: skip

    def answer(text: str, stop: str | None) -> Json:
        candidate: Json = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
        if stop:
            candidate["finishReason"] = stop
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m", "responseId": "r"}

    stops = [None] * (EVENTS - 1) + ["STOP"]
    return answer(TEXT, "STOP"), [_data(answer(word, stop)) for word, stop in zip(WORDS, stops, strict=True)]


def converse() -> tuple[Json, list[bytes]]:
    """Bedrock's converse."""
    usage = {"inputTokens": TOKENS[0], "outputTokens": TOKENS[1], "totalTokens": sum(TOKENS)}
    metrics = {"latencyMs": 5}
    whole = {
        "output": {"message": {"role": "assistant", "content": [{"text": TEXT}]}},
        "stopReason": "end_turn", "usage": usage, "metrics": metrics,
    }  # fmt: skip
    deltas = [_frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": word}}) for word in WORDS]
    return whole, [
        _frame("messageStart", {"role": "assistant"}),
        *deltas,
        _frame("contentBlockStop", {"contentBlockIndex": 0}),
        _frame("messageStop", {"stopReason": "end_turn"}),
        _frame("metadata", {"usage": usage, "metrics": metrics}),
    ]


_BY_PATH = (
    ("/chat/completions", chat()),
    ("/responses", responses()),
    ("/messages", anthropic()),
    ("GenerateContent", gemini()),
    (":generateContent", gemini()),
    ("/converse", converse()),
)


def _answer(path: str, body: bytes) -> bytes:
    whole, events = next(canned for part, canned in _BY_PATH if part in path)
    aws = path.endswith("/converse-stream")
    if aws or "streamGenerateContent" in path or (body and json.loads(body).get("stream")):
        kind = b"application/vnd.amazon.eventstream" if aws else b"text/event-stream"
        # Each event is a chunk of its own, as servers that generate send them.
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events) + b"0\r\n\r\n"
        return b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\ntransfer-encoding: chunked\r\n\r\n" + chunks
    sent = json.dumps(whole).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(sent), sent)


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            break  # the caller went away, or the server ends
        lines = head.decode("latin-1").split("\r\n")
        length = next((int(line.partition(":")[2]) for line in lines if line.lower().startswith("content-length:")), 0)
        body = await reader.readexactly(length)
        writer.write(_answer(lines[0].split(" ")[1].partition("?")[0], body))
        await writer.drain()
    writer.close()


async def serve() -> None:
    """Serve until the standard input closes."""
    server = await asyncio.start_server(_connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
