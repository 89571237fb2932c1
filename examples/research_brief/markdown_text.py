"""Words of models and documents inside a Markdown file: one line, nothing hidden, nothing that is markup or a link."""

import re

from harness.workflow.visible_text import escaped, visible_text

_JOINERS = str.maketrans({"\u200c": escaped("\u200c"), "\u200d": escaped("\u200d")})
_MARKUP = str.maketrans({character: f"\\{character}" for character in "\\`*_[]<>|~#&!@"})
# What readers of Markdown turn into links without being asked to.
_LINKS = re.compile(r"(?P<scheme>:)(?=//)|(?P<host>\bwww)(?=\.)", re.IGNORECASE)
_BLOCK = re.compile(r"^(?P<mark>[-+=]|\d+(?=[.)]))")


def markdown_line(text: str) -> str:
    r"""The text in one line, as it reads: a link is no link, and a hidden character is its escape, such as `\u202e`."""
    line = " ".join(visible_text(text).split()).translate(_JOINERS).translate(_MARKUP)
    line = _LINKS.sub(lambda found: r"\:" if found["scheme"] else f"{found['host']}\\", line)
    return _BLOCK.sub(lambda found: rf"\{found['mark']}" if not found["mark"].isdigit() else f"{found['mark']}\\", line)
