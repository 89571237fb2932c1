"""What is remembered: a text with who said it, for whom, when it held, where it came from and how far to trust it.

Pure values and their checks. Storing them is left to `record_store`, finding them to `search`.
"""

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Self

from memory.exceptions import RecordRefused, ScopeRefused, TextRefused

MAX_TEXT_BYTES = 1_000_000
MAX_NAME_BYTES = 1_000
MAX_QUOTE_BYTES = 100_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Kind(StrEnum):
    """What sort of thing a record is."""

    MESSAGE = "message"
    FACT = "fact"
    PREFERENCE = "preference"
    PROCEDURE = "procedure"
    SUMMARY = "summary"
    DOCUMENT_CHUNK = "document_chunk"


class Trust(IntEnum):
    """How far a text may be relied on, by where it came from: the greater, the further."""

    INFERRED = 1
    DOCUMENT = 2
    TOOL = 3
    VERIFIED = 4
    STATED = 5

    @property
    def label(self) -> str:
        """The name it is stored and exported under."""
        return self.name.lower()

    @classmethod
    def from_label(cls, label: str) -> Self:
        """The trust stored under a name."""
        return cls[label.upper()]


class Sensitivity(StrEnum):
    """How closely a text is to be held."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    RESTRICTED = "restricted"


def lowest_trust(first: Trust, *others: Trust) -> Trust:
    """What is made from several texts is trusted as far as the least trusted of them."""
    return min((first, *others))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """For whom something is remembered; a level left open means everyone there.

    Raises:
        ScopeRefused: no organisation, or a level whose name is empty, too long or holds control characters.
    """

    organisation: str
    team: str | None = None
    person: str | None = None
    agent: str | None = None
    session: str | None = None

    def __post_init__(self) -> None:
        for level in fields(self):
            name = getattr(self, level.name)
            if name is None and level.name != "organisation":
                continue
            if not isinstance(name, str) or not name.strip():
                raise ScopeRefused(f"scope.{level.name}", str(name), "a name is needed")
            _check_text(f"scope.{level.name}", name, MAX_NAME_BYTES, ScopeRefused)
            if not name.isprintable():
                raise ScopeRefused(
                    f"scope.{level.name}", name, "control and invisible characters are not allowed in a name"
                )

    def sees(self, other: "Scope") -> bool:
        """Whether a reader in this scope may see what is remembered for the other.

        It may where each level is open in the other or the same in both: a person sees what is for everyone and
        what is theirs, and nobody sees a narrower scope than their own.
        """
        return self.organisation == other.organisation and all(
            theirs is None or theirs == mine
            for mine, theirs in (
                (self.team, other.team),
                (self.person, other.person),
                (self.agent, other.agent),
                (self.session, other.session),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a text came from.

    Args:
        source: what it was taken from: a document, a conversation, a run.
        principal: on whose behalf it was recorded.
        place: where in the source it stands, such as a message's or a chunk's number. Empty when the source has no
            places: then its author, kind and text tell it from its neighbours.
        run_id, step, model: the run, its step and the model that wrote it, where there was one.
        quote: the words of the source that it rests on.
    """

    source: str
    principal: str
    place: str = ""
    run_id: str | None = None
    step: str | None = None
    model: str | None = None
    quote: str | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                limit = MAX_QUOTE_BYTES if field.name == "quote" else MAX_NAME_BYTES
                _check_text(f"provenance.{field.name}", value, limit, RecordRefused)
        for name, value in (("source", self.source), ("principal", self.principal)):
            if not value.strip():
                raise RecordRefused(f"provenance.{name}", value, "a name is needed")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordContent:
    """What a record says, whichever version of it.

    Args:
        subjects: entity ids of the ontology that it is about.
        valid_from, valid_to: when it held in the world, UTC, the end excluded; None where that is open.
        lineage: record ids that it was made from.
        confidence: 0 to 1, as its author put it.
        expires_at: from when on it is not to be found any more.
    """

    scope: Scope
    text: str
    kind: Kind
    author: str
    provenance: Provenance
    trust: Trust
    subjects: tuple[str, ...] = ()
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    lineage: tuple[str, ...] = ()
    confidence: float | None = None
    sensitivity: Sensitivity = Sensitivity.INTERNAL
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecord(RecordContent):
    """Something to be remembered, checked when it is made.

    Raises:
        TextRefused: the text is empty, longer than `MAX_TEXT_BYTES`, or holds NUL bytes or lone surrogates.
        RecordRefused: another field is unusable.
    """

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise TextRefused("text", self.text[:80], "there is nothing to remember")
        _check_text("text", self.text, MAX_TEXT_BYTES, TextRefused)
        _check_text("author", self.author, MAX_NAME_BYTES, RecordRefused)
        for name, values in (("subjects", self.subjects), ("lineage", self.lineage)):
            for value in values:
                _check_text(name, value, MAX_NAME_BYTES, RecordRefused)
        self._check_times()
        if self.confidence is not None and not (math.isfinite(self.confidence) and 0 <= self.confidence <= 1):
            raise RecordRefused("confidence", str(self.confidence), "a number from 0 to 1 is needed")

    def _check_times(self) -> None:
        for name in ("valid_from", "valid_to", "expires_at"):
            value = getattr(self, name)
            if value is not None and value.utcoffset() is None:
                raise RecordRefused(name, str(value), "a time needs its zone: pass an aware datetime")
        if self.valid_from is not None and self.valid_to is not None and self.valid_to <= self.valid_from:
            raise RecordRefused("valid_to", str(self.valid_to), f"not after valid_from {self.valid_from}")

    @property
    def record_id(self) -> str:
        """The same for the same place of the same source in the same scope, whatever stands there."""
        scope, origin = self.scope, self.provenance
        place: list[str] = [origin.place]
        if not origin.place:
            place = ["", self.author, self.kind, self.text]
        levels = [scope.organisation, scope.team, scope.person, scope.agent, scope.session]
        return "rec_" + _digest([levels, origin.source, place])[:32]

    @property
    def digest(self) -> str:
        """Of what is remembered; not of the run that happened to write it, so that importing twice changes nothing."""
        return _digest(
            [
                self.text,
                self.kind,
                self.author,
                sorted(set(self.subjects)),
                _micros(self.valid_from),
                _micros(self.valid_to),
                self.trust.label,
                sorted(set(self.lineage)),
                self.confidence,
                self.sensitivity,
                _micros(self.expires_at),
                self.provenance.quote,
            ]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRecord(RecordContent):
    """One version of a record as it is stored.

    Args:
        recorded_at: since when the store holds this version, UTC.
        superseded_at: when a correction took its place; None for the current one.
        digest: of the content.
    """

    record_id: str
    version_id: str
    recorded_at: datetime
    superseded_at: datetime | None
    digest: str


def microseconds(time: datetime) -> int:
    """Since 1970 in UTC, exactly."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def from_microseconds(value: int) -> datetime:
    """The time of `microseconds`."""
    return _EPOCH + timedelta(microseconds=value)


def _check_text(field: str, value: str, max_bytes: int, refusal: type[RecordRefused]) -> None:
    if "\x00" in value:
        raise refusal(field, value[:80], "it holds a NUL byte, which databases cut at; remove it")
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        broken = value[error.start : error.end].encode("unicode_escape").decode()
        raise refusal(field, broken, "it holds a lone surrogate, so it was decoded wrongly; decode it anew") from error
    if size > max_bytes:
        raise refusal(field, value[:80], f"{size:,} bytes, where {max_bytes:,} are allowed; split it")


def _digest(parts: Iterable[object]) -> str:
    text = json.dumps(list(parts), ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _micros(time: datetime | None) -> int | None:
    return None if time is None else microseconds(time)
