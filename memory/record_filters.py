"""Which records a reader means: whose, of what kinds, as they stood when.

The values alone; `sql_filters` turns them into conditions.
"""

from dataclasses import dataclass
from datetime import datetime

from memory.exceptions import QueryRefused
from memory.records import Kind, Scope, Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOf:
    """A moment to look at.

    Args:
        valid: what held in the world at this time; None: whenever.
        recorded: what the store knew at this time; None: what it knows now.
    """

    valid: datetime | None = None
    recorded: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("valid", "recorded"):
            time = getattr(self, name)
            if time is not None and time.utcoffset() is None:
                raise QueryRefused(f"as_of.{name}", str(time), "a time needs its zone: pass an aware datetime")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilter:
    """Records that a reader in `scope` may see, and wants to.

    Args:
        now: records that expired by then are left out.
        kinds: None for all.
        trust_at_least: nothing less trusted than this.
    """

    scope: Scope
    now: datetime
    kinds: frozenset[Kind] | None = None
    as_of: AsOf = AsOf()
    trust_at_least: Trust | None = None
