"""How an answer's schema is called on wires that want a name for it."""

import re


def wire_schema_name(name: str) -> str:
    """The name with what OpenAI and Amazon take of it: 64 letters, digits, hyphens and underscores at most."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64] or "answer"
