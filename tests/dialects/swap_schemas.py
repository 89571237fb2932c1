"""Bodies held against the vendors' own request schemas: their SDKs' types, no field beside them, and botocore's model."""

import json
from functools import cache
from types import NoneType
from typing import Any

import botocore.session
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from botocore.validate import ParamValidator
from google.genai import types as gemini
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import ConfigDict, TypeAdapter, ValidationError

_GEMINI = {
    "contents": list[gemini.Content],
    "systemInstruction": gemini.Content,
    "tools": list[gemini.Tool],
    "toolConfig": gemini.ToolConfig,
    "generationConfig": gemini.GenerationConfig,
}


def problems(dialect: str, body: dict[str, Any]) -> list[str]:
    """What the vendor's schema says against a body; empty where it accepts it."""
    check = {
        "openai_chat": lambda: _typed(CompletionCreateParamsNonStreaming, body),
        "openai_responses": lambda: _typed(ResponseCreateParamsNonStreaming, body),
        "anthropic_messages": lambda: _typed(MessageCreateParamsNonStreaming, body),
        "gemini": lambda: _gemini(body),
        "bedrock_converse": lambda: _bedrock(body),
    }
    return check[dialect]()


@cache
def _adapter(params: Any) -> TypeAdapter[Any]:
    # In a list, because a TypedDict takes no configuration of its own; those inside it inherit this one.
    return TypeAdapter(list[params], config=ConfigDict(extra="forbid"))


def _typed(params: Any, body: dict[str, Any]) -> list[str]:
    try:
        _forced(_adapter(params).validate_python([body]))
    except ValidationError as error:
        return _said(error)
    return []


def _forced(value: Any) -> None:
    """Walk through it: pydantic checks an `Iterable` only when it is read."""
    if isinstance(value, dict):
        for item in value.values():
            _forced(item)
    elif not isinstance(value, (str, bytes, int, float, bool, NoneType)):
        for item in value:
            _forced(item)


def _gemini(body: dict[str, Any]) -> list[str]:
    found = [f"{name}: unknown" for name in body if name not in _GEMINI]
    for name, kind in _GEMINI.items():
        if name in body:
            try:
                TypeAdapter(kind).validate_json(json.dumps(body[name]))
            except ValidationError as error:
                found += _said(error)
    return found


def _said(error: ValidationError) -> list[str]:
    return [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False)[:5]]


@cache
def _converse() -> Any:
    model = botocore.session.get_session().get_service_model("bedrock-runtime")
    return model.operation_model("Converse").input_shape


def _bedrock(body: dict[str, Any]) -> list[str]:
    report = ParamValidator().validate({**body, "modelId": "m"}, _converse())
    return [report.generate_report()] if report.has_errors() else []
