"""What Anthropic's Messages accept of a conversation, as it publishes it and answers with a 400 otherwise.

Sources: https://platform.claude.com/docs/en/api/messages and the pages on tool use, vision, PDF and thinking there.
"""

from harness.dialects.anthropic_messages.quirks import AnthropicQuirks
from harness.dialects.wire_rules import WireRules

CALL_IDS = r"[a-zA-Z0-9_-]+"


# Bedrock's words go in its header, all others' in the body.
_BEDROCK_TIERS = frozenset({"default", "flex", "priority", "reserved"})
_TIERS = frozenset({"auto", "standard_only"})


def rules_of(quirks: AnthropicQuirks, wire_name: str) -> WireRules:
    """The rules of an endpoint with these quirks for this model.

    Addresses are fetched by Anthropic's own service alone. A model that always thinks is told an effort and no budget,
    and such a one may go on in a tool loop that it did not begin with thoughts of its own.
    """
    fetches = quirks.served_by == "anthropic"
    return WireRules(
        call_ids=CALL_IDS,
        tool_names=r"[a-zA-Z0-9_-]{1,64}",
        system="apart",
        alternates=True,
        user_first=True,
        empty_text=False,
        image_types=frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"}),
        image_urls=fetches,
        document_types=frozenset({"application/pdf", "text/plain"}),
        document_urls=fetches,
        attachments=True,
        arguments="object",
        custom_calls=False,
        thinking_bound=not quirks.lists("thinking_always", wire_name),
        service_tiers=_BEDROCK_TIERS if quirks.served_by == "bedrock" else _TIERS,
        unanswered_calls=False,
    )
