"""What was said in an agent's loop, whatever way it was said, and how it is put to a model.

The transcript is neutral: a model with tool calls of its own can go on where one that chooses its action under a JSON
Schema stopped, and the other way round. What is put to a model is a pure function of the transcript and of how the
step is to be put (`Put`), so that a resumed run asks the same questions.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.json_values import JsonObject, canonical_json
from harness.models.messages import (
    Message,
    ModelRequest,
    OtherPart,
    OutputSchema,
    Part,
    ReasoningPart,
    RefusalPart,
    ServerToolPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    assistant,
    system,
    user,
)
from harness.workflow.answers import Accepted, read_answer
from harness.workflow.node_kinds import AgentNode, ToolStyle
from harness.workflow.nodes.agent.actions import action_schema, said_as_action
from harness.workflow.nodes.agent.tools import ShownTool, tools_in_words
from harness.workflow.nodes.model_node import repaired
from harness.workflow.prompts import DOCUMENTS_ARE_DATA, Prompt, fenced

LAST_STEP = "No tool can be used any more. Give your final answer to the question now, from the results above."

_STEPS_IN_JSON = """Work in steps. Each of your replies is one JSON object and nothing else.
To use a tool: {"action": "NAME OF THE TOOL", "arguments": {...}}
When you have the answer: {"action": "answer", "answer": ...}"""
_NATIVE_SCHEMA_IN_WORDS = "When you have the answer, reply with JSON that fits this schema and nothing around it:"
_ACTION_SCHEMA_IN_WORDS = "What stands under `answer` fits this schema:"
_MOST_TOOL_CHARACTERS = 10_000_000  # each tool is bounded already
_SHORT_ANYWAY = 100  # a result that is not longer than a note that it was left out
_NAME_ON_THE_WIRE = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class AskedCall:
    """A tool that the model asked for, by the name it was shown; `arguments` is JSON text as it came."""

    call_id: str
    shown: str
    arguments: str

    @property
    def meaning(self) -> tuple[str, str]:
        """The same for calls that ask for the same, whatever their ids and spaces."""
        read = _object(self.arguments)
        return self.shown, self.arguments if read is None else canonical_json(read)


@dataclass(frozen=True, slots=True)
class Told:
    """What the model is told of a call, fenced as data: a result, or what went wrong.

    Args:
        characters: of the whole, before it was cut.
    """

    text: str
    characters: int
    failed: bool = False


@dataclass(frozen=True, slots=True)
class ToolTurn:
    """One turn of a model that asked for tools, and what it is told of each of its calls.

    Args:
        said: the turn as a provider takes it back (`sayable`); None where it was an action under a schema.
        repeated: nothing was called, because the model asked for the same again and again.
    """

    said: Message | None
    calls: tuple[AskedCall, ...]
    results: tuple[Told, ...]
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class RefusedTurn:
    """An answer that was not taken, and why."""

    answer: str
    reason: str


Turn = ToolTurn | RefusedTurn


@dataclass(frozen=True, slots=True)
class Put:
    """How one step is put to the model.

    Args:
        style: native or json.
        shortened: of how many of the oldest turns with tools the results are left out.
    """

    style: ToolStyle
    shortened: int = 0


class Conversation:
    """One agent's question for one visit, with the tools it may use."""

    def __init__(
        self, node: AgentNode, prompt: Prompt, tools: Sequence[ShownTool], answer_schema: JsonObject | None
    ) -> None:
        self._node = node
        self._prompt = prompt
        self._tools = tuple(tools)
        self._answer_schema = answer_schema

    def request(self, turns: Sequence[Turn], put: Put, *, last: bool) -> ModelRequest:
        """The question after these turns.

        Args:
            last: no step follows: the model is told so, and given no tools.
        """
        native = put.style is ToolStyle.NATIVE
        tools = () if last or (native and self._is_repair(turns)) else self._tools
        first = ModelRequest(
            messages=(self._system(native=native), user(self._prompt.user)),
            max_output_tokens=self._node.max_output_tokens,
            temperature=self._node.temperature,
            tools=tuple(tool.as_tool() for tool in tools) if native else (),
            output_schema=self._native_schema(tools) if native else self._schema_of_actions(tools),
        )
        messages, place = list(first.messages), 0
        for turn in turns:
            if isinstance(turn, RefusedTurn):
                messages += repaired(first, turn.answer, turn.reason).messages[len(first.messages) :]
                continue
            results = turn.results if place >= put.shortened else tuple(map(_left_out, turn.results))
            messages += (_native_turns if native else _action_turns)(turn, results)
            place += 1
        return first.model_copy(update={"messages": (*messages, user(LAST_STEP)) if last else tuple(messages)})

    def fitted(self, turns: Sequence[Turn], put: Put, *, last: bool, characters: int) -> Put:
        """The step put so that it has at most so many characters, as far as leaving out old results can do that."""
        while put.shortened < _most_shortened(turns):
            if _characters(self.request(turns, put, last=last)) <= characters:
                break
            put = Put(put.style, put.shortened + 1)
        return put

    def shorter(self, turns: Sequence[Turn], put: Put) -> Put | None:
        """The step put with half of what can still be left out left out; None where nothing can."""
        left = _most_shortened(turns) - put.shortened
        return Put(put.style, put.shortened + (left + 1) // 2) if left > 0 else None

    def _is_repair(self, turns: Sequence[Turn]) -> bool:
        """Whether only the final answer is wanted, in a form that a provider can hold it to."""
        return self._answer_schema is not None and bool(turns) and isinstance(turns[-1], RefusedTurn)

    def _system(self, *, native: bool) -> Message:
        said = [self._prompt.system.rstrip()] if self._prompt.system else []
        if not native:
            listed = fenced("tools", tools_in_words(self._tools), max_characters=_MOST_TOOL_CHARACTERS)
            said.append(f"{_STEPS_IN_JSON}\n{listed}")
        if self._answer_schema is not None:
            words = _NATIVE_SCHEMA_IN_WORDS if native else _ACTION_SCHEMA_IN_WORDS
            said.append(f"{words}\n{canonical_json(self._answer_schema)}")
        # What tools answer is fenced too, so this is said also where the prompt has no document.
        if not self._node.documents:
            said.append(DOCUMENTS_ARE_DATA)
        return system("\n\n".join(said))

    def _native_schema(self, tools: Sequence[ShownTool]) -> OutputSchema | None:
        # Some providers refuse a schema beside tools: with tools it is told in words alone.
        if self._answer_schema is None or tools:
            return None
        return OutputSchema(name="answer", json_schema=self._answer_schema)

    def _schema_of_actions(self, tools: Sequence[ShownTool]) -> OutputSchema:
        schema = action_schema(tools, self._answer_schema, max_output_tokens=self._node.max_output_tokens)
        return OutputSchema(name="action", json_schema=schema)


def sayable(message: Message) -> Message:
    """A model's turn as every provider takes it back: calls with names and arguments that are none are mended."""
    return message.model_copy(update={"parts": tuple(map(_sayable_part, message.parts))})


def _sayable_part(part: Part) -> Part:
    if not isinstance(part, ToolCallPart):
        return part
    name = part.name if _NAME_ON_THE_WIRE.fullmatch(part.name) else re.sub(r"[^a-zA-Z0-9_-]", "_", part.name)[:64]
    arguments = "{}" if _object(part.arguments) is None else part.arguments
    return part.model_copy(update={"name": name or "unknown", "arguments": arguments})


def _object(text: str) -> JsonObject | None:
    """The mapping that a JSON text is; None where it is none."""
    read = read_answer(text, {"type": "object"})
    return read.value if isinstance(read, Accepted) and isinstance(read.value, dict) else None


def _native_turns(turn: ToolTurn, results: Sequence[Told]) -> tuple[Message, ...]:
    wished = tuple(ToolCallPart(call_id=call.call_id, name=call.shown, arguments=call.arguments) for call in turn.calls)
    said = turn.said or sayable(Message(role="assistant", parts=wished))
    answered = tuple(
        ToolResultPart(call_id=call.call_id, text=each.text, failed=each.failed)
        for call, each in zip(turn.calls, results, strict=True)
    )
    return said, Message(role="tool", parts=answered)


def _action_turns(turn: ToolTurn, results: Sequence[Told]) -> tuple[Message, ...]:
    """The turn as actions, one after the other: under the schema there is one at a time."""
    said: list[Message] = []
    for call, each in zip(turn.calls, results, strict=True):
        head = f"{call.shown} failed:" if each.failed else f"Result of {call.shown}:"
        said += [assistant(said_as_action(call.shown, call.arguments)), user(f"{head}\n{each.text}")]
    return tuple(said)


def _left_out(result: Told) -> Told:
    if len(result.text) <= _SHORT_ANYWAY:
        return result
    return Told(f"[shortened: {result.characters} characters]", result.characters, result.failed)


def _most_shortened(turns: Sequence[Turn]) -> int:
    """The newest results always stay: the model has not seen them yet."""
    return max(sum(isinstance(turn, ToolTurn) for turn in turns) - 1, 0)


def _characters(request: ModelRequest) -> int:
    tools = sum(len(canonical_json(tool.model_dump(mode="json"))) for tool in request.tools)
    return tools + sum(_part_characters(part) for message in request.messages for part in message.parts)


def _part_characters(part: Part) -> int:
    if isinstance(part, ToolCallPart):
        return len(part.name) + len(part.arguments)
    if isinstance(part, ReasoningPart | ServerToolPart | OtherPart) and part.opaque is not None:
        return len(canonical_json(part.opaque))
    # Thoughts that are nobody's own go back to a few providers only.
    return len(part.text) if isinstance(part, TextPart | ToolResultPart | RefusalPart) else 0
