"""What providers charged for requests of which the size is known."""

import base64
import json
import os
from pathlib import Path

import pytest

from harness.dialects.openai_chat import OpenAIChat
from harness.dialects.wire import WireResponse
from harness.exceptions import ProviderError
from harness.models.messages import ReplyEnd


@pytest.fixture(scope="session")
def recorded_calls():
    """Each recorded chat completion that reports its input: the request's JSON and the usage."""
    shared = os.environ.get("HARNESS_SHARED")
    folder = (Path(shared) if shared else Path(__file__).resolve().parents[3] / "shared") / "data" / "vendors"
    if not folder.is_dir():
        pytest.skip(f"no recorded traffic at {folder}: set HARNESS_SHARED to the folder that holds data/vendors")
    lines = [line for path in sorted(folder.glob("[a-eg-z]*.jsonl")) for line in path.read_text("utf-8").split("\n")]
    records = [json.loads(line) for line in lines if line]
    return list(_calls(record for record in records if record["api"] == "openai.chat" and record["status"] == 200))


def _calls(records):
    for record in records:
        try:
            usage = _usage(record)
        except ProviderError:
            continue
        if usage is not None and usage.input_tokens is not None and isinstance(record["request"], dict):
            yield json.dumps(record["request"], separators=(",", ":"), ensure_ascii=False), usage


def _usage(record):
    body = base64.b64decode(record["body_b64"]) if record.get("body_b64") else (record.get("body") or "").encode()
    if not record["stream"]:
        return OpenAIChat().decode(WireResponse(200, record["response_headers"], body), "recorded").usage
    decoder = OpenAIChat().stream_decoder("recorded", record["response_headers"])
    events = decoder.feed(body)
    if not any(isinstance(event, ReplyEnd) for event in events):
        events += decoder.end()
    return next((event.reply.usage for event in events if isinstance(event, ReplyEnd)), None)
