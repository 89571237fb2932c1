"""How servers that speak chat completions want them different, as data.

A difference between servers is a quirk in the catalogue, never a branch on a vendor's name. The endpoint's `quirks` are
shared with its embeddings (`embeddings`), so those stand here too.
"""

from typing import Literal

from pydantic import Field

from harness.dialects.openai_models import THINKING_MODELS
from harness.dialects.quirks import Quirks, words
from harness.dialects.wire_rules import WireRules
from harness.models.catalogue import Capability, Model

# A path below the base address; `{model}` in it is the wire name.
_PATH = r"^(?:[A-Za-z0-9._~:@-]+|\{model\})(?:/(?:[A-Za-z0-9._~:@-]+|\{model\}))*$"
_QUERY = r"^[A-Za-z0-9._~%=&+-]*$"
_EFFORTS = r"^(none|minimal|low|medium|high)(,(none|minimal|low|medium|high))*$"

_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_DOCUMENTS = frozenset({"application/pdf"})


class OpenAIChatQuirks(Quirks):
    """What an endpoint's `quirks` may say in this dialect; the defaults are what most servers accept.

    Attributes:
        path: where chat completions are, below `base_url`; Azure's deployments are at
            `deployments/{model}/chat/completions`.
        query: what follows the path after a question mark, such as Azure's `api-version=2024-10-21`.
        api_key_header: Azure takes the key as `api-key` instead of a bearer token.
        output_limit: the field for the most tokens to generate; OpenAI's newer models refuse `max_tokens`.
        include_usage: whether streams are asked for usage with `stream_options`; off for servers that refuse it.
        fixed_sampling: models that refuse a temperature, as `openai_models` reads such lists; it is left out for them.
        stop_refused: models that refuse stop texts, likewise.
        most_stops: how many stop texts the server takes; of more the first ones are sent.
        service_tiers: the words that the server knows for how a call is served; others are left out. None takes any.
        strict_schema: whether `strict: true` goes with a JSON schema that OpenAI takes so; with others it never goes.
        strict_tools: the same for the parameters of tools.
        system_role: how system turns are called.
        seed_field: Mistral calls it `random_seed`.
        thinking: how much thinking is asked for. `reasoning_effort` is OpenAI's field and most others';
            `reasoning` OpenRouter's object of effort or tokens; `thinking` DeepSeek's and Z.AI's `{type: enabled}`;
            `enable_thinking` Qwen's switch, `chat_template` the same where vLLM's templates read it; `left_out` sends
            nothing.
        efforts: the words of effort that the server takes, by commas; the nearest one is sent.
        reasoning_field: the field that every assistant turn carries its reasoning in, also an empty one. DeepSeek's
            thinking models refuse a tool turn without it. Left out, a turn carries what its origin had put there.
        reasoning_back: whether reasoning goes back to its origin at all; off for servers that refuse the field.
        tool_call_ids: `nine_alphanumerics` is Mistral's rule; ids from elsewhere are mapped, the same one always to
            the same.
        custom_tools: whether calls of custom tools, with free text, may stand in the history.
        image_urls: whether a picture may be an address; Ollama takes only data.
        documents: how a PDF is sent: `file` as OpenAI and OpenRouter take it, `document_url` as Mistral does.
        document_urls: whether a document may be an address.
        alternates: system text first, then user and assistant in turns, a user's first; Perplexity and several chat
            templates of vLLM's want that.
        cache_points: whether parts carry Anthropic's `cache_control`, as OpenRouter passes it on.
        embeddings_path: as `path`, for embeddings.
        embedding_format: how vectors are asked for; None leaves the server's default.
        dimensions_field: how the width of vectors is asked for; Voyage and Mistral call it `output_dimension`.
        purpose_field: the field that takes `query` or `document`, such as Voyage's `input_type`; None has none.
        texts_at_once: how many texts one embeddings request may hold.
    """

    dialect = "openai_chat"

    path: str = Field(default="chat/completions", pattern=_PATH)
    query: str = Field(default="", pattern=_QUERY)
    api_key_header: str | None = None
    output_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    include_usage: bool = True
    fixed_sampling: str = THINKING_MODELS
    stop_refused: str = THINKING_MODELS
    most_stops: int = Field(default=4, gt=0)
    service_tiers: str | None = None
    strict_schema: bool = True
    strict_tools: bool = False
    system_role: Literal["system", "developer"] = "system"
    seed_field: Literal["seed", "random_seed"] = "seed"
    thinking: Literal["reasoning_effort", "reasoning", "thinking", "enable_thinking", "chat_template", "left_out"] = (
        "reasoning_effort"
    )
    efforts: str = Field(default="none,minimal,low,medium,high", pattern=_EFFORTS)
    reasoning_field: str | None = None
    reasoning_back: bool = True
    tool_call_ids: Literal["any", "nine_alphanumerics"] = "any"
    custom_tools: bool = False
    image_urls: bool = True
    documents: Literal["file", "document_url", "none"] = "none"
    document_urls: bool = False
    alternates: bool = False
    cache_points: bool = False
    embeddings_path: str = Field(default="embeddings", pattern=_PATH)
    embedding_format: Literal["float", "base64", "base64_int8"] | None = None
    dimensions_field: Literal["dimensions", "output_dimension"] = "dimensions"
    purpose_field: str | None = None
    texts_at_once: int = Field(default=2048, gt=0)


def rules_of(quirks: OpenAIChatQuirks, model: Model) -> WireRules:
    """What an endpoint with these quirks accepts of a conversation with this model."""
    # A catalogue that says nothing of what a model can do forbids nothing.
    images = not model.capabilities or Capability.IMAGES in model.capabilities
    documents = not model.capabilities or Capability.DOCUMENTS in model.capabilities
    documents = documents and quirks.documents != "none"
    return WireRules(
        call_ids=call_id_rule(quirks),
        tool_names=r"[a-zA-Z0-9_-]{1,64}",
        system="first" if quirks.alternates else "anywhere",
        alternates=quirks.alternates,
        user_first=quirks.alternates,
        image_types=_IMAGES if images else frozenset(),
        image_urls=images and quirks.image_urls,
        document_types=_DOCUMENTS if documents else frozenset(),
        document_urls=documents and quirks.document_urls,
        custom_calls=quirks.custom_tools,
        plain_reasoning=quirks.reasoning_field is not None,
        service_tiers=None if quirks.service_tiers is None else words(quirks.service_tiers),
    )


def call_id_rule(quirks: OpenAIChatQuirks) -> str | None:
    """The regular expression that ids of tool calls match here; None takes any."""
    return r"[A-Za-z0-9]{9}" if quirks.tool_call_ids == "nine_alphanumerics" else None
