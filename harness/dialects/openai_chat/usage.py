"""Tokens as OpenAI-compatible servers report them, under all their names, turned into our arithmetic."""

from harness.dialects.wire_json import count_at, object_at
from harness.json_values import JsonObject
from harness.models.usage import Usage


def usage_of(completion: JsonObject) -> Usage:
    """What a whole completion, or the last chunks of a stream, say about tokens; unknown stays unknown.

    Cached tokens are part of `prompt_tokens` everywhere; their names are OpenAI's, Moonshot's and other compatible
    servers' (`cached_tokens`), Mistral's (`num_cached_tokens`) and DeepSeek's (`prompt_cache_hit_tokens`). Groq's
    streams put the usage under `x_groq`.
    """
    usage = object_at(completion, "usage") or object_at(completion, "x_groq", "usage")
    prompt, output = object_at(usage, "prompt_tokens_details"), object_at(usage, "completion_tokens_details")
    cached = (
        count_at(prompt, "cached_tokens"),
        count_at(usage, "cached_tokens"),
        count_at(usage, "num_cached_tokens"),
        count_at(usage, "prompt_cache_hit_tokens"),
    )
    return Usage(
        input_tokens=count_at(usage, "prompt_tokens"),
        output_tokens=_output_tokens(usage),
        cache_read_tokens=next((count for count in cached if count is not None), None),
        cache_write_tokens=count_at(prompt, "cache_write_tokens"),
        reasoning_tokens=count_at(output, "reasoning_tokens"),
    )


def _output_tokens(usage: JsonObject) -> int | None:
    """Everything that was generated, reasoning included.

    OpenAI counts reasoning in `completion_tokens`. xAI and Gemini's compatible endpoint count it in `total_tokens`
    alone, and charge for it: what the total holds beyond both sides was generated too.
    """
    prompt, completion, total = (count_at(usage, f"{side}_tokens") for side in ("prompt", "completion", "total"))
    if completion is None or prompt is None or total is None:
        return completion
    return max(completion, total - prompt)
