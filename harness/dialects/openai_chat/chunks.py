"""The completion that a stream's chunks amount to: what the server would have sent whole. Nothing of a chunk is left out.

Texts are kept in pieces and joined once: adding to a text in a dict copies it each time.
"""

import json

from harness.dialects.openai_chat.lists import ContentPieces, DetailPieces, ToolPieces
from harness.dialects.openai_chat.parts import REASONING_FIELDS
from harness.dialects.wire_json import object_at, objects_at, text_at
from harness.json_values import Json, JsonObject
from harness.models.messages import ToolCallDelta

_JOINED = ("id", "function", "custom")
_TEXTS = frozenset({"refusal", *REASONING_FIELDS})


class CompletionPieces:
    """One completion, chunk by chunk."""

    def __init__(self) -> None:
        self._top: JsonObject = {}
        self._choices: dict[int, _Choice] = {}

    @property
    def finished(self) -> bool:
        """Whether the model said why it stopped."""
        return 0 in self._choices and bool(self._choices[0].fields.get("finish_reason"))

    @property
    def counted(self) -> bool:
        """Whether the server said what the completion cost, which it does at its end."""
        return isinstance(self._top.get("usage"), dict)

    def add(self, chunk: JsonObject) -> list[ToolCallDelta]:
        """Take in one chunk, and say what it adds to the first choice's calls.

        The last value of a field counts; what Groq nests is kept beside what came before.
        """
        for key, value in chunk.items():
            if key == "x_groq" and isinstance(value, dict):
                self._top[key] = object_at(self._top, key) | value
            elif value is not None and value != "" and key != "choices":
                self._top[key] = value
        deltas: list[ToolCallDelta] = []
        for choice in objects_at(chunk, "choices"):
            index = choice.get("index")
            place = index if isinstance(index, int) else 0
            known = self._choices.get(place)
            if known is None:
                known = self._choices[place] = _Choice()
            added = known.add(choice)
            if added and place == 0:
                deltas += added
        return deltas

    def whole(self) -> JsonObject:
        """The completion as it would have come without a stream."""
        choices: list[Json] = [{"index": place, **self._choices[place].whole()} for place in sorted(self._choices)]
        return {**self._top, "object": "chat.completion", "choices": choices}


class _Choice:
    def __init__(self) -> None:
        self.fields: JsonObject = {}
        self._message: JsonObject = {}
        self._texts: dict[str, list[str]] = {}
        self._content = ContentPieces()
        self._details: DetailPieces | None = None
        self._tools: ToolPieces | None = None
        self._lists: dict[str, list[Json]] = {}
        self._logprobs: dict[str, list[Json]] = {}
        self._function_call: _Call | None = None
        self._calls: list[_Call] = []
        self._calls_by_index: dict[Json, _Call] = {}

    def add(self, choice: JsonObject) -> list[ToolCallDelta]:
        for key, value in choice.items():
            if key == "logprobs" and isinstance(value, dict):
                self._add_logprobs(value)
            elif value is not None and key != "delta":
                self.fields[key] = value
        deltas: list[ToolCallDelta] = []
        for key, value in object_at(choice, "delta").items():
            if key == "tool_calls":
                deltas += [self._add_to_call(fragment) for fragment in objects_at({key: value}, key)]
            elif key == "function_call" and isinstance(value, dict):
                deltas.append(self._add_to_function_call(value))
            else:
                self._add_to_message(key, value)
        return deltas

    def _add_to_message(self, key: str, value: Json) -> None:
        # Two classes in a tuple, because a union is made anew each time, which takes 0.3 us.
        if key == "content" and isinstance(value, (str, list)):
            self._content.add(value)
            return
        if key in _TEXTS and isinstance(value, str):
            self._texts.setdefault(key, []).append(value)
        elif key == "reasoning_details":
            self._details = self._details or DetailPieces()
            self._details.add(value)
        elif key == "executed_tools":
            self._tools = self._tools or ToolPieces()
            self._tools.add(value)
        elif isinstance(value, list):
            self._lists.setdefault(key, []).extend(value)
        elif value is not None:
            self._message[key] = value

    def _add_to_call(self, fragment: JsonObject) -> ToolCallDelta:
        call = self._call_of(fragment)
        known_id, known_name = call.call_id, call.name
        arguments = call.add(fragment)
        return ToolCallDelta(
            place=call.place,
            call_id="" if known_id else call.call_id,
            name="" if known_name else call.name,
            arguments=arguments,
        )

    def _call_of(self, fragment: JsonObject) -> "_Call":
        """The call a fragment belongs to: by index, by id where a server numbers them all alike or not at all."""
        given, call_id = fragment.get("index"), text_at(fragment, "id")
        index = given if isinstance(given, (int, str)) else None
        last = self._calls[-1] if self._calls else None
        known = last if index is None else self._calls_by_index.get(index)
        if known is not None and (not call_id or known.call_id in ("", call_id)):
            return known
        call = _Call(len(self._calls))
        self._calls.append(call)
        if index is not None:
            self._calls_by_index[index] = call
        return call

    def _add_to_function_call(self, fragment: JsonObject) -> ToolCallDelta:
        """The old wire's one function call: the name comes whole, the arguments in pieces."""
        call = self._function_call = self._function_call or _Call(0)
        name = call.name
        arguments = call.add({"function": fragment})
        return ToolCallDelta(place=0, name="" if name else call.name, arguments=arguments)

    def _add_logprobs(self, logprobs: JsonObject) -> None:
        fields: JsonObject = object_at(self.fields, "logprobs")
        self.fields["logprobs"] = fields
        for key, value in logprobs.items():
            if isinstance(value, list):
                self._logprobs.setdefault(key, []).extend(value)
            else:
                fields[key] = value

    def whole(self) -> JsonObject:
        message: JsonObject = {"role": "assistant", **self._message}
        if self._content.any:
            message["content"] = self._content.whole()
        message |= {key: "".join(pieces) for key, pieces in self._texts.items()}
        if self._details is not None:
            message["reasoning_details"] = self._details.whole()
        message.update(self._lists)
        if self._tools is not None:
            message["executed_tools"] = self._tools.whole()
        if self._function_call is not None:
            message["function_call"] = self._function_call.whole()["function"]
        if self._calls:
            message["tool_calls"] = [call.whole() for call in self._calls]
        whole: JsonObject = {"message": message, "finish_reason": None, **self.fields}
        if self._logprobs:
            whole["logprobs"] = {**object_at(whole, "logprobs"), **self._logprobs}
        return whole


class _Call:
    """One tool call out of its fragments; names come whole, arguments in pieces."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.call_id = ""
        self.name = ""
        self._fields: JsonObject = {}
        self._function: JsonObject = {}
        self._custom = False
        self._arguments: list[str] = []

    def add(self, fragment: JsonObject) -> str:
        """Take in a fragment; what it adds to the arguments."""
        self.call_id = self.call_id or text_at(fragment, "id")
        self._fields |= {key: value for key, value in fragment.items() if key not in _JOINED and value is not None}
        self._custom = self._custom or bool(text_at(object_at(fragment, "custom"), "name"))
        function = object_at(fragment, "custom" if self._custom else "function")
        self.name = self.name or text_at(function, "name")
        self._function |= {key: value for key, value in function.items() if value not in (None, "")}
        arguments = function.get("input") if self._custom else function.get("arguments")
        if isinstance(arguments, dict):
            arguments = json.dumps(arguments, ensure_ascii=False)
        if not isinstance(arguments, str):
            return ""
        self._arguments.append(arguments)
        return arguments

    def whole(self) -> JsonObject:
        kind, field = ("custom", "input") if self._custom else ("function", "arguments")
        function: JsonObject = {**self._function, "name": self.name, field: "".join(self._arguments)}
        return {**self._fields, "id": self.call_id, kind: function}
