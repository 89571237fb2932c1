"""Keys in what a provider says: taken out before anybody reads, records or logs it.

Some repeat the key that they refuse, as it came or as their proxy wrote it down, and messages that are cut end in the
middle of one.
"""

import base64
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from harness.exceptions import ProviderError

REDACTED = "[redacted]"

# A part of a key this long is taken out wherever it stands; a shorter one may be any word.
_SHORTEST_PART = 8


def hide(error: ProviderError, secrets: Iterable[str]) -> None:
    """Take secrets and long parts of them out of an error's words; an error behind it that shows one is cut off."""
    forms = [form for secret in secrets if secret for form in _forms(secret)]
    error.message = _without(error.message, forms)
    error.request_id = None if error.request_id is None else _without(error.request_id, forms)
    error.args = (error.endpoint, error.message)
    behind = error.__cause__ or error.__context__
    if behind is not None and any(_without(each, forms) != each for each in _words_of(behind)):
        # A traceback would print it; what matters of it is in the message.
        error.__cause__ = error.__context__ = None


def shows(error: BaseException, secrets: Iterable[str]) -> bool:
    """Whether a traceback of it would print a secret or a long part of one."""
    forms = [form for secret in secrets if secret for form in _forms(secret)]
    return any(_without(words, forms) != words for words in _words_of(error))


def whole_forms(secrets: Iterable[str]) -> tuple[str, ...]:
    """The ways in which secrets are written; of one that is so short that it may be any word, none."""
    forms = (form for secret in secrets for form in _forms(secret) if len(secret) > _SHORTEST_PART)
    return tuple(dict.fromkeys(forms))


def _forms(secret: str) -> Iterator[str]:
    """As it is, and as addresses and headers write it."""
    yield secret
    yield quote(secret, safe="")
    coded = base64.b64encode(secret.encode("utf-8", "surrogatepass")).decode("ascii")
    yield coded.rstrip("=")
    yield coded.rstrip("=").translate(str.maketrans("+/", "-_"))


def _words_of(error: BaseException) -> Iterator[str]:
    """What a traceback prints of an error and those behind it."""
    seen: set[int] = set()
    here: BaseException | None = error
    while here is not None and id(here) not in seen:
        seen.add(id(here))
        yield str(here)
        here = here.__cause__ or here.__context__


def _without(text: str, forms: Sequence[str]) -> str:
    for form in forms:
        text = text.replace(form, REDACTED)
    for form in forms:
        if len(form) > _SHORTEST_PART:
            text = _without_parts(text, form)
    return text


def _without_parts(text: str, secret: str) -> str:
    """The text without the parts of a secret in it, each as long as it goes."""
    pieces: list[str] = []
    place = kept = 0
    while place + _SHORTEST_PART <= len(text):
        length = _SHORTEST_PART
        if text[place : place + length] not in secret:
            place += 1
            continue
        while place + length < len(text) and text[place : place + length + 1] in secret:
            length += 1
        pieces += [text[kept:place], REDACTED]
        place = kept = place + length
    return "".join([*pieces, text[kept:]])
