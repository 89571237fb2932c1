"""Tokens as Anthropic reports them, turned into our arithmetic."""

from harness.dialects.wire_json import count_at, object_at
from harness.json_values import JsonObject
from harness.models.usage import Usage


def usage_of(message: JsonObject) -> Usage:
    """What a whole message says about tokens; unknown stays unknown.

    Anthropic leaves what went through the cache out of `input_tokens`, so it is added. The parts by duration need not
    sum to `cache_creation_input_tokens` (server tools write too), which is the whole. What other models did on the way
    (`iterations` of an advisor or a compaction) is not in these numbers and stays in the reply's raw JSON: this
    dialect asks for neither.
    """
    usage = object_at(message, "usage")
    read, written = count_at(usage, "cache_read_input_tokens"), count_at(usage, "cache_creation_input_tokens")
    fresh = count_at(usage, "input_tokens")
    return Usage(
        input_tokens=None if fresh is None else fresh + (read or 0) + (written or 0),
        output_tokens=count_at(usage, "output_tokens"),
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=count_at(object_at(usage, "cache_creation"), "ephemeral_1h_input_tokens"),
        reasoning_tokens=count_at(object_at(usage, "output_tokens_details"), "thinking_tokens"),
    )
