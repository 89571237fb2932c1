"""Google's enumerations as numbers: clients that ask for `$alt=json;enum-encoding=int` are answered so.

The two services number the same words differently from 6 on, and a body does not say whose it is. Only Vertex sends
`createTime` and `trafficType`, so a body with either is read as Vertex's.

Sources: `Candidate.FinishReason` and `PromptFeedback.BlockReason` in googleapis, google/cloud/aiplatform/v1beta1 and
google/ai/generativelanguage/v1beta; Vertex's reasons from 11 on as its generated Python client has them.
"""

from collections.abc import Sequence

from harness.dialects.wire_json import object_at
from harness.json_values import Json, JsonObject

_SHARED = ("FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER")
_VERTEX_FINISH = (
    *_SHARED, "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL", "MODEL_ARMOR", "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER", "UNEXPECTED_TOOL_CALL", "NO_IMAGE",
)  # fmt: skip
_GEMINI_FINISH = (
    *_SHARED, "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL", "IMAGE_SAFETY",
    "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "IMAGE_PROHIBITED_CONTENT", "IMAGE_OTHER", "NO_IMAGE",
    "IMAGE_RECITATION",
)  # fmt: skip
_BLOCKED = ("BLOCK_REASON_UNSPECIFIED", "SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT")
_VERTEX_BLOCKED = (*_BLOCKED, "MODEL_ARMOR", "JAILBREAK")
_GEMINI_BLOCKED = (*_BLOCKED, "IMAGE_SAFETY")


def finish_reason(response: JsonObject, candidate: JsonObject) -> str | None:
    """Why a candidate stopped, in words; None where it does not say. A number that has no word here stays a number."""
    return _word(candidate.get("finishReason"), _VERTEX_FINISH if _is_vertex(response) else _GEMINI_FINISH)


def block_reason(response: JsonObject) -> str | None:
    """Why the prompt was blocked, in words; None where it was not."""
    reason = object_at(response, "promptFeedback").get("blockReason")
    return _word(reason, _VERTEX_BLOCKED if _is_vertex(response) else _GEMINI_BLOCKED)


def says_why(response: JsonObject, candidate: JsonObject) -> bool:
    """Whether a candidate is at its end: an unspecified reason is none."""
    return finish_reason(response, candidate) not in (None, _SHARED[0])


def _is_vertex(response: JsonObject) -> bool:
    return "createTime" in response or "trafficType" in object_at(response, "usageMetadata")


def _word(value: Json, words: Sequence[str]) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return value if isinstance(value, str) and value else None
    return words[value] if 0 <= value < len(words) else str(value)
