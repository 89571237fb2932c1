"""The parts of a neutral message, and the stamp of what belongs to one vendor.

A part says in neutral words what any model can be told, and may keep beside them, as `opaque`, the vendor's own block
exactly as it came: a thinking signature, encrypted reasoning, a server tool's result. An opaque block is sent back
byte for byte where its `origin` equals the target's and crosses no border: `harness.dialects.swap.swap` takes it away
everywhere else. Fields that can be left out are None, so that a later field changes no digest of an earlier question.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.json_values import JsonObject


class Value(BaseModel):
    """A frozen value of the neutral conversation."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Origin(Value):
    """Who made an opaque block: only an equal origin takes it back.

    Args:
        dialect: the wire's name.
        endpoint: the catalogue's name of the endpoint.
        model: how that endpoint calls the model that was asked.
        account: a digest that tells keys apart and gives none away; None where no key was used.
    """

    dialect: str
    endpoint: str
    model: str
    account: str | None = None


class _FromVendor(Value):
    """What may carry a vendor's own block.

    Args:
        opaque: the block as it came.
        origin: whose it is; never None where `opaque` is not.
    """

    opaque: JsonObject | None = None
    origin: Origin | None = None


class TextPart(_FromVendor):
    """Words."""

    type: Literal["text"] = "text"
    text: str


class ReasoningPart(_FromVendor):
    """What a model thought before it answered; `text` is empty where the vendor shows none of it."""

    type: Literal["reasoning"] = "reasoning"
    text: str


class ToolCallPart(_FromVendor):
    """A model asks for a tool.

    Args:
        arguments: the original JSON text, parsed on demand; of a custom tool, its free text.
        custom: the arguments are free text and not JSON.
    """

    type: Literal["tool_call"] = "tool_call"
    call_id: str
    name: str
    arguments: str
    custom: bool | None = None


class ImagePart(Value):
    """A picture: either its bytes in base64, or an address that the provider fetches.

    Args:
        media_type: such as "image/png"; needed with `data`.
        detail: how closely it is looked at, where a vendor knows that.
    """

    type: Literal["image"] = "image"
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    detail: Literal["low", "high", "auto"] | None = None


class DocumentPart(Value):
    """A document to read: its bytes in base64, its words, or an address that the provider fetches.

    Args:
        media_type: such as "application/pdf"; needed with `data`.
        citations: whether the answer shall cite it, where the vendor has citations.
    """

    type: Literal["document"] = "document"
    media_type: str | None = None
    data: str | None = None
    text: str | None = None
    url: str | None = None
    title: str | None = None
    citations: bool | None = None


class ToolResultPart(Value):
    """What a tool answered.

    Args:
        attachments: pictures and documents that came with the words.
        custom: it answers a call of a custom tool.
    """

    type: Literal["tool_result"] = "tool_result"
    call_id: str
    text: str
    failed: bool = False
    attachments: tuple[ImagePart | DocumentPart, ...] | None = None
    custom: bool | None = None


class CitationPart(_FromVendor):
    """What the words before it are said to rest on; it stands right after the text it supports.

    Args:
        source: an address, or the title of a document.
        quote: the words of the source.
        start, end: where in the answer's text part it applies, in characters; None where the vendor does not say.
    """

    type: Literal["citation"] = "citation"
    source: str
    title: str | None = None
    quote: str | None = None
    start: int | None = None
    end: int | None = None


class RefusalPart(_FromVendor):
    """The model declined, in words."""

    type: Literal["refusal"] = "refusal"
    text: str


class ServerToolPart(_FromVendor):
    """A tool that the vendor ran by itself: the call, its result, or both.

    Args:
        name: the vendor's word for it, such as "web_search".
        text: in words, for every other vendor.
    """

    type: Literal["server_tool"] = "server_tool"
    name: str
    text: str


class OtherPart(_FromVendor):
    """A block that this version does not know; kept for its origin, lost to every other.

    Args:
        kind: the vendor's word for it.
    """

    type: Literal["other"] = "other"
    kind: str


Part = Annotated[
    TextPart
    | ReasoningPart
    | ToolCallPart
    | ToolResultPart
    | ImagePart
    | DocumentPart
    | CitationPart
    | RefusalPart
    | ServerToolPart
    | OtherPart,
    Field(discriminator="type"),
]
