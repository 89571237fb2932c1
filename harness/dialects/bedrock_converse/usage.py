"""Tokens as Converse reports them, turned into our arithmetic."""

from harness.dialects.wire_json import count_at, object_at, objects_at, text_at
from harness.json_values import JsonObject
from harness.models.usage import Usage


def usage_of(answer: JsonObject) -> Usage:
    """What a whole answer says about tokens; unknown stays unknown.

    Amazon leaves what it read from and wrote to a cache out of `inputTokens` and says it under two names each. How
    much of the output was thought is not said.
    """
    usage = object_at(answer, "usage")
    read, write = _cached(usage, "Read"), _cached(usage, "Write")
    fresh = count_at(usage, "inputTokens")
    kept_an_hour = [
        count_at(detail, "inputTokens")
        for detail in objects_at(usage, "cacheDetails")
        if text_at(detail, "ttl") == "1h"
    ]
    known = [count for count in kept_an_hour if count is not None]
    return Usage(
        input_tokens=None if fresh is None else fresh + (read or 0) + (write or 0),
        output_tokens=count_at(usage, "outputTokens"),
        cache_read_tokens=read,
        cache_write_tokens=write,
        cache_write_1h_tokens=sum(known) if known else None,
    )


def _cached(usage: JsonObject, direction: str) -> int | None:
    found = count_at(usage, f"cache{direction}InputTokens")
    return count_at(usage, f"cache{direction}InputTokenCount") if found is None else found
