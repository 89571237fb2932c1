"""How a model without tool calls says what it wants: an answer under a JSON Schema that names the action.

`{"action": "TOOL", "arguments": {...}}` calls a tool, `{"action": "answer", "answer": ...}` ends the loop. Each tool is
a branch of its own, so that a server that holds answers to their schema holds the arguments to the tool's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from harness.json_values import Json, JsonObject, canonical_json
from harness.models.catalogue import Capability
from harness.routing.decision import Decision
from harness.workflow.answers import Accepted, Rejected, read_answer
from harness.workflow.node_kinds import ToolStyle
from harness.workflow.nodes.agent.tool_names import ANSWER
from harness.workflow.nodes.agent.tools import ShownTool

_OBJECT: JsonObject = {"type": "object"}
# A model that goes round in circles inside a text is stopped there, so that the JSON still ends before the limit of
# output does: SmolLM2 writes about four characters a token.
_CHARACTERS_A_TOKEN = 2
_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_VALUES = frozenset({"const", "enum", "default", "examples"})
_BOUNDS = frozenset({"maxLength", "const", "enum", "format", "pattern"})


@dataclass(frozen=True, slots=True)
class Action:
    """A tool that is asked for, by the name the model was shown, and its arguments as JSON text."""

    shown: str
    arguments: str


def style_for(style: ToolStyle, decision: Decision) -> ToolStyle:
    """How those who may answer are asked: natively where all of them are known to have tool calls of their own."""
    if style is not ToolStyle.AUTO:
        return style
    native = all(Capability.TOOLS in target.model.capabilities for target in decision.targets)
    return ToolStyle.NATIVE if native else ToolStyle.JSON


def action_schema(
    tools: Sequence[ShownTool], answer_schema: JsonObject | None, *, max_output_tokens: int
) -> JsonObject:
    """The JSON Schema of one step's answer; without tools only the final answer is left.

    Args:
        answer_schema: of the final answer; None where that is text.
        max_output_tokens: texts that nothing bounds are bounded by it.
    """
    most = max_output_tokens * _CHARACTERS_A_TOKEN
    definitions: JsonObject = {}
    branches: list[Json] = [
        _branch(tool.shown, "arguments", _embedded(tool.shown, tool.parameters, most, definitions)) for tool in tools
    ]
    answer = _embedded(ANSWER, answer_schema or {"type": "string"}, most, definitions)
    branches.append(_branch(ANSWER, ANSWER, answer))
    schema: JsonObject = {"type": "object", "anyOf": branches}
    if definitions:
        schema["$defs"] = definitions
    return schema


def read_action(text: str, answer_schema: JsonObject | None) -> Action | Accepted | Rejected:
    """What a model's text under `action_schema` asks for: a tool, or the final answer as its value."""
    read = read_answer(text, _OBJECT)
    if isinstance(read, Rejected):
        return read
    said = cast("JsonObject", read.value)
    action = said.get("action")
    if not isinstance(action, str):
        return Rejected(f"$.action: names a tool, or is {ANSWER!r}")
    if action == ANSWER:
        return _final(said, answer_schema)
    return Action(action, canonical_json(said.get("arguments", {})))


def said_as_action(shown: str, arguments: str) -> str:
    """A call as a model says it under the schema, whatever way it was said."""
    read = read_answer(arguments or "{}", _OBJECT)
    given: Json = read.value if isinstance(read, Accepted) else arguments
    return canonical_json({"action": shown, "arguments": given})


def _final(said: Mapping[str, Json], answer_schema: JsonObject | None) -> Accepted | Rejected:
    if ANSWER not in said:
        return Rejected(f"$: {ANSWER!r} is a required property")
    answer = said[ANSWER]
    if answer_schema is not None:
        return read_answer(canonical_json(answer), answer_schema)
    return Accepted(answer) if isinstance(answer, str) else Rejected(f"$.{ANSWER}: is a text, write it as one")


def _branch(action: str, key: str, schema: JsonObject) -> JsonObject:
    return {
        "type": "object",
        "properties": {"action": {"const": action}, key: schema},
        "required": ["action", key],
        "additionalProperties": False,
    }


def _embedded(name: str, schema: JsonObject, most: int, definitions: JsonObject) -> JsonObject:
    """A whole schema as a part of another; one with references stands under `$defs`, where they can lead to it.

    Servers that make a grammar of a schema follow references through mappings only, not through lists of branches.
    """
    plain = {key: value for key, value in schema.items() if key not in ("$schema", "$id")}
    place = f"#/$defs/{name}"
    bounded = cast("JsonObject", _bounded(plain, most, place))
    if "$ref" not in canonical_json(plain):
        return bounded
    definitions[name] = bounded
    return {"$ref": place}


def _bounded(schema: Json, most: int, place: str) -> Json:
    """The schema with a bound on each text that has none, and its references leading below `place`."""
    if isinstance(schema, list):
        return [_bounded(each, most, place) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found: JsonObject = {}
    for key, value in schema.items():
        if key == "$ref" and isinstance(value, str) and (value == "#" or value.startswith("#/")):
            found[key] = f"{place}{value[1:]}"
        elif key in _NAMED and isinstance(value, dict):
            found[key] = {name: _bounded(named, most, place) for name, named in value.items()}
        else:
            found[key] = value if key in _VALUES else _bounded(value, most, place)
    said = found.get("type")
    if (said == "string" or (isinstance(said, list) and "string" in said)) and not _BOUNDS & found.keys():
        found["maxLength"] = max(most, cast("int", found.get("minLength", 0)))
    return found
