"""OpenAI's models by their names, and what both of its wires must know of them.

Models that think refuse to be told a temperature or where to stop, each with a 400; their chat variants take both.
Lists are data, in the endpoints' quirks: names with commas between them, each of which means every model whose name
begins with it and goes on with no letter or digit; `!` before a name takes its models out again. What stands before a
slash, as routers write it, and `ft:` of a tuned model are no part of a name, so `Marco-o1` is none of OpenAI's.

Source: https://platform.openai.com/docs/guides/reasoning and the parameters in the API reference
"""

import re

from harness.dialects.quirks import words

THINKING_MODELS = "o1,o3,o4,gpt-5,!gpt-5-chat"


def listed(names: str, wire_name: str) -> bool:
    """Whether such a list means this model."""
    name = wire_name.lower().rpartition("/")[2].removeprefix("ft:")
    meant = [word for word in words(names) if re.match(rf"{re.escape(word.removeprefix('!'))}(?![a-z0-9])", name)]
    return bool(meant) and not any(word.startswith("!") for word in meant)
