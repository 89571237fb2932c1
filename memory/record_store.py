"""The port to the record: versions of what is remembered, each once, none ever edited.

Beside the versions it keeps what the derived indexes still owe them. Full text belongs to the record's database, so a
store searches it as well.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from memory.lexical_index import LexicalHit
from memory.record_filters import RecordFilter
from memory.records import MemoryRecord, NewRecord, Scope


class Outcome(StrEnum):
    """What writing a record came to."""

    ADDED = "added"
    CORRECTED = "corrected"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Written:
    """A record as it stands after writing: its id, its current version, and what happened."""

    record_id: str
    version_id: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class PendingVector:
    """A version whose vector does not agree with the record yet; without text the record is gone, and so must it."""

    entry_id: int
    organisation: str
    version_id: str
    text: str | None


class RecordStore(Protocol):
    """The record of one database. Reads see what was committed; safe from several threads and processes."""

    def write(self, records: Sequence[NewRecord]) -> list[Written]:
        """Write a batch in one transaction, with its full text and a note that vectors are owed.

        A record whose content is there already is left alone. One whose content differs closes the version that was
        current and becomes the new one. The lowest trust of what it was made from is inherited.

        Raises:
            LineageUnknown: made from a record that is not there; nothing of the batch was written.
            WriteConflict: another writer was at the same record; nothing was written, try again.
        """
        ...

    def record(self, record_id: str, wanted: RecordFilter) -> MemoryRecord:
        """One record as it stands, or stood, for this reader.

        Raises:
            RecordNotFound: there is none that the reader may see.
        """
        ...

    def versions(self, record_id: str, scope: Scope) -> list[MemoryRecord]:
        """All versions of a record that the scope may see, oldest first; empty when there are none."""
        ...

    def readable(self, version_ids: Sequence[str], wanted: RecordFilter) -> dict[str, MemoryRecord]:
        """Those of the versions that are within the filter, by version id."""
        ...

    def readable_ids(self, version_ids: Sequence[str], wanted: RecordFilter) -> set[str]:
        """The ids alone of `readable`."""
        ...

    def count(self, wanted: RecordFilter) -> int:
        """How many versions are within the filter."""
        ...

    def lexical(self, terms: Sequence[str], wanted: RecordFilter, limit: int) -> list[LexicalHit]:
        """Versions within the filter that contain any of the terms, best first."""
        ...

    def organisations(self) -> list[str]:
        """Those that have records."""
        ...

    def version_ids(self, organisation: str) -> list[str]:
        """Of every version, current or not."""
        ...

    def pending(self, limit: int, organisation: str | None = None, after: int = 0) -> list[PendingVector]:
        """Vectors that are owed, oldest first, from entry ids greater than `after`."""
        ...

    def pending_versions(self, organisation: str) -> set[str]:
        """Versions that a vector is owed for."""
        ...

    def pending_count(self, organisation: str | None = None) -> int:
        """How many vectors are owed."""
        ...

    def settle(self, entry_ids: Iterable[int]) -> None:
        """Note that the index agrees with the record for these entries."""
        ...

    def owe(self, organisation: str, principal: str, version_ids: Iterable[str]) -> None:
        """Note that vectors of these versions are to be made anew."""
        ...
