"""The piece of business that costs are charged to, and how it ended.

An outcome comes from a verifier, a person or an API call, never from "it did not fail".
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Task:
    """A piece of business.

    Args:
        kind: what sort of business, e.g. "licence_audit".
        key: which one of that sort within its run; empty for the run itself.
        parent_id: the task it is a part of, whose cost includes its own.
        success: None until somebody said how it ended.
    """

    task_id: str
    organisation: str
    person: str
    kind: str
    key: str
    run_id: str | None
    workflow: str | None
    parent_id: str | None
    started_at: datetime
    success: bool | None = None
    evidence: str | None = None
    value_usd: Decimal | None = None
    ended_at: datetime | None = None


def task_id_for(run_id: str, kind: str, key: str) -> str:
    """The same task gets the same id in every replay of its run."""
    digest = hashlib.sha256(f"{run_id}\0{kind}\0{key}".encode()).hexdigest()
    return f"{run_id}.{digest[:12]}"
