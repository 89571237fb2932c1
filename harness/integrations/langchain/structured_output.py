"""`with_structured_output`: the shape that is asked for, and what came read as it.

A pydantic class gives its instances; a TypedDict or a JSON Schema gives plain values, held to the schema all the same.
Nothing is repaired: an answer outside its shape is LangChain's `OutputParserException`.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage
from langchain_core.utils.function_calling import convert_to_json_schema
from pydantic import BaseModel

from harness.exceptions import ConfigurationInvalid
from harness.integrations.langchain.request_arguments import Shape
from harness.json_values import JsonObject
from harness.models.request_options import OutputSchema
from harness.workflow.answers import Rejected, read_answer, schema_problem

METHODS = ("json_schema", "function_calling")

Read = Callable[[AIMessage], Any]


def shape_of(schema: Mapping[str, Any] | type, method: str | None) -> Shape:
    """The shape that a schema of LangChain's asks for.

    Raises:
        ConfigurationInvalid: a method that there is none of, or a schema that is none.
    """
    if method not in (None, *METHODS):
        remedy = f"it is one of {', '.join(METHODS)}; left out, the bound model decides"
        raise ConfigurationInvalid("method", str(method), "with_structured_output", remedy)
    made = cast("JsonObject", convert_to_json_schema(cast("Any", schema)))
    name = re.sub(r"[^A-Za-z0-9_-]", "_", str(made.pop("title", None) or "answer"))[:64]
    problem = schema_problem(made)
    if problem is not None:
        raise ConfigurationInvalid("schema", name, "with_structured_output", problem.reason)
    return Shape(OutputSchema(name=name, json_schema=made), method)


def reader_of(schema: Mapping[str, Any] | type, shape: Shape) -> Read:
    """Reads an answer as that shape; what it reads wrongly is an `OutputParserException`."""
    made: Callable[[Any], Any] = _instance_maker(schema)

    def read(message: AIMessage) -> Any:
        text = _answer_text(message, shape)
        found = read_answer(text, shape.schema.json_schema)
        if isinstance(found, Rejected):
            raise _outside(shape, found.reason, text)
        try:
            return made(found.value)
        except ValueError as error:
            raise _outside(shape, str(error), text) from error

    return read


def _instance_maker(schema: Mapping[str, Any] | type) -> Callable[[Any], Any]:
    """What makes a value of the schema's own kind; plain values stay as they are.

    LangChain takes classes of pydantic's first version too, which are no `BaseModel` of the second.
    """
    if not isinstance(schema, type):
        return lambda value: value
    if issubclass(schema, BaseModel):
        return schema.model_validate
    first_version: Any = getattr(cast("object", schema), "parse_obj", None)
    return first_version or (lambda value: value)


def _answer_text(message: AIMessage, shape: Shape) -> str:
    """The answer, wherever it stands: in a call of the tool that the shape is, or in the words."""
    for call in message.tool_calls:
        if call["name"] == shape.schema.name:
            return json.dumps(call["args"], ensure_ascii=False)
    for call in message.invalid_tool_calls:
        if call["name"] == shape.schema.name:
            raise _outside(shape, f"the arguments are {call['error'] or 'no JSON object'}", call["args"] or "")
    if refusal := cast("Mapping[str, object]", message.additional_kwargs).get("refusal"):
        raise _outside(shape, f"the model declined: {refusal}", "")
    reason = message.response_metadata.get("finish_reason")
    if reason == "length":
        raise _outside(shape, "it was cut at its output limit: raise max_tokens", message.text)
    return message.text


def _outside(shape: Shape, reason: str, text: str) -> OutputParserException:
    return OutputParserException(f"the answer is no {shape.schema.name}: {reason}", llm_output=text)
