"""Text from outside in one line of a report: what a reader could not see is written out, and nothing is markup."""

from harness.workflow.visible_text import escaped, visible_text

_JOINERS = str.maketrans({"\n": " ", "\t": " ", "\u200c": escaped("\u200c"), "\u200d": escaped("\u200d")})
_MARKUP = str.maketrans({character: f"\\{character}" for character in "\\`*_[]<>|~#&!"})


def visible_line(text: str) -> str:
    r"""The text in one line, each character that does not show itself as its escape, such as `\u202e`."""
    return visible_text(text).translate(_JOINERS)


def markdown_cell(text: str) -> str:
    """The same for a table in Markdown: no link, no image, no markup and no cell border of its own."""
    return visible_line(text).translate(_MARKUP)
