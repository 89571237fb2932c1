"""What a model's reply in an agent's loop is: a wish for tools, the final answer, or neither."""

from dataclasses import dataclass

from harness.json_values import JsonObject
from harness.models.messages import Message, ModelReply, RefusalPart, StopReason, ToolCallPart
from harness.workflow.answers import Accepted, Rejected, read_answer
from harness.workflow.node_kinds import ToolStyle
from harness.workflow.nodes.agent.actions import Action, read_action
from harness.workflow.nodes.agent.transcript import AskedCall, sayable

_NO_ANSWER = {
    StopReason.LENGTH: "it was cut at its output limit; raise the node's max_output_tokens or ask for less",
    StopReason.CONTEXT: "it was cut where the model's context ended; ask for less, or bind a model with more",
    StopReason.BROKEN: "the provider broke it off",
    StopReason.PAUSE: "the provider wants to be asked again before it goes on",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """The model asks for tools.

    Args:
        said: its turn as it can be said to a provider again; None for an action under a schema.
    """

    calls: tuple[AskedCall, ...]
    said: Message | None


def read_reply(
    reply: ModelReply, style: ToolStyle, answer_schema: JsonObject | None, *, step: int
) -> Wish | Accepted | Rejected:
    """What a reply is, to a question that was put in this style.

    Args:
        step: names an action's call; calls of the vendor's own bring their ids.
    """
    reason = _unfinished(reply)
    if reason is not None:
        return Rejected(reason, repairable=False)
    wished = tuple(part for part in reply.message.parts if isinstance(part, ToolCallPart))
    if wished:
        calls = tuple(AskedCall(part.call_id, part.name, part.arguments or "{}") for part in wished)
        return Wish(calls, sayable(reply.message))
    if reply.stop is StopReason.TOOL:
        return Rejected("it stopped to ask for a tool and names none")
    if not reply.text.strip():
        return Rejected("the answer is empty")
    if style is ToolStyle.NATIVE:
        return Accepted(reply.text) if answer_schema is None else read_answer(reply.text, answer_schema)
    read = read_action(reply.text, answer_schema)
    return Wish((AskedCall(f"call_{step}", read.shown, read.arguments),), None) if isinstance(read, Action) else read


def _unfinished(reply: ModelReply) -> str | None:
    """Why a reply is none, whatever it says: cut off, broken off, declined, or blocked."""
    refusal = next((part.text for part in reply.message.parts if isinstance(part, RefusalPart)), None)
    if refusal is not None or reply.stop in {StopReason.REFUSAL, StopReason.FILTER}:
        return f"the model declined: {refusal or reply.stop_raw}"
    reason = _NO_ANSWER.get(reply.stop)
    return None if reason is None else f"{reason} ({reply.stop_raw})"
