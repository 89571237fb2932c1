"""How servers that speak the Responses API want it different, as data, and what they accept of a conversation.

A difference between servers is a quirk in the catalogue, never a branch on a vendor's name.
"""

from typing import Literal

from harness.dialects.openai_models import THINKING_MODELS
from harness.dialects.quirks import Quirks, words
from harness.dialects.wire_rules import WireRules
from harness.models.catalogue import Capability, Model

_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
# Other files than PDF were refused ("unsupported_file"); words go as words.
_DOCUMENTS = frozenset({"application/pdf", "text/plain"})


class OpenAIResponsesQuirks(Quirks):
    """What an endpoint's `quirks` may say in this dialect; the defaults are what OpenAI accepts.

    Attributes:
        api_key_header: Azure takes the key as `api-key` instead of a bearer token.
        include_encrypted: whether models that think are asked for their reasoning in encrypted form, without which
            it cannot go back to a server that stores nothing. Servers that show reasoning openly need it not.
        reasoning_summary: how closely thoughts are told where thinking is asked for; None tells none. OpenAI
            wants the organisation verified for it.
        fixed_sampling: models that refuse a temperature, as `openai_models` reads such lists; it is left out for them.
        service_tiers: the words that the server knows for how a call is served; others are left out. None takes any.
        strict_schema: whether `strict: true` goes with a JSON schema that OpenAI takes so; with others it never goes.
        strict_tools: the same for the parameters of tools.
        system_role: how system turns are called.
        attachments: whether pictures and documents may stand in a tool's result.
    """

    dialect = "openai_responses"

    api_key_header: str | None = None
    include_encrypted: bool = True
    reasoning_summary: Literal["auto", "concise", "detailed"] | None = None
    fixed_sampling: str = THINKING_MODELS
    service_tiers: str | None = "auto,default,flex,scale,priority"
    strict_schema: bool = True
    strict_tools: bool = False
    system_role: Literal["system", "developer"] = "system"
    attachments: bool = True


def rules_of(quirks: OpenAIResponsesQuirks, model: Model) -> WireRules:
    """What an endpoint with these quirks accepts of a conversation with this model.

    Source: the parameters' limits in the API reference; that every call needs its output is a recorded 400
    ("No tool output found for tool call").
    """
    # A model of which nothing is known is forbidden nothing.
    can = model.capabilities or {Capability.IMAGES, Capability.DOCUMENTS}
    images, documents = Capability.IMAGES in can, Capability.DOCUMENTS in can
    return WireRules(
        call_ids=r"[a-zA-Z0-9_-]{1,64}",
        tool_names=r"[a-zA-Z0-9_-]{1,64}",
        image_types=_IMAGES if images else frozenset(),
        image_urls=images,
        document_types=_DOCUMENTS if documents else frozenset({"text/plain"}),
        document_urls=documents,
        attachments=quirks.attachments and (images or documents),
        custom_calls=True,
        service_tiers=None if quirks.service_tiers is None else words(quirks.service_tiers),
    )
