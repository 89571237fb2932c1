"""The task that a run is by itself; what its nodes declare are parts of it."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from harness.engines.run_store import Run
from harness.ledger.tasks import Task


def task_of_run(run: Run, *, parent_id: str | None = None) -> Task:
    """The piece of business that a run is, before anybody said how it ended.

    Args:
        parent_id: the task that it is a part of, for a run that is a step of another.
    """
    return Task(
        task_id=run.task_id,
        organisation=run.organisation,
        person=run.person,
        kind=run.workflow,
        key=run.parent_path or "",
        run_id=run.run_id,
        workflow=run.workflow,
        parent_id=parent_id,
        started_at=run.started_at or run.created_at,
    )


def ended_task_of_run(
    run: Run, *, success: bool, evidence: str, at: datetime, value_usd: Decimal | None = None
) -> Task:
    """The same, with the word of a verifier, a person or a program on how it ended."""
    return replace(task_of_run(run), success=success, evidence=evidence, value_usd=value_usd, ended_at=at)
