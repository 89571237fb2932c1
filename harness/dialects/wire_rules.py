"""What a wire accepts of a conversation, as data: `swap` makes a history fit, and a dialect then encodes it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class WireRules:
    """The published rules of one endpoint; the defaults refuse nothing.

    Args:
        call_ids: a regular expression that a tool call's id matches whole; None takes any.
        tool_names: the same for names of tools.
        system: `anywhere` takes system turns where they stand, `first` only before all others, `apart` takes one text
            beside the conversation.
        alternates: user and assistant take turns; neighbours of one role are one turn.
        user_first: the first turn is a user's.
        empty_text: whether a text may be empty or blank.
        image_types: media types of pictures that may be sent as data.
        image_urls: whether a picture may be an address.
        document_types: media types of documents that may be sent as data; "text/plain" stands for their words.
        document_urls: whether a document may be an address.
        attachments: whether pictures and documents may stand in a tool's result; the types are those above.
        arguments: the JSON text of a call's arguments must be an object.
        custom_calls: whether a custom tool's free text can be told from JSON.
        thinking_bound: while thinking is asked for, the assistant turn of an unfinished tool loop must begin with
            that model's own thoughts.
        unanswered_calls: whether a call may stay without a result.
        plain_reasoning: thoughts without any stamp may go back as the wire's plain text of thoughts.
        assistant_media: whether pictures and documents may stand in a model's own turn.
        typed_urls: an address must have a media type, given beside it or told by its ending.
        service_tiers: the words for how a call is served; None takes any.
        own_schemes: schemes of addresses that this provider fetches beside http and https, such as "s3" or "gs".
    """

    call_ids: str | None = None
    tool_names: str | None = None
    system: Literal["anywhere", "first", "apart"] = "anywhere"
    alternates: bool = False
    user_first: bool = False
    empty_text: bool = True
    image_types: frozenset[str] = frozenset()
    image_urls: bool = False
    document_types: frozenset[str] = frozenset()
    document_urls: bool = False
    attachments: bool = False
    arguments: Literal["text", "object"] = "text"
    custom_calls: bool = False
    thinking_bound: bool = False
    unanswered_calls: bool = False
    plain_reasoning: bool = False
    assistant_media: bool = False
    typed_urls: bool = False
    service_tiers: frozenset[str] | None = None
    own_schemes: frozenset[str] = frozenset()
