"""Results that may be given again for equal inputs: the port of the cache.

What makes inputs equal, and who may see whose results, is the caller's to say by the digest; an entry is never given
across organisations.
"""

from dataclasses import dataclass
from typing import Protocol

from harness.json_values import Json


@dataclass(frozen=True, slots=True)
class CachedResult:
    """A result, and the run that made it."""

    result: Json
    run_id: str


class ResultCache(Protocol):
    """The cache of one organisation; an entry goes with the run whose payloads hold it."""

    async def find(self, digest: str) -> CachedResult | None:
        """The result for a digest, unless it is too old."""
        ...

    async def keep(self, digest: str, result: Json, *, run_id: str, seconds: float) -> None:
        """Keep a result for so long."""
        ...
