"""What Anthropic's Messages accept of a conversation, as it publishes it and answers with a 400 otherwise.

Sources: https://platform.claude.com/docs/en/api/messages and the pages on tool use, vision, PDF and thinking there.
"""

from harness.dialects.anthropic_messages.quirks import AnthropicQuirks
from harness.dialects.wire_rules import WireRules

CALL_IDS = r"[a-zA-Z0-9_-]+"


def rules_of(quirks: AnthropicQuirks) -> WireRules:
    """The rules of an endpoint with these quirks; addresses are fetched by Anthropic's own service alone."""
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
        tools_declared=True,
        arguments="object",
        custom_calls=False,
        thinking_bound=True,
        unanswered_calls=False,
    )
