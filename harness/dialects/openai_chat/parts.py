"""The message of a chat completion as neutral parts, and what only its origin can read of them kept as it came.

What goes back to its origin: reasoning in the field it came in (OpenRouter's `reasoning_details` before its plain
text), Mistral's thinking among the content, Gemini's signatures under `extra_content`, calls with fields of their own,
annotations that are no citation. Refusals, citations and plain calls are said by their neutral parts.
"""

from collections.abc import Sequence

from harness.dialects.call_arguments import arguments_text
from harness.dialects.call_ids import made_call_id
from harness.dialects.wire_json import count_at, first_text, object_at, objects_at, text_at
from harness.json_values import Json, JsonObject
from harness.models.messages import (
    CitationPart,
    Origin,
    OtherPart,
    Part,
    ReasoningPart,
    RefusalPart,
    ServerToolPart,
    TextPart,
    ToolCallPart,
)

REASONING_FIELDS = ("reasoning_content", "reasoning")

# The fields of a call that its neutral part says; some servers send `custom` and `function` both, one of them empty.
_CALL_FIELDS = frozenset({"id", "type", "index", "function", "custom"})
_FUNCTION_FIELDS = frozenset({"name", "arguments", "input"})
_TEXT_KINDS = ("", "text", "output_text")


def parts_of(completion: JsonObject, message: JsonObject, origin: Origin) -> tuple[Part, ...]:
    """The parts of a message, in the order: thoughts, words with what they rest on, tools."""
    return (
        *_reasoning(message, origin),
        *_content(message.get("content"), origin),
        *_citations(completion, message, origin),
        *_refusal(message),
        *_server_tools(message),
        *_tool_calls(message, text_at(completion, "id"), origin),
    )


def chunk_texts(chunk: Json) -> tuple[str, str]:
    """The words and the thoughts of one chunk of a content, such as Mistral's; of a kind without either both empty."""
    if isinstance(chunk, str):
        return chunk, ""
    if not isinstance(chunk, dict):
        return "", ""
    if _is_thinking(chunk):
        thoughts = [text_at(piece, "text") for piece in objects_at(chunk, "thinking")]
        return "", "".join(thoughts) or text_at(chunk, "thinking")
    return (text_at(chunk, "text"), "") if text_at(chunk, "type") in _TEXT_KINDS else ("", "")


def details_text(details: Sequence[JsonObject]) -> str:
    """The words of OpenRouter's reasoning details; what is encrypted has none."""
    return "".join(first_text(detail, ("text", "summary")) for detail in details)


def _reasoning(message: JsonObject, origin: Origin) -> list[Part]:
    name = next((name for name in REASONING_FIELDS if text_at(message, name)), None)
    text = text_at(message, name) if name else ""
    fields: JsonObject = {name: text} if name else {}
    if details := objects_at(message, "reasoning_details"):
        text = text or details_text(details)
        fields = {"reasoning_details": message["reasoning_details"]}
    if extra := object_at(message, "extra_content"):
        fields["extra_content"] = extra
    return [ReasoningPart(text=text, opaque=fields, origin=origin)] if fields else []


def _content(content: Json, origin: Origin) -> list[Part]:
    """The words: a text, or a list of chunks among which Mistral's thoughts stand."""
    chunks = content if isinstance(content, list) else [content]
    return [part for chunk in chunks if (part := _chunk(chunk, origin)) is not None]


def _chunk(chunk: Json, origin: Origin) -> Part | None:
    words, thoughts = chunk_texts(chunk)
    if isinstance(chunk, dict) and _is_thinking(chunk):
        return ReasoningPart(text=thoughts, opaque={"type": "thinking", **chunk}, origin=origin)
    if words or not isinstance(chunk, dict) or text_at(chunk, "type") in _TEXT_KINDS:
        return TextPart(text=words) if words else None
    return OtherPart(kind=text_at(chunk, "type"), opaque=chunk, origin=origin)


def _is_thinking(chunk: JsonObject) -> bool:
    return chunk.get("type") == "thinking" or "thinking" in chunk


def _citations(completion: JsonObject, message: JsonObject, origin: Origin) -> list[Part]:
    """What the words rest on: OpenAI's annotations, or Perplexity's lists beside the choices."""
    found: list[Part] = []
    for annotation in objects_at(message, "annotations"):
        cited = object_at(annotation, "url_citation") or annotation
        if text_at(cited, "url"):
            found.append(_citation(cited))
        else:
            kind = text_at(annotation, "type") or "annotation"
            found.append(OtherPart(kind=kind, opaque={"annotations": [annotation]}, origin=origin))
    results = {text_at(each, "url"): each for each in objects_at(completion, "search_results")}
    listed = completion.get("citations")
    addresses = [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []
    for address in filter(None, dict.fromkeys([*addresses, *results])):
        result = results.get(address, {})
        quote = text_at(result, "snippet") or None
        found.append(CitationPart(source=address, title=text_at(result, "title") or None, quote=quote))
    return found


def _citation(cited: JsonObject) -> CitationPart:
    # OpenRouter says 0 to 0 where it does not know the place.
    start, end = count_at(cited, "start_index"), count_at(cited, "end_index")
    return CitationPart(
        source=text_at(cited, "url"),
        title=text_at(cited, "title") or None,
        quote=text_at(cited, "content") or None,
        start=start if end else None,
        end=end or None,
    )


def _refusal(message: JsonObject) -> list[Part]:
    refusal = text_at(message, "refusal")
    return [RefusalPart(text=refusal)] if refusal else []


def _server_tools(message: JsonObject) -> list[Part]:
    """Groq's tools that it ran by itself; it takes none of them back, so they are words to everybody, itself too."""
    return [
        ServerToolPart(
            name=text_at(tool, "type") or "tool",
            text="\n".join(filter(None, (text_at(tool, "arguments"), text_at(tool, "output")))),
        )
        for tool in objects_at(message, "executed_tools")
    ]


def _tool_calls(message: JsonObject, reply_id: str, origin: Origin) -> list[Part]:
    calls = objects_at(message, "tool_calls")
    legacy = object_at(message, "function_call")
    if text_at(legacy, "name"):
        calls.append({"function": legacy})
    return [_tool_call(call, f"{reply_id}/{place}", origin) for place, call in enumerate(calls)]


def _tool_call(call: JsonObject, place: str, origin: Origin) -> ToolCallPart:
    # A custom tool's input is free text; a function's arguments are JSON text, from some servers an object.
    is_custom = bool(text_at(object_at(call, "custom"), "name"))
    function = object_at(call, "custom" if is_custom else "function")
    name, given = text_at(function, "name"), function.get("input" if is_custom else "arguments")
    arguments = arguments_text(given)
    own = any(call[key] for key in call.keys() - _CALL_FIELDS)
    own = own or any(function[key] for key in function.keys() - _FUNCTION_FIELDS)
    return ToolCallPart(
        call_id=text_at(call, "id") or made_call_id(place, name, arguments),
        name=name,
        arguments=arguments,
        custom=True if is_custom else None,
        opaque=call if own else None,
        origin=origin if own else None,
    )
