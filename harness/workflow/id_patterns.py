r"""Patterns that only ids match: letters, digits, `_` and `-`, and never the words of a sentence.

The grammar is small on purpose: `^` literals, classes, `\d`, groups and quantifiers `$`. What is not in it may well be
harmless, and is not known to be.
"""

import re

_IN_CLASS = r"(?:[A-Z]-[A-Z]|[a-z]-[a-z]|[0-9]-[0-9]|\\d|[A-Za-z0-9_])"
_ATOM = rf"(?:[A-Za-z0-9_-]|\\d|\[-?{_IN_CLASS}+-?\])"
_QUANTIFIER = r"(?:[*+?]|\{[0-9]{1,3}(?:,[0-9]{0,3})?\})?"
_TOKEN = re.compile(rf"(?P<open>\((?:\?:)?)|(?P<close>\){_QUANTIFIER})|(?P<choice>\|)|{_ATOM}{_QUANTIFIER}")


def is_id_pattern(pattern: str) -> bool:
    """Whether all of a text that matches is letters, digits, `_` and `-` (a line break may end it, as `$` lets it)."""
    if not pattern.startswith("^") or not pattern.endswith("$"):
        return False
    place, depth, end = 1, 0, len(pattern) - 1
    while place < end:
        token = _TOKEN.match(pattern, place, end)
        if token is None:
            return False
        depth += (token["open"] is not None) - (token["close"] is not None)
        # A choice outside all groups would leave each of its ways without one of the anchors.
        if depth < 0 or (depth == 0 and token["choice"] is not None):
            return False
        place = token.end()
    return depth == 0
