"""Tokens as Gemini reports them, turned into our arithmetic."""

from harness.dialects.wire_json import count_at, object_at
from harness.json_values import JsonObject
from harness.models.usage import Usage


def usage_of(response: JsonObject) -> Usage:
    """What a response says about tokens; unknown stays unknown.

    In every recorded body the total is prompt + tool use + candidates + thoughts. So what the model's own tools put
    into the prompt is input, thoughts are output; the cached part is in the prompt already. A candidate without a
    token has no `candidatesTokenCount`: beside thoughts that is none, and alone it is unknown.

    Source: https://ai.google.dev/api/generate-content#UsageMetadata
    """
    usage = object_at(response, "usageMetadata")
    prompt, thoughts = count_at(usage, "promptTokenCount"), count_at(usage, "thoughtsTokenCount")
    tool_use, candidates = count_at(usage, "toolUsePromptTokenCount"), count_at(usage, "candidatesTokenCount")
    made = candidates is not None or thoughts is not None
    return Usage(
        input_tokens=None if prompt is None else prompt + (tool_use or 0),
        output_tokens=(candidates or 0) + (thoughts or 0) if made else None,
        cache_read_tokens=count_at(usage, "cachedContentTokenCount"),
        reasoning_tokens=thoughts,
    )
