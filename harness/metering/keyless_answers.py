"""Keys in what a model answers: a server that repeats one has it taken out of the reply and of its stream.

Only whole keys are looked for, in the ways in which they are written: parts of one may be anybody's words. Nothing is
changed, and hardly anything done, where none stands. What a provider says of a failure is `hidden_keys`'.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, Self, TypeVar

from harness.json_values import Json
from harness.metering.hidden_keys import REDACTED, whole_forms
from harness.models.messages import ReasoningDelta, TextDelta, ToolCallDelta

Delta = TextDelta | ReasoningDelta | ToolCallDelta


class Journallable(Protocol):
    """A reply that its JSON says whole."""

    def model_dump_json(self) -> str:
        """As it is journalled."""
        ...

    @classmethod
    def model_validate_json(cls, json_data: str) -> Self:
        """As it is read from the journal."""
        ...


ReplyT = TypeVar("ReplyT", bound=Journallable)


def without_keys(reply: ReplyT, secrets: Iterable[str]) -> tuple[ReplyT, str]:
    """The reply and its JSON, with no secret in them; the very reply where none was."""
    said = reply.model_dump_json()
    forms = whole_forms(secrets)
    if not any(_in_json(form) in said for form in forms):
        return reply, said
    clean = type(reply).model_validate_json(json.dumps(_cleaned(json.loads(said), forms)))
    return clean, clean.model_dump_json()


class KeylessEvents:
    """Passes the events of a stream on without secrets in them, also where one comes in pieces.

    What may be the beginning of one is kept back until more is known.

    Args:
        hear: whom they are passed on to.
    """

    def __init__(self, secrets: Iterable[str], hear: Callable[[Delta], None]) -> None:
        self._forms = whole_forms(secrets)
        self._hear = hear
        self._kept = ""
        self._last: Delta | None = None

    def heard(self, event: Delta) -> None:
        """The next event."""
        if self._last is not None and not _goes_on(self._last, event):
            self.end()
        said = self._kept + _words(event)
        words = _without(said, self._forms)
        kept = max((_beginning(words, form) for form in self._forms), default=0)
        before, self._kept = self._kept, words[len(words) - kept :]
        self._last = event if self._kept else None
        words = words[: len(words) - kept]
        if not before and words == _words(event) and not _names_one(event, self._forms):
            self._hear(event)
        elif words or _opens(event):
            self._hear(_told(event, words, self._forms))

    def end(self) -> None:
        """Nothing more of this comes: what was kept back began no secret."""
        kept, last = self._kept, self._last
        self._kept, self._last = "", None
        if kept and last is not None:
            more = last.model_copy(update={"call_id": "", "name": ""}) if isinstance(last, ToolCallDelta) else last
            self._hear(_told(more, kept, self._forms))


def _words(event: Delta) -> str:
    return event.arguments if isinstance(event, ToolCallDelta) else event.text


def _goes_on(last: Delta, event: Delta) -> bool:
    if isinstance(last, ToolCallDelta):
        return isinstance(event, ToolCallDelta) and event.place == last.place
    return type(event) is type(last)


def _opens(event: Delta) -> bool:
    return isinstance(event, ToolCallDelta) and bool(event.call_id or event.name)


def _names_one(event: Delta, forms: Sequence[str]) -> bool:
    return isinstance(event, ToolCallDelta) and any(form in event.call_id or form in event.name for form in forms)


def _told(event: Delta, words: str, forms: Sequence[str]) -> Delta:
    if not isinstance(event, ToolCallDelta):
        return event.model_copy(update={"text": words})
    names = {"call_id": _without(event.call_id, forms), "name": _without(event.name, forms)}
    return event.model_copy(update={"arguments": words, **names})


def _beginning(text: str, form: str) -> int:
    """How many characters at the end of a text may be the beginning of a secret."""
    place = text.find(form[0], max(len(text) - len(form) + 1, 0))
    while place >= 0 and not form.startswith(text[place:]):
        place = text.find(form[0], place + 1)
    return len(text) - place if place >= 0 else 0


def _in_json(form: str) -> str:
    return json.dumps(form, ensure_ascii=False)[1:-1]


def _cleaned(value: Json, forms: Sequence[str]) -> Json:
    if isinstance(value, str):
        return _without(value, forms)
    if isinstance(value, list):
        return [_cleaned(each, forms) for each in value]
    if isinstance(value, dict):
        return {_without(name, forms): _cleaned(each, forms) for name, each in value.items()}
    return value


def _without(text: str, forms: Sequence[str]) -> str:
    for form in forms:
        text = text.replace(form, REDACTED)
    return text
