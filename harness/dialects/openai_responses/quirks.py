"""How servers that speak the Responses API want it different, as data, and what they accept of a conversation.

A difference between servers is a quirk in the catalogue, never a branch on a vendor's name.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.dialects.wire_rules import WireRules
from harness.exceptions import ConfigurationInvalid
from harness.models.catalogue import Capability, Endpoint, Model

_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
# Other files than PDF were refused ("unsupported_file"); words go as words.
_DOCUMENTS = frozenset({"application/pdf", "text/plain"})


class OpenAIResponsesQuirks(BaseModel):
    """What an endpoint's `quirks` may say in this dialect; the defaults are what OpenAI accepts.

    Attributes:
        api_key_header: Azure takes the key as `api-key` instead of a bearer token.
        include_encrypted: whether models that think are asked for their reasoning in encrypted form, without which
            it cannot go back to a server that stores nothing. Servers that show reasoning openly need it not.
        reasoning_summary: how closely thoughts are told where thinking is asked for; None tells none. OpenAI
            wants the organisation verified for it.
        strict_schema: whether `strict: true` goes with a JSON schema.
        strict_tools: whether tools are strict; OpenAI then refuses a schema that leaves any property optional.
        system_role: how system turns are called.
        attachments: whether pictures and documents may stand in a tool's result.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_key_header: str | None = None
    include_encrypted: bool = True
    reasoning_summary: Literal["auto", "concise", "detailed"] | None = None
    strict_schema: bool = True
    strict_tools: bool = False
    system_role: Literal["system", "developer"] = "system"
    attachments: bool = True

    @classmethod
    def of(cls, endpoint_name: str, endpoint: Endpoint) -> "OpenAIResponsesQuirks":
        """The quirks of one endpoint.

        Raises:
            ConfigurationInvalid: one of them is unknown or has a value that is not allowed.
        """
        try:
            return cls.model_validate(dict(endpoint.quirks))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ".".join(map(str, first["loc"]))
            value = str(endpoint.quirks.get(name))
            remedy = f"{first['msg']}; quirks of openai_responses: {', '.join(cls.model_fields)}"
            raise ConfigurationInvalid(f"quirks.{name}", value, f"endpoint {endpoint_name!r}", remedy) from error


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
    )
