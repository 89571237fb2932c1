"""Port: the versions of an organisation's bindings. Bindings are state; a YAML file only seeds them.

A version is never changed: a change is a new one, and a rollback is a new one with an older one's content. The
newest is in force from the next step on, in running processes too.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from harness.routing.bindings import BindingsFile


@dataclass(frozen=True, slots=True)
class BindingVersion:
    """One version: what is bound, who changed it, when and why."""

    version: int
    organisation: str
    bindings: BindingsFile
    made_by: str
    made_at: datetime
    reason: str


class BindingStore(Protocol):
    """The record of bindings."""

    async def current(self, organisation: str) -> BindingVersion | None:
        """The version in force; None before the first."""
        ...

    async def version(self, organisation: str, version: int) -> BindingVersion | None:
        """One version."""
        ...

    async def history(self, organisation: str, *, limit: int = 50) -> tuple[BindingVersion, ...]:
        """The newest first."""
        ...

    async def add(
        self, organisation: str, bindings: BindingsFile, *, made_by: str, reason: str, replaces: int | None
    ) -> BindingVersion:
        """Make a new version, in force at once.

        Args:
            replaces: the version it was made from; None where there was none yet.

        Raises:
            BindingsChanged: another version came in between; nothing was written.
        """
        ...
