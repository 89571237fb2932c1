"""Why models stop, in every vendor's words, told as one of ours.

Sources: the enumerations of the vendors' SDKs (anthropic `StopReason`, botocore's `StopReason` of bedrock-runtime,
google-genai `FinishReason` and `BlockedReason`, openai) and what recorded servers said beside them.
"""

from collections.abc import Sequence

from harness.models.messages import Part, RefusalPart, StopReason, ToolCallPart

_WORDS: tuple[tuple[StopReason, tuple[str, ...]], ...] = (
    (StopReason.STOP, ("", "stop", "end_turn", "eos", "complete", "completed", "end")),
    (StopReason.STOP_SEQUENCE, ("stop_sequence",)),
    (StopReason.TOOL, ("tool_calls", "tool_call", "tool_use", "function_call")),
    (StopReason.LENGTH, ("length", "max_tokens", "max_output_tokens", "model_length", "continuation")),
    (StopReason.CONTEXT, ("model_context_window_exceeded", "context_window_exceeded")),
    # The last two are of responses that are still worked on: no answer yet, whatever they hold.
    (StopReason.PAUSE, ("pause_turn", "compaction", "queued", "in_progress")),
    (StopReason.REFUSAL, ("refusal",)),
    (
        StopReason.FILTER,
        (
            "content_filter", "content_filtered", "guardrail_intervened", "safety", "recitation", "blocklist",
            "prohibited_content", "spii", "language", "image_safety", "image_prohibited_content", "image_recitation",
            "model_armor", "jailbreak",
        ),
    ),
    (
        StopReason.BROKEN,
        (
            "error", "abort", "cancelled", "failed", "insufficient_system_resource", "malformed_function_call",
            "malformed_tool_use", "malformed_model_output", "malformed_response", "unexpected_tool_call",
            "too_many_tool_calls", "missing_thought_signature", "no_image", "image_other",
        ),
    ),
)  # fmt: skip
_REASONS = {word: reason for reason, words in _WORDS for word in words}


def neutral_stop(raw: str | None, parts: Sequence[Part]) -> StopReason:
    """What a vendor's word for a stop means, beside what the answer holds.

    Several wires say "stop" when a model declined or asks for a tool: Gemini and the Responses always do.
    """
    neutral = StopReason.UNKNOWN if raw is None else _REASONS.get(raw.lower(), StopReason.UNKNOWN)
    if neutral is not StopReason.STOP:
        return neutral
    if any(isinstance(part, RefusalPart) for part in parts):
        return StopReason.REFUSAL
    return StopReason.TOOL if any(isinstance(part, ToolCallPart) for part in parts) else neutral
