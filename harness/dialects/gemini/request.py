"""A neutral request as the body of `generateContent`. Its turns are written in `turns`.

The wire has no cache points (a cached content is a resource of its own that must be made before) and no word for
whether calls may be parallel: both are left out. Models before Gemini 3 refuse tools together with an output schema:
there the tools go and the schema is left out, so whoever asks for both tells the shape in words too.
"""

from harness.dialects.gemini.models import Effort, GeminiModel, GeminiQuirks, gemini_model
from harness.dialects.gemini.turns import GeminiTurns
from harness.dialects.wire_json import body_bytes
from harness.dialects.wire_rules import WireRules
from harness.json_values import Json, JsonObject
from harness.models.catalogue import Model
from harness.models.messages import ModelRequest, Origin, TextPart, Thinking, Tool, ToolChoice

_MOST_STOPS = 5
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "tool": "ANY"}
# Tokens of thought for an effort, as Google's own OpenAI-compatible endpoint turns them.
# Source: https://ai.google.dev/gemini-api/docs/openai#thinking
_TOKENS: dict[Effort, int] = {"none": 0, "minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576}

_IMAGES = frozenset({"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"})
_VERTEX_DOCUMENTS = frozenset({"application/pdf", "text/plain"})
_GEMINI_DOCUMENTS = _VERTEX_DOCUMENTS | {
    "text/html", "text/css", "text/csv", "text/markdown", "text/xml", "text/rtf",
}  # fmt: skip


def rules_of(quirks: GeminiQuirks) -> WireRules:
    """What an endpoint with these quirks accepts of a conversation."""
    return WireRules(
        tool_names=r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}",
        system="apart",
        alternates=True,
        user_first=True,
        empty_text=False,
        image_types=_IMAGES,
        image_urls=quirks.file_urls,
        document_types=_VERTEX_DOCUMENTS if quirks.served_by == "vertex" else _GEMINI_DOCUMENTS,
        document_urls=quirks.file_urls,
        attachments=True,
        arguments="object",
        plain_reasoning=True,
        assistant_media=True,
        typed_urls=True,
        service_tiers=frozenset({"flex", "standard", "priority"}),
        own_schemes=frozenset({"gs"}),
    )


def request_body(request: ModelRequest, model: Model, quirks: GeminiQuirks, origin: Origin) -> bytes:
    """The exact bytes of a request: compact JSON in UTF-8, the same for a stream and for a whole answer."""
    known = gemini_model(model, quirks)
    body: JsonObject = {}
    system = _system_parts(request)
    if system:
        body["systemInstruction"] = {"parts": system}
    body["contents"] = GeminiTurns(known, quirks, origin).contents(request.messages)
    if request.tools:
        body["tools"] = [{"functionDeclarations": [_declaration(tool) for tool in request.tools]}]
        if request.tool_choice is not None:
            body["toolConfig"] = {"functionCallingConfig": _calling(request.tool_choice)}
    body["generationConfig"] = _generation(request, known)
    if request.service_tier is not None:
        body["serviceTier"] = request.service_tier
    return body_bytes(body)


def _system_parts(request: ModelRequest) -> list[Json]:
    return [
        {"text": part.text}
        for message in request.messages
        if message.role == "system"
        for part in message.parts
        if isinstance(part, TextPart) and part.text
    ]


def _declaration(tool: Tool) -> JsonObject:
    """`parametersJsonSchema` takes JSON Schema; the older `parameters` takes a dialect of OpenAPI's."""
    described: JsonObject = {"description": tool.description} if tool.description else {}
    return {"name": tool.name, **described, "parametersJsonSchema": tool.parameters}


def _calling(choice: ToolChoice) -> JsonObject:
    only: JsonObject = {"allowedFunctionNames": [choice.name]} if choice.name is not None else {}
    return {"mode": _MODES[choice.mode], **only}


def _generation(request: ModelRequest, model: GeminiModel) -> JsonObject:
    """The options of generation; of more than five stop sequences the first five, which is all the wire takes."""
    config: JsonObject = {"maxOutputTokens": request.max_output_tokens}
    if request.temperature is not None:
        config["temperature"] = request.temperature
    if request.seed is not None:
        config["seed"] = request.seed
    if request.stop:
        config["stopSequences"] = list(request.stop[:_MOST_STOPS])
    if request.output_schema is not None and (model.schema_beside_tools or not request.tools):
        config["responseMimeType"] = "application/json"
        config["responseJsonSchema"] = request.output_schema.json_schema
    if request.thinking is not None and model.thinking != "none":
        config["thinkingConfig"] = _thinking(request.thinking, model)
    return config


def _thinking(thinking: Thinking, model: GeminiModel) -> JsonObject:
    """A level where the model has levels and an effort was asked for, tokens otherwise; Gemini 3 still takes tokens.

    Thoughts are asked to be shown, unless none are wanted.
    """
    effort = thinking.effort
    shown: Json = effort != "none"
    if effort is not None and model.thinking == "level":
        return {"includeThoughts": shown, "thinkingLevel": model.nearest_level(effort).upper()}
    tokens = thinking.budget_tokens if effort is None else _TOKENS[effort]
    return {"includeThoughts": shown, "thinkingBudget": model.allowed_budget(tokens or 0)}
