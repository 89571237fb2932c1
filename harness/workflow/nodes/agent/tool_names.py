"""What a model calls a tool: vendors take letters, digits, `_` and `-`, at most 64 of them; our names have dots.

OpenAI, Anthropic, Gemini and Bedrock agree on these characters.

Source: https://platform.openai.com/docs/api-reference/chat/create (tools.function.name)
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

# What an answer under a schema calls the end of the loop; no tool is shown under it.
ANSWER = "answer"

_MOST_CHARACTERS = 64
_DIGEST_CHARACTERS = 8


def shown_names(names: Iterable[str]) -> dict[str, str]:
    """The name that a model is shown for each tool; no two tools have the same.

    `server.tool` becomes `server__tool`. Where that is too long, is another's name as well or means something else, a
    digest of the tool's own name is at its end.
    """
    wanted = {name: _plain(name) for name in dict.fromkeys(names)}
    counted = Counter(wanted.values())
    shown: dict[str, str] = {}
    for name, plain in wanted.items():
        clear = counted[plain] == 1 and plain != ANSWER and len(plain) <= _MOST_CHARACTERS
        shown[name] = plain if clear else _with_digest(name, plain)
    assert len(set(shown.values())) == len(shown), "two names of one set have different digests"
    return shown


def _plain(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name.replace(".", "__"))


def _with_digest(name: str, plain: str) -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{plain[: _MOST_CHARACTERS - _DIGEST_CHARACTERS - 1]}_{digest}"
