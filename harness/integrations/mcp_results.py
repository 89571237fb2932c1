"""What an MCP server answered to a call, as plain JSON; what is no text is told by its kind and size alone."""

from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
)

from harness.exceptions import StateRefused, ToolFailed
from harness.integrations.mcp_answers import result_too_long
from harness.integrations.mcp_failures import MAX_WORDS
from harness.integrations.mcp_listing import shown_text
from harness.json_values import Json, JsonObject, canonical_json, plain_json

_MAX_MIME = 100


def plain_answer(tool: str, result: CallToolResult, *, max_result_bytes: int) -> Json:
    """A result's value: structured content, else the one text there is, else a list of what there is.

    Structured content beside which there is more than text comes as `{"structured": ..., "content": [...]}`.

    Raises:
        ToolFailed: the tool says that it failed, or the value is too long or no JSON.
    """
    if result.is_error:
        raise ToolFailed(tool, _words_of(result))
    try:
        value = plain_json(_value(result), where="result")
        size = len(canonical_json(value).encode("utf-8", "surrogatepass"))
    except (StateRefused, ValueError, RecursionError) as error:
        raise ToolFailed(tool, f"what it answered is no JSON: {shown_text(str(error), MAX_WORDS)}") from error
    if size > max_result_bytes:
        raise ToolFailed(tool, result_too_long(size, max_result_bytes))
    return value


def _value(result: CallToolResult) -> object:
    parts = [_part(block) for block in result.content]
    if "structured_content" in result.model_fields_set and result.structured_content is not None:
        beside = [part for part in parts if not isinstance(part, str)]
        return {"structured": result.structured_content, "content": beside} if beside else result.structured_content
    if not parts:
        return None
    if len(parts) == 1:
        return parts[0]
    return [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]


def _part(block: ContentBlock) -> str | JsonObject:
    """One block of content: text as it is, the rest by kind and size."""
    match block:
        case TextContent():
            return block.text
        case ImageContent() | AudioContent():
            return {"type": block.type, "mime": _mime(block.mime_type), "bytes": _decoded_bytes(block.data)}
        case ResourceLink():
            return {"type": block.type, "uri": block.uri, "name": block.name, "mime": _mime(block.mime_type)}
        case EmbeddedResource():
            resource = block.resource
            told: JsonObject = {"type": block.type, "uri": resource.uri, "mime": _mime(resource.mime_type)}
            if isinstance(resource, BlobResourceContents):
                return {**told, "bytes": _decoded_bytes(resource.blob)}
            return {**told, "text": resource.text}


def _words_of(result: CallToolResult) -> str:
    """What a failed tool says, fit for a model and a terminal."""
    texts = [block.text for block in result.content if isinstance(block, TextContent)]
    words = "\n".join(texts).strip()
    return shown_text(words, MAX_WORDS) if words else "it failed and said nothing"


def _mime(kind: str | None) -> str | None:
    return None if kind is None else shown_text(kind, _MAX_MIME)


def _decoded_bytes(base64: str) -> int:
    """How many bytes base64 stands for, without decoding it."""
    return len(base64) * 3 // 4 - base64[-2:].count("=")
