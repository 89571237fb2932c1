"""What providers charged for requests of which the size is known."""

import json

import pytest

from harness.dialects.openai_chat.dialect import OpenAIChat
from harness.exceptions import ProviderError
from harness.models.messages import ReplyEnd
from tests.dialects.wire_targets import origin_of
from tests.recorded_traffic import recorded, response_of


@pytest.fixture(scope="session")
def recorded_calls():
    """Each recorded chat completion that reports its input: the request's JSON and the usage."""
    return list(_calls(record for record in recorded("openai.chat") if record["status"] == 200))


def _calls(records):
    for record in records:
        try:
            usage = _usage(record)
        except ProviderError:
            continue
        if usage is not None and usage.input_tokens is not None and isinstance(record["request"], dict):
            yield json.dumps(record["request"], separators=(",", ":"), ensure_ascii=False), usage


def _usage(record):
    response = response_of(record)
    if not record["stream"]:
        return OpenAIChat().decode(response, origin_of()).usage
    decoder = OpenAIChat().stream_decoder(origin_of(), record["response_headers"])
    events = decoder.feed(response.body)
    if not any(isinstance(event, ReplyEnd) for event in events):
        events += decoder.end()
    return next((event.reply.usage for event in events if isinstance(event, ReplyEnd)), None)
