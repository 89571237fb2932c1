"""Secrets that a tool says aloud: taken out of results, errors, events and what is kept.

What counts as one: the value of each environment variable that the project's declarations name, and of each whose
name says so. A value of fewer than `SHORTEST` characters is left alone: it would be found everywhere.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus

from harness.json_values import Json

REDACTED = "[redacted]"
SHORTEST = 6

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)$|PASSWORD", re.IGNORECASE
)


class Redactor:
    """Takes secrets out of text and values."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret.strip())}
        self._forms = tuple(sorted(form for form in forms if len(form) >= SHORTEST))

    @classmethod
    def of_environment(cls, environment: Mapping[str, str], named: Iterable[str] = ()) -> "Redactor":
        """For the secrets of an environment.

        Args:
            named: variables that hold secrets, whatever they are called.
        """
        declared = frozenset(named)
        return cls(value for name, value in environment.items() if name in declared or _SECRET_NAME.search(name))

    def text(self, text: str) -> str:
        """The text with `[redacted]` in the place of each secret, as it is or as addresses, JSON or headers write it."""
        spans = sorted(span for form in self._forms if form in text for span in _found(text, form))
        if not spans:
            return text
        parts: list[str] = []
        end = 0
        for begins, ends in _joined(spans):
            parts += [text[end:begins], REDACTED]
            end = ends
        return "".join([*parts, text[end:]])

    def is_clean(self, text: str) -> bool:
        """Whether there is no secret in a text."""
        return not any(form in text for form in self._forms)

    def value(self, value: Json) -> Json:
        """The same of each text in a value, keys among them."""
        if not self._forms:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(each) for each in value]
        if isinstance(value, dict):
            return {self.text(key): self.value(each) for key, each in value.items()}
        return value


def _forms(secret: str) -> Iterator[str]:
    if len(secret) < SHORTEST:
        return
    yield secret
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield base64.b64encode(secret.encode("utf-8", "surrogateescape")).decode("ascii").rstrip("=")


def _found(text: str, form: str) -> Iterator[tuple[int, int]]:
    """Every place of a form, those that overlap among them."""
    at = text.find(form)
    while at >= 0:
        yield at, at + len(form)
        at = text.find(form, at + 1)


def _joined(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Spans in order, those that touch made one."""
    here: tuple[int, int] | None = None
    for begins, ends in spans:
        if here is not None and begins <= here[1]:
            here = (here[0], max(here[1], ends))
            continue
        if here is not None:
            yield here
        here = (begins, ends)
    if here is not None:
        yield here
