"""What LangChain binds to a model or says at a call (tools, choice of tool, shape, limits) as a neutral request's.

Bound tools stay in OpenAI's form, which LangGraph's agents look into.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from harness.exceptions import ConfigurationInvalid
from harness.json_values import JsonObject
from harness.models.request_options import OutputSchema, Thinking, Tool, ToolChoice

AnyTool = Mapping[str, Any] | type | Callable[..., Any] | BaseTool

_ANY = frozenset({"any", "required"})
# What a call may say of itself.
KNOWN_ARGUMENTS = frozenset({
    "tools", "tool_choice", "parallel_tool_calls", "strict", "response_format", "temperature", "max_tokens", "seed",
    "thinking", "service_tier",
})  # fmt: skip
# `stream` is LangChain's own wish, the shape comes from `with_structured_output`.
SHAPE = "harness_shape"
_KNOWN = KNOWN_ARGUMENTS | {"stream", SHAPE}


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape an answer must have, and how the model is told.

    Args:
        method: `json_schema` asks for it natively, `function_calling` as a tool that must be called; None chooses by
            what the bound model can do.
    """

    schema: OutputSchema
    method: str | None = None

    def to_json(self) -> JsonObject:
        """As it is bound to a model."""
        return {"name": self.schema.name, "json_schema": self.schema.json_schema, "method": self.method}

    def as_tool(self) -> Tool:
        """The shape as a tool's arguments."""
        description = self.schema.json_schema.get("description")
        words = description if isinstance(description, str) else "Give the answer in this form."
        return Tool(name=self.schema.name, description=words, parameters=self.schema.json_schema)


def bound_tool(tool: AnyTool) -> dict[str, Any]:
    """A tool in the form that is bound.

    Raises:
        ConfigurationInvalid: it is a vendor's own tool, which no neutral request can ask for.
    """
    made = convert_to_openai_tool(cast("Any", tool))
    if made.get("type") != "function" or not isinstance(made.get("function"), dict):
        kind = str(made.get("type"))
        raise ConfigurationInvalid("tool", kind, "bind_tools", "a role is given functions: vendors' own tools are not")
    return made


def bound_choice(choice: str | bool | Mapping[str, Any] | None, tools: Sequence[Mapping[str, Any]]) -> str | None:
    """A choice of tool in one form: `auto`, `none`, `any`, or a tool's name; None leaves it to the model.

    Raises:
        ConfigurationInvalid: no tool has this name.
    """
    if isinstance(choice, Mapping):
        named = cast("Mapping[str, Any]", choice.get("function", choice))
        choice = str(named.get("name", "")) or str(choice.get("type", ""))
    if choice is None or choice is False:
        return None
    if choice is True or choice in _ANY:
        return "any"
    names = [str(tool["function"]["name"]) for tool in tools]
    if choice in names or choice in ("auto", "none"):
        return choice
    remedy = f"tools are {', '.join(names) or 'none'}; besides there are auto, any and none"
    raise ConfigurationInvalid("tool_choice", choice, "bind_tools", remedy)


def request_arguments(given: Mapping[str, Any]) -> tuple[dict[str, Any], Shape | None]:
    """Fields of a `ModelRequest`, and the shape of the answer.

    Raises:
        ConfigurationInvalid: something that no role can be asked.
    """
    unknown = sorted(given.keys() - _KNOWN)
    if unknown:
        remedy = f"a role is asked with {', '.join(sorted(KNOWN_ARGUMENTS))}"
        raise ConfigurationInvalid(unknown[0], str(given[unknown[0]])[:60], "a call of HarnessChatModel", remedy)
    tools = [bound_tool(tool) for tool in given.get("tools") or ()]
    fields: dict[str, Any] = {
        "tools": tuple(_neutral_tool(tool) for tool in tools),
        "tool_choice": _neutral_choice(
            bound_choice(given.get("tool_choice"), tools), given.get("parallel_tool_calls"), any_tools=bool(tools)
        ),
        "temperature": given.get("temperature"),
        "seed": given.get("seed"),
        "service_tier": given.get("service_tier"),
        "thinking": _thinking(given.get("thinking")),
    }
    if given.get("max_tokens") is not None:
        fields["max_output_tokens"] = given["max_tokens"]
    return fields, _shape(given)


def _neutral_tool(tool: Mapping[str, Any]) -> Tool:
    function = tool["function"]
    parameters: JsonObject = function.get("parameters") or {"type": "object", "properties": {}}
    return Tool(name=function["name"], description=function.get("description") or "", parameters=parameters)


def _neutral_choice(choice: str | None, parallel: object, *, any_tools: bool) -> ToolChoice | None:
    wanted = parallel if isinstance(parallel, bool) else None
    if not any_tools or (choice is None and wanted is None):
        return None
    if choice in (None, "auto"):
        return ToolChoice(parallel=wanted)
    if choice == "none":
        return ToolChoice(mode="none", parallel=wanted)
    if choice == "any":
        return ToolChoice(mode="required", parallel=wanted)
    return ToolChoice(mode="tool", name=choice, parallel=wanted)


def _thinking(value: object) -> Thinking | None:
    return value if value is None or isinstance(value, Thinking) else Thinking.model_validate(value)


def _shape(given: Mapping[str, Any]) -> Shape | None:
    bound = given.get(SHAPE)
    if bound is not None:
        return Shape(OutputSchema(name=bound["name"], json_schema=bound["json_schema"]), bound["method"])
    wanted: object = given.get("response_format")
    if wanted is None:
        return None
    schema = _mapping(_mapping(wanted).get("json_schema"))
    if not isinstance(schema.get("schema"), dict):
        remedy = 'it is {"type": "json_schema", "json_schema": {"name": ..., "schema": ...}}'
        raise ConfigurationInvalid("response_format", repr(wanted)[:60], "a call of HarnessChatModel", remedy)
    return Shape(OutputSchema(name=str(schema.get("name", "answer")), json_schema=schema["schema"]), "json_schema")


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
