"""Tokens as the Responses API reports them; its arithmetic is ours, so nothing is converted."""

from harness.dialects.wire_json import count_at, object_at
from harness.json_values import JsonObject
from harness.models.usage import Usage


def usage_of(response: JsonObject) -> Usage:
    """What a response says about tokens; unknown stays unknown.

    Cached tokens are part of `input_tokens` and reasoning is part of `output_tokens`, at every vendor that was recorded.
    """
    usage = object_at(response, "usage")
    entered, made = object_at(usage, "input_tokens_details"), object_at(usage, "output_tokens_details")
    return Usage(
        input_tokens=count_at(usage, "input_tokens"),
        output_tokens=count_at(usage, "output_tokens"),
        cache_read_tokens=count_at(entered, "cached_tokens"),
        cache_write_tokens=count_at(entered, "cache_write_tokens"),
        reasoning_tokens=count_at(made, "reasoning_tokens"),
    )
