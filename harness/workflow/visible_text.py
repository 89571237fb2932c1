"""Characters that a reader does not see, made visible, in text that comes from documents, models and tools.

Control characters move a terminal's cursor, bidirectional ones show a line in another order than it is read, and tag
characters carry whole sentences that nobody sees but a model reads. Fencing such text is left to `prompts.py`.
"""

import re
import unicodedata

# Joiners are part of the spelling of Persian and of many Indic words, and of emoji.
_KEPT = frozenset("\n\t\u200c\u200d")
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# A cheap first look: ASCII text without control characters needs no second one.
_SUSPECT = re.compile(r"[^\n\t\x20-\x7e]")
_VARIATION_SELECTORS = range(0xE0100, 0xE01F0)


def visible_text(text: str) -> str:
    r"""The text with each hidden character as its escape, such as `\u202e`; line ends become `\n`."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    return _SUSPECT.sub(_shown, plain)


def _shown(match: re.Match[str]) -> str:
    character = match.group()
    hidden = unicodedata.category(character) in _HIDDEN_CATEGORIES or ord(character) in _VARIATION_SELECTORS
    return escaped(character) if hidden and character not in _KEPT else character


def escaped(character: str) -> str:
    r"""One character as `\uXXXX` or `\UXXXXXXXX`."""
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - the last of four digits
