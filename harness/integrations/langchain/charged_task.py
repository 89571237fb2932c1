"""Who pays for what a LangChain object asks: one task a object, charged to the person of the settings."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from uuid import uuid4

from harness.integrations.langchain.houses import House
from harness.ledger.entries import CallContext
from harness.ledger.tasks import Task


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return uuid4().hex


@dataclass(slots=True)
class ChargedTask:
    """A piece of business, and the questions that were asked for it here.

    No two questions have one `call_id`, so that none is answered from the journal: what LangGraph's checkpoints hold
    decides what is asked again.

    Args:
        kind: what sort of business; `harness costs` shows dollars a completed task of each kind.
        task_id: of a task that is there already, or shall have this id; None makes one.
    """

    kind: str
    task_id: str | None = None
    clock: Callable[[], datetime] = _utc_now
    new_id: Callable[[], str] = _new_id
    _path: str = field(init=False)
    _ordinals: "count[int]" = field(default_factory=count)
    _started_at: datetime | None = None

    def __post_init__(self) -> None:
        # Several processes may charge one task: each asks at a place of its own.
        self._path = f"langchain-{self.new_id()}"

    @property
    def id(self) -> str:
        """The task's id, made when first asked for."""
        if self.task_id is None:
            self.task_id = f"langchain-{self.new_id()}"
        return self.task_id

    async def next_context(self, house: House, role: str, *, questions: int = 1) -> CallContext:
        """Who asks next, for whom; the task is recorded with its first question.

        Args:
            questions: how many ordinals it needs, one after the other.
        """
        if self._started_at is None:
            # The project's file becomes the bindings in force where there are none yet.
            await house.binding_version()
            await house.money.start_task(self._task(house))
        first = next(self._ordinals)
        for _ in range(questions - 1):
            next(self._ordinals)
        return CallContext(
            organisation=house.organisation,
            person=house.settings.person,
            task_id=self.id,
            role=role,
            path=self._path,
            ordinal=first,
        )

    async def end(self, house: House, *, success: bool, evidence: str, value_usd: Decimal | None) -> None:
        """Say how the task ended; the last word counts."""
        await house.money.end_task(self._task(house, success, evidence, value_usd))

    def _task(
        self, house: House, success: bool | None = None, evidence: str | None = None, value_usd: Decimal | None = None
    ) -> Task:
        now = self.clock()
        self._started_at = self._started_at or now
        return Task(
            task_id=self.id,
            organisation=house.organisation,
            person=house.settings.person,
            kind=self.kind,
            key="",
            run_id=None,
            workflow=None,
            parent_id=None,
            started_at=self._started_at,
            success=success,
            evidence=evidence,
            value_usd=value_usd,
            ended_at=None if success is None else now,
        )
