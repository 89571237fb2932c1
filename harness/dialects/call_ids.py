"""Ids of tool calls: made where a server gave none, mapped where a wire wants another form."""

import hashlib
import re


def made_call_id(place: str, name: str, arguments: str) -> str:
    """An id for a call that came without one: the same for the same call, and within every provider's rule.

    Args:
        place: what tells calls of one conversation apart, such as the reply's id and the call's number in it.
    """
    return hashlib.sha256(f"{place}/{name}/{arguments}".encode("utf-8", "replace")).hexdigest()[:9]


def mapped_call_id(call_id: str, rule: str | None) -> str:
    """The id as a wire with this rule takes it; the same id always becomes the same.

    Args:
        rule: a regular expression; nine letters and digits must match it, as they do every published one.
    """
    if rule is None or re.fullmatch(rule, call_id):
        return call_id
    return hashlib.sha256(call_id.encode("utf-8", "replace")).hexdigest()[:9]
