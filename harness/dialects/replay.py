"""Runs recorded exchanges through the dialects: `python -m harness.dialects.replay CORPUS_DIR --json OUT`.

A corpus is a folder of `*.jsonl` files, one recorded exchange a line: `id`, `api` (the kind of endpoint, such as
"anthropic.messages"), `status`, `response_headers`, `wire` (json, sse, eventstream, ...), `stream`, `model`, and the
answer's `body` or, in base64, `body_b64`. What the dialects read of it goes out as one JSON line a record, so that it
can be held against any other reading of the same bytes. Nothing is sent anywhere.
"""

import argparse
import base64
import binascii
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from harness.dialects.dialect import Dialect, EmbeddingDialect
from harness.dialects.known_dialects import DIALECTS, EMBEDDING_DIALECTS
from harness.dialects.wire import WireResponse
from harness.dialects.wire_json import object_at, parse_object, text_at
from harness.exceptions import Broken, ProviderError
from harness.json_values import Json, JsonObject
from harness.models.catalogue import DialectName
from harness.models.embeddings import EmbeddingReply
from harness.models.messages import ModelReply, Origin, ReasoningPart, ReplyEnd, StreamEvent, ToolCallPart
from harness.models.usage import Usage

_DIALECT_OF_API = {
    "openai.chat": DialectName.OPENAI_CHAT,
    "openai.responses": DialectName.OPENAI_RESPONSES,
    "anthropic.messages": DialectName.ANTHROPIC_MESSAGES,
    "vertex.raw_predict": DialectName.ANTHROPIC_MESSAGES,
    "bedrock.converse": DialectName.BEDROCK_CONVERSE,
    "bedrock.converse_stream": DialectName.BEDROCK_CONVERSE,
    "gemini.generate": DialectName.GEMINI,
    "gemini.stream_generate": DialectName.GEMINI,
}
_EMBEDDINGS_OF_API = {"embeddings": DialectName.OPENAI_CHAT, "gemini.embeddings": DialectName.GEMINI}
# Bedrock's older operation carries each maker's own wire; only Anthropic's is one of ours, and taken where none is named.
_INVOKE = ("bedrock.invoke", "bedrock.invoke_stream")
# A file of failures names vendor and case instead of the kind of endpoint: what stands in the name decides, in this order.
_API_OF_NAME = (
    ("responses", "openai.responses"),
    ("openai_completions", "openai.completions"),
    ("cohere", "cohere.chat"),
    ("bedrock_invoke", "bedrock.invoke_stream"),
    ("converse", "bedrock.converse_stream"),
    ("bedrock", "bedrock.converse_stream"),
    ("anthropic", "anthropic.messages"),
    ("google", "gemini.generate"),
    ("gemini", "gemini.generate"),
)
_STREAMED_WIRES = ("sse", "eventstream", "raw")
_NOTHING: JsonObject = dict.fromkeys(
    (
        "text", "reasoning", "tool_calls", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens",
        "reasoning_tokens", "stop", "stop_raw", "request_id", "error",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded exchange.

    Args:
        stream: the answer is the wire's stream and not one whole body.
        texts: how many texts were sent to be embedded.
        messages_of_claude: whether what was asked, as far as it is known, was in Anthropic's words.
    """

    record_id: str
    api: str
    model: str
    stream: bool
    response: WireResponse
    texts: int
    messages_of_claude: bool


def exchange_of(record: JsonObject) -> Exchange:
    """A record as an answer that a dialect can read.

    Raises:
        ValueError: it has no body or status that can be used.
    """
    status = record.get("status")
    if not isinstance(status, int):
        raise ValueError(f"record {record.get('id')!r} has the status {status!r}: it must be an HTTP status")  # noqa: TRY004
    request = object_at(record, "request")
    headers = {name.lower(): value for name, value in object_at(record, "response_headers").items()}
    named = (text_at(record, "name") or text_at(record, "id")).lower()
    api = text_at(record, "api") or next((api for word, api in _API_OF_NAME if word in named), "openai.chat")
    return Exchange(
        record_id=text_at(record, "id"),
        api=api,
        model=text_at(record, "model"),
        stream=text_at(record, "wire") in _STREAMED_WIRES or record.get("stream") is True,
        response=WireResponse(status, {n: v for n, v in headers.items() if isinstance(v, str)}, _body(record)),
        texts=_texts(request),
        messages_of_claude=not request or ("messages" in request and "anthropic" in text_at(record, "model")),
    )


def replayed(exchange: Exchange, *, split_bytes: int | None = None) -> JsonObject:
    """What the dialects read of one exchange; `unsupported` stands in it where no dialect speaks that wire.

    Args:
        split_bytes: into pieces of how many bytes a stream is torn; None leaves it whole.
    """
    line: JsonObject = {"id": exchange.record_id, **_NOTHING}
    origin = Origin(dialect=exchange.api, endpoint=exchange.api, model=exchange.model)
    try:
        if dialect := _dialect(exchange):
            reply = _reply(dialect, exchange, origin, split_bytes)
            return line | _of_usage(reply.usage) | _of_reply(reply)
        if embedding := _embedding_dialect(exchange):
            return line | _of_vectors(_vectors(embedding, exchange, origin))
    except ProviderError as error:
        line["error"] = {"class": type(error).__name__, "retryable": error.retryable}
        line["request_id"] = error.request_id
        return line
    line["unsupported"] = exchange.api
    return line


def _dialect(exchange: Exchange) -> Dialect | None:
    if exchange.api in _INVOKE:
        return DIALECTS[DialectName.ANTHROPIC_MESSAGES] if exchange.messages_of_claude else None
    name = _DIALECT_OF_API.get(exchange.api)
    return None if name is None else DIALECTS[name]


def _embedding_dialect(exchange: Exchange) -> EmbeddingDialect | None:
    name = _EMBEDDINGS_OF_API.get(exchange.api)
    return None if name is None else EMBEDDING_DIALECTS[name]


def _reply(dialect: Dialect, exchange: Exchange, origin: Origin, split_bytes: int | None) -> ModelReply:
    response = exchange.response
    if not 200 <= response.status < 300:  # noqa: PLR2004 - HTTP's own numbers
        raise dialect.error(response, origin.endpoint)
    if not exchange.stream:
        return dialect.decode(response, origin)
    decoder = dialect.stream_decoder(origin, dict(response.headers))
    events: list[StreamEvent] = []
    step = split_bytes or max(len(response.body), 1)
    for start in range(0, len(response.body), step):
        events += decoder.feed(response.body[start : start + step])
    if not (events and isinstance(events[-1], ReplyEnd)):
        events += decoder.end()
    last = events[-1] if events else None
    if not isinstance(last, ReplyEnd):
        raise Broken(origin.endpoint, "the stream ended without its last event")
    return last.reply


def _vectors(dialect: EmbeddingDialect, exchange: Exchange, origin: Origin) -> EmbeddingReply:
    response = exchange.response
    if not 200 <= response.status < 300:  # noqa: PLR2004
        raise dialect.error(response, origin.endpoint)
    return dialect.decode_vectors(response, origin, texts=exchange.texts)


def _of_usage(usage: Usage) -> JsonObject:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }


def _of_reply(reply: ModelReply) -> JsonObject:
    parts = reply.message.parts
    calls: list[Json] = [
        {"name": part.name, "arguments": part.arguments} for part in parts if isinstance(part, ToolCallPart)
    ]
    return {
        "text": reply.text,
        "reasoning": "".join(part.text for part in parts if isinstance(part, ReasoningPart)),
        "tool_calls": calls,
        "stop": reply.stop.value,
        "stop_raw": reply.stop_raw,
        "request_id": reply.request_id,
    }


def _of_vectors(reply: EmbeddingReply) -> JsonObject:
    shape: JsonObject = {"vectors": len(reply.vectors), "dimensions": len(reply.vectors[0]) if reply.vectors else 0}
    return _of_usage(reply.usage) | {"request_id": reply.request_id} | shape


def _texts(request: JsonObject) -> int:
    """How many texts an embeddings request holds, by each vendor's word for them; one that is no list is one."""
    found = next((request[word] for word in ("input", "texts", "instances", "requests") if word in request), "")
    # A list of numbers is one text in tokens.
    return len(found) if isinstance(found, list) and not all(isinstance(each, int) for each in found) else 1


def _body(record: JsonObject) -> bytes:
    encoded = record.get("body_b64")
    if isinstance(encoded, str) and encoded:
        try:
            return base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise ValueError(f"record {record.get('id')!r} has a body_b64 that is no base64: {error}") from error
    return text_at(record, "body").encode("utf-8", "replace")


def _records(folder: Path) -> Iterator[tuple[str, JsonObject]]:
    """The records of every file, each with its place for complaints."""
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    place = f"{path.name}:{number}"
                    try:
                        yield place, parse_object(line)
                    except ValueError as error:
                        raise ValueError(f"{place}: {error}: write one JSON object a line") from error


def _lines(folder: Path, split_bytes: int | None, counts: Counter[str]) -> Iterator[JsonObject]:
    for place, record in _records(folder):
        try:
            exchange = exchange_of(record)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from error
        line = replayed(exchange, split_bytes=split_bytes)
        failure = object_at(line, "error")
        what = "unsupported" if "unsupported" in line else text_at(failure, "class") or "read"
        counts[f"{exchange.api}\t{what}"] += 1
        yield line


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 when every record was read or told as an error, 2 for a corpus that cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.dialects.replay", description="Run recorded exchanges through the dialects."
    )
    parser.add_argument("corpus", type=Path, help="a folder of *.jsonl files of recorded exchanges")
    parser.add_argument(
        "--json", type=Path, required=True, metavar="OUT", help="where the lines go; - for the terminal"
    )
    parser.add_argument("--split-bytes", type=int, metavar="N", help="tear streams into pieces of N bytes")
    given = parser.parse_args(arguments)
    if given.split_bytes is not None and given.split_bytes < 1:
        parser.error(f"--split-bytes {given.split_bytes}: a piece has at least one byte")
    if not given.corpus.is_dir() or not any(given.corpus.glob("*.jsonl")):
        parser.error(f"{str(given.corpus)!r} is no folder with *.jsonl files")
    counts: Counter[str] = Counter()
    try:
        lines = _lines(given.corpus, given.split_bytes, counts)
        if str(given.json) == "-":
            _write(lines, sys.stdout)
        else:
            with given.json.open("w", encoding="utf-8") as out:
                _write(lines, out)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    for what, count in sorted(counts.items()):
        print(f"{count:6}\t{what}", file=sys.stderr)  # noqa: T201 - a command
    return 0


def _write(lines: Iterator[JsonObject], out: TextIO) -> None:
    out.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
