"""Tools as `harness.yaml` registers them: a Python function or an HTTP request, with what is said of each.

Shapes and what can be seen in them alone; nothing is imported or reached. How each is called is in `python_tool.py`
and `http_tool.py`, servers of tools are in `mcp_server_spec.py`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self, cast

from pydantic import Discriminator, Field, Tag, model_validator

from harness.json_values import JsonObject
from harness.tools.declarations import ToolDeclaration
from harness.tools.request_template import READING, HttpRequestSpec
from harness.tools.traits import ToolTraits

CallablePath = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$", max_length=200)]


class FunctionTool(ToolTraits):
    """A Python function.

    Args:
        function: `module:function` in the project's folder; without it, the tool of this name that an installed
            package brings, of which more is said here.
    """

    function: CallablePath | None = None


class HttpTool(ToolTraits):
    """An HTTP request.

    Args:
        parameters: JSON Schema of the arguments; without it each place takes a text, and all are required.
    """

    http: HttpRequestSpec
    parameters: JsonObject | None = None

    @model_validator(mode="after")
    def _places_are_parameters(self) -> Self:
        if self.parameters is None:
            return self
        known = _properties(self.parameters)
        for place in self.http.places():
            if place not in known:
                listed = ", ".join(known) or "it has none"
                raise ValueError(f"{{{place}}} is no property of `parameters` ({listed}): add it there")
        return self

    @property
    def schema_of_arguments(self) -> JsonObject:
        """The JSON Schema of the arguments."""
        if self.parameters is not None:
            return {"type": "object", **self.parameters}
        places = self.http.places()
        return {
            "type": "object",
            "properties": {place: {"type": "string"} for place in places},
            "required": list(places),
            "additionalProperties": False,
        }


def _form(value: object) -> str:
    if isinstance(value, HttpTool) or (isinstance(value, Mapping) and "http" in value):
        return "request"
    return "function" if isinstance(value, FunctionTool | Mapping) else "path"


RegisteredTool = Annotated[
    Annotated[CallablePath, Tag("path")]
    | Annotated[FunctionTool, Tag("function")]
    | Annotated[HttpTool, Tag("request")],
    Discriminator(_form),
]


def function_tool(registered: "str | FunctionTool | HttpTool") -> FunctionTool | HttpTool:
    """What is registered, its short form written out."""
    return FunctionTool(function=registered) if isinstance(registered, str) else registered


def declaration_of(name: str, registered: "str | FunctionTool | HttpTool") -> ToolDeclaration:
    """What is declared of a tool, by what is registered alone."""
    known = function_tool(registered)
    if isinstance(known, FunctionTool):
        return known.declaration(name)
    schema = known.schema_of_arguments
    closed = schema.get("additionalProperties") is False
    required = schema.get("required")
    return known.declaration(
        name,
        effect=known.http.method not in READING,
        outward=True,
        parameters=frozenset(_properties(schema)) if closed else None,
        required=frozenset(map(str, required)) if isinstance(required, list) else frozenset(),
    )


def _properties(schema: JsonObject) -> dict[str, Any]:
    found = schema.get("properties")
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
