"""The tools of an agent, as its model is shown them.

A description or a schema may come from a stranger's server: it is data, with its hidden characters shown and its
length bounded. What may be called, and with what, is the toolbox's and the tool's own to say.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from harness.exceptions import ToolFailed
from harness.json_values import Json, JsonObject, canonical_json
from harness.models.messages import Tool
from harness.tools.tool import Approval, Toolbox, ToolSpec
from harness.workflow.answers import schema_problem
from harness.workflow.nodes.agent.tool_names import shown_names
from harness.workflow.visible_text import visible_text

_MOST_DESCRIPTION = 2_000
_MOST_WORDS_IN_SCHEMA = 500
_MOST_SCHEMA = 50_000

_ANY_ARGUMENTS: JsonObject = {"type": "object"}
_WORDS = frozenset({"description", "title"})
# What holds values, in which nothing is anybody's words about them.
_VALUES = frozenset({"const", "enum", "default", "examples"})
# What holds schemas by names of the author's.
_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})


@dataclass(frozen=True, slots=True)
class ShownTool:
    """One tool as the model is shown it.

    Args:
        name: as it is registered.
        shown: what the model calls it.
        parameters: JSON Schema of the arguments; its references stay inside it.
        trusted: what it says holds no text of a stranger.
        private: what it says may not leave the house.
        in_order: calls of it are made one after the other, because each has an effect or a person looks at it.
    """

    name: str
    shown: str
    description: str
    parameters: JsonObject
    trusted: bool
    private: bool
    in_order: bool

    def as_tool(self) -> Tool:
        """What a request carries for models with tool calls of their own."""
        return Tool(name=self.shown, description=self.description, parameters=self.parameters)

    def to_json(self) -> JsonObject:
        """What is recorded."""
        return {
            "name": self.name,
            "shown": self.shown,
            "description": self.description,
            "parameters": self.parameters,
            "trusted": self.trusted,
            "private": self.private,
            "in_order": self.in_order,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "ShownTool":
        """What was recorded."""
        return cls(
            name=str(value["name"]),
            shown=str(value["shown"]),
            description=str(value["description"]),
            parameters=cast("JsonObject", value["parameters"]),
            trusted=bool(value["trusted"]),
            private=bool(value["private"]),
            in_order=bool(value["in_order"]),
        )


async def shown_tools(toolbox: Toolbox, names: Sequence[str], *, cached: bool = False) -> tuple[ShownTool, ...]:
    """The tools of these names, each once, in their order; servers are reached here.

    Args:
        cached: what comes of them is given to other runs too, so that none may have an effect.

    Raises:
        NameUnknown, ToolFailed, ToolChanged: one of them cannot be had.
    """
    tools: list[ShownTool] = []
    for name, shown in shown_names(names).items():
        spec = (await toolbox.tool(name)).spec
        if cached and spec.effect:
            raise ToolFailed(name, "it has an effect, which a result from the cache would leave out: drop `cache`")
        tools.append(_shown(name, shown, spec))
    return tuple(tools)


def _shown(name: str, shown: str, spec: ToolSpec) -> ShownTool:
    return ShownTool(
        name=name,
        shown=shown,
        description=_cut(visible_text(spec.description), _MOST_DESCRIPTION),
        parameters=_shown_parameters(name, spec.parameters),
        trusted=spec.trusted,
        private=spec.private,
        in_order=spec.effect or spec.approval is not Approval.NEVER,
    )


def _shown_parameters(name: str, parameters: JsonObject) -> JsonObject:
    """A schema that can be shown and followed; one that is none lets any object pass here, never at the tool."""
    if len(canonical_json(parameters)) > _MOST_SCHEMA:
        raise ToolFailed(name, f"its schema is longer than {_MOST_SCHEMA:,} characters: no model can be shown it")
    if schema_problem(parameters) is not None:
        return _ANY_ARGUMENTS
    shown = cast("JsonObject", _with_plain_words(parameters))
    # Addresses of drafts say nothing to a model, and give references another meaning inside a larger schema.
    return {key: value for key, value in {"type": "object", **shown}.items() if key not in ("$schema", "$id")}


def _with_plain_words(schema: Json) -> Json:
    """The schema with the hidden characters of its words shown, and its words bounded."""
    if isinstance(schema, list):
        return [_with_plain_words(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain: JsonObject = {}
    for key, value in schema.items():
        if key in _WORDS and isinstance(value, str):
            plain[key] = _cut(visible_text(value), _MOST_WORDS_IN_SCHEMA)
        elif key in _NAMED and isinstance(value, dict):
            plain[key] = {name: _with_plain_words(named) for name, named in value.items()}
        else:
            plain[key] = value if key in _VALUES else _with_plain_words(value)
    return plain


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} [cut here]"


def tools_in_words(tools: Sequence[ShownTool]) -> str:
    """The tools as a text, for models that are not given them any other way."""
    return "\n".join(
        f"{tool.shown}: {' '.join(tool.description.split())}\n  arguments: {json.dumps(tool.parameters, ensure_ascii=False)}"
        for tool in tools
    )
