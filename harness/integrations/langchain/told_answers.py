"""Answers of the metered call as LangChain is told them: whole, or in chunks as they arrive."""

from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatGenerationChunk

from harness.integrations.langchain.assistant_messages import ai_fields
from harness.model_call import Answer
from harness.models.message_parts import ReasoningPart, ToolCallPart
from harness.models.messages import ReasoningDelta, StreamEvent, TextDelta, ToolCallDelta
from harness.models.usage import Usage


def ai_message(answer: Answer) -> AIMessage:
    """An answer, whole."""
    return AIMessage(
        **ai_fields(answer.reply.message),
        usage_metadata=usage_metadata(answer.reply.usage),
        response_metadata=response_metadata(answer),
    )


def usage_metadata(usage: Usage) -> UsageMetadata | None:
    """Tokens as LangChain counts them, which is as we do; None where the provider did not say."""
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    told = UsageMetadata(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.input_tokens + usage.output_tokens,
    )
    details = InputTokenDetails()
    if usage.cache_read_tokens is not None:
        details["cache_read"] = usage.cache_read_tokens
    if usage.cache_write_tokens is not None:
        details["cache_creation"] = usage.cache_write_tokens
    if details:
        told["input_token_details"] = details
    if usage.reasoning_tokens is not None:
        told["output_token_details"] = OutputTokenDetails(reasoning=usage.reasoning_tokens)
    return told


def response_metadata(answer: Answer) -> dict[str, Any]:
    """How an answer came: plain JSON, money as text.

    `model_name` is the catalogue's, `model` what the provider called it; `finish_reason` is neutral, the provider's own
    word stands beside it.
    """
    reply = answer.reply
    told: dict[str, Any] = {
        "model_name": answer.model,
        "model": reply.model,
        "model_provider": "harness",
        "endpoint": answer.endpoint,
        "finish_reason": reply.stop.value,
        "finish_reason_raw": reply.stop_raw,
        "stop_sequence": reply.stop_sequence,
        "request_id": reply.request_id,
        "cost_usd": f"{answer.cost_usd:f}",
    }
    if answer.swap is not None and answer.swap.changes:
        told["swap"] = answer.swap.to_json()
    return {name: value for name, value in told.items() if value is not None}


@dataclass(slots=True)
class AnswerChunks:
    """One answer in chunks; added up they are the whole answer.

    The last chunk tells what no event told before: not every endpoint streams all that it says.
    """

    _text: str = ""
    _thoughts: str = ""
    _calls: set[int] = field(default_factory=set[int])

    def of_event(self, event: StreamEvent) -> ChatGenerationChunk | None:
        """What an event says; None for one that says nothing to LangChain."""
        if isinstance(event, TextDelta):
            self._text += event.text
            return _chunk(content=event.text)
        if isinstance(event, ReasoningDelta):
            self._thoughts += event.text
            return _chunk(additional_kwargs={"reasoning_content": event.text})
        if isinstance(event, ToolCallDelta):
            self._calls.add(event.place)
            return _chunk(tool_call_chunks=[_call_chunk(event.place, event.call_id, event.name, event.arguments)])
        return None

    def of_end(self, answer: Answer) -> ChatGenerationChunk:
        """The rest, with what it cost and the neutral message."""
        message = answer.reply.message
        extra = ai_fields(message)["additional_kwargs"]
        thoughts = "".join(part.text for part in message.parts if isinstance(part, ReasoningPart))
        extra.pop("reasoning_content", None)
        if rest := _rest(thoughts, self._thoughts):
            extra["reasoning_content"] = rest
        calls = [part for part in message.parts if isinstance(part, ToolCallPart)]
        told = [_call_chunk(place, call.call_id, call.name, call.arguments) for place, call in enumerate(calls)]
        return _chunk(
            content=_rest(message.text, self._text),
            tool_call_chunks=[] if self._calls else told,
            additional_kwargs=extra,
            usage_metadata=usage_metadata(answer.reply.usage),
            response_metadata=response_metadata(answer),
            chunk_position="last",
        )


def _rest(whole: str, told: str) -> str:
    """What is still to be told; nothing where what was told is no beginning of it."""
    return whole[len(told) :] if whole.startswith(told) else ""


def _call_chunk(place: int, call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"index": place, "id": call_id or None, "name": name or None, "args": arguments, "type": "tool_call_chunk"}


def _chunk(*, content: str = "", **fields: Any) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=content, **fields))
