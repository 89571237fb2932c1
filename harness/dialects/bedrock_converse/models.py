"""What the models behind Bedrock's Converse want differently, as data: by model id, and by an endpoint's quirks.

Converse is one wire, but Amazon hands parts of it to the model behind it, and that refuses what it does not know.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html (cache points),
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolChoice.html (choices),
https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html, langchain-aws#401 and bedrock-chat#845
(DeepSeek-R1 refuses its own reasoning), and recorded requests that were answered.
"""

import re
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import quote

from harness.dialects.dialect import WireTarget
from harness.dialects.quirks import Quirks
from harness.models.catalogue import Model

ThinkingShape = Literal["none", "claude_budget", "claude_adaptive", "nova", "reasoning_effort", "reasoning_config"]
EmbeddingShape = Literal["titan_v1", "titan_v2", "cohere_v3", "cohere_v4", "nova"]

_ALL_PLACES = frozenset({"system", "tools", "messages"})
_NOVA_PLACES = frozenset({"system", "messages"})


@dataclass(frozen=True, slots=True)
class ModelTraits:
    """What one family of models wants.

    Args:
        claude: Anthropic's models, with their rules for thinking beside tools and temperature.
        thinking: the fields that ask it to think.
        thinks_always: it refuses to be told not to think.
        cache_places: where it takes cache points.
        choices: how a tool can be forced.
        takes_reasoning: whether its own thoughts may stand in the history.
        takes_temperature: whether it can be told one at all.
        takes_result_status: whether a tool's result may be marked as failed.
    """

    claude: bool = False
    thinking: ThinkingShape = "none"
    thinks_always: bool = False
    cache_places: frozenset[str] = frozenset()
    choices: frozenset[str] = frozenset({"any", "tool"})
    takes_reasoning: bool = True
    takes_temperature: bool = True
    takes_result_status: bool = False


def _claude(
    thinking: ThinkingShape,
    places: frozenset[str] = _ALL_PLACES,
    *,
    takes_temperature: bool = True,
    thinks_always: bool = False,
) -> ModelTraits:
    return ModelTraits(
        claude=True,
        thinking=thinking,
        thinks_always=thinks_always,
        cache_places=places,
        takes_temperature=takes_temperature,
        takes_result_status=True,
    )


_NO_CHOICE: frozenset[str] = frozenset()
_ONLY_ANY = frozenset({"any"})
# The first pattern that is found in the model's id counts.
_TRAITS: tuple[tuple[str, ModelTraits], ...] = (
    (r"claude-(opus-5-5|fable|mythos)", _claude("claude_adaptive", takes_temperature=False, thinks_always=True)),
    (r"claude-(opus-4-[7-9]|[a-z]+-[5-9])", _claude("claude_adaptive", takes_temperature=False)),
    (r"claude-[a-z]+-4-6", _claude("claude_adaptive")),
    (r"claude-(3-7|[a-z]+-4)", _claude("claude_budget")),
    (r"claude-3-5-(haiku|sonnet-20241022)", _claude("none")),
    (r"claude", _claude("none", frozenset())),
    (r"nova-2", ModelTraits(thinking="nova", cache_places=_NOVA_PLACES, takes_result_status=True)),
    (r"nova", ModelTraits(cache_places=_NOVA_PLACES, takes_reasoning=False, takes_result_status=True)),
    (r"gpt-oss", ModelTraits(thinking="reasoning_effort", choices=_NO_CHOICE)),
    (r"deepseek\.r1", ModelTraits(choices=_NO_CHOICE, takes_reasoning=False)),
    (r"deepseek", ModelTraits(thinking="reasoning_effort", choices=_ONLY_ANY)),
    (r"qwen", ModelTraits(thinking="reasoning_config")),
    (r"llama", ModelTraits(choices=_NO_CHOICE)),
    (r"mistral|pixtral|zai\.glm", ModelTraits(choices=_ONLY_ANY)),
)
_EMBEDDINGS: tuple[tuple[str, EmbeddingShape], ...] = (
    (r"amazon\.titan-embed-(text-v1|g1)", "titan_v1"),
    (r"amazon\.titan-embed-text", "titan_v2"),
    (r"cohere\.embed-v", "cohere_v4"),
    (r"cohere\.embed", "cohere_v3"),
    (r"amazon\.nova-.*embedding", "nova"),
)


class BedrockQuirks(Quirks):
    """What an endpoint's `quirks` may say in this dialect; the defaults follow the model's id.

    Attributes:
        known_as: the id of the model behind an ARN or a name that tells nothing, such as
            "anthropic.claude-sonnet-4-5"; everything below follows it.
        cache_points: whether cache points are sent, in all places or in none.
        thinking: the fields that ask the model to think.
        embeddings: the body that an embedding model takes.
    """

    dialect = "bedrock_converse"

    known_as: str | None = None
    cache_points: bool | None = None
    thinking: ThinkingShape | None = None
    embeddings: EmbeddingShape | None = None


def traits_of(model: Model, quirks: BedrockQuirks) -> ModelTraits:
    """What this model wants; a model that nobody knows is sent what is asked, without cache points and thinking."""
    known_as = (quirks.known_as or model.wire_name).lower()
    found = next((traits for pattern, traits in _TRAITS if re.search(pattern, known_as)), ModelTraits())
    places = found.cache_places
    if quirks.cache_points is not None:
        places = (places or _ALL_PLACES) if quirks.cache_points else frozenset[str]()
    return replace(found, thinking=quirks.thinking or found.thinking, cache_places=places)


def embedding_shape(known_as: str) -> EmbeddingShape | None:
    """The body that an embedding model with this id takes; None for one that nobody knows."""
    return next((shape for pattern, shape in _EMBEDDINGS if re.search(pattern, known_as.lower())), None)


def operation_url(target: WireTarget, operation: str) -> str:
    """Where an operation on the target's model is asked for; an ARN's slashes and colons are part of its name."""
    return f"{target.base_url.rstrip('/')}/model/{quote(target.model.wire_name, safe='-._~')}/{operation}"
