"""How endpoints of Anthropic's Messages differ: where they are served, and what each generation of models takes.

All of it is data. The names of models are as known in November 2026; an endpoint's `quirks` put others in their place
when a new model wants something else.

Sources: https://platform.claude.com/docs/en/build-with-claude/thinking,
https://platform.claude.com/docs/en/build-with-claude/structured-outputs and the migration guides of the models.
"""

from typing import Literal

from harness.dialects.quirks import Quirks

_FIVE = "opus-5,sonnet-5,haiku-5,fable,mythos"
ModelList = Literal[
    "adaptive_thinking",
    "thinking_always",
    "thinking_between_tools",
    "fixed_sampling",
    "tools_unforced",
    "schema_by_tool",
]


class AnthropicQuirks(Quirks):
    """What an endpoint's `quirks` may say in this dialect; the defaults are Anthropic's own service.

    Several are lists of models: parts of wire names with commas between them, of which any that occurs in a name means
    that model; a dot in a name is read as a hyphen.

    Attributes:
        served_by: whose paths and versions: Anthropic's own, Amazon Bedrock's InvokeModel, or Google's Vertex AI.
        beta: values for `anthropic-beta`, with commas between them.
        api_key_header: another header for the key than `x-api-key`; `authorization` takes it as a bearer token.
        cache_points: off for models that refuse `cache_control`.
        output_schema: where a JSON schema stands; `output_format` is the beta before `output_config`.
        thinking_display: whether thoughts come in words; None leaves the model's default.
        adaptive_thinking: models that are told an effort; all others are told a budget.
        thinking_always: models that refuse to be told not to think.
        thinking_between_tools: models whose least thinking is `between_tools`.
        fixed_sampling: models that refuse a temperature.
        tools_unforced: models that refuse to be forced to call a tool.
        schema_by_tool: models without structured output.
    """

    dialect = "anthropic_messages"

    served_by: Literal["anthropic", "bedrock", "vertex"] = "anthropic"
    beta: str = ""
    api_key_header: str | None = None
    cache_points: bool = True
    output_schema: Literal["output_config", "output_format"] = "output_config"
    thinking_display: Literal["summarized", "omitted"] | None = None
    adaptive_thinking: str = f"opus-4-6,opus-4-7,opus-4-8,sonnet-4-6,{_FIVE}"
    thinking_always: str = "opus-5-5,fable,mythos"
    thinking_between_tools: str = "sonnet-5-5"
    fixed_sampling: str = f"opus-4-7,opus-4-8,{_FIVE}"
    tools_unforced: str = "opus-5-5,sonnet-5-5,fable-5-1,fable-5-2,mythos-5-1,mythos-5-2"
    schema_by_tool: str = (
        "claude-v2,claude-2,claude-instant,claude-3,opus-4-0,opus-4-1,opus-4-2025,opus-4@,sonnet-4-0,sonnet-4-2025,"
        "sonnet-4@"
    )

    def lists(self, names: ModelList, wire_name: str) -> bool:
        """Whether one of these lists names a model."""
        listed: str = getattr(self, names)
        asked = wire_name.lower().replace(".", "-")
        return any(part.strip() in asked for part in listed.split(",") if part.strip())
